"""Where places do not rise as they came: the few stays that checkers of order look into one by one."""

from collections.abc import Iterator

import numpy as np

from harness.checkers.receipts import RESUME
from harness.checkers.view import View


def suspects(view: View) -> Iterator[slice]:
    """Yield the stays in which what came live or by resume does not strictly rise in the room's log.

    A place of which nobody knows where it lies makes its stay suspect too.
    """
    table, contents = view.receipts, view.contents
    for room in np.unique(table.stay_room[table.stay_room >= 0]).tolist():
        rows = table.room(room)
        content = table.content[rows]
        counts = (contents.owner[content] >= 0) & (contents.seq[content] > 0) & (table.via[rows] <= RESUME)
        own = np.flatnonzero(counts) + rows.start
        places = view.places.of_content[table.content[own]]
        stays = np.searchsorted(table.start, own[np.flatnonzero(places < 0)], side="right") - 1
        falls = np.flatnonzero(np.diff(places) <= 0)
        one, other = (np.searchsorted(table.start, own[falls + k], side="right") - 1 for k in (0, 1))
        for stay in np.unique(np.concatenate([stays, one[one == other]])).tolist():
            yield slice(int(table.start[stay]), int(table.start[stay + 1]))
