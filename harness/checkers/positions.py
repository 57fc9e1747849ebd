"""Places in the logs: the order of a room's epochs, and who saw which message where."""

from collections.abc import Mapping

from harness.checkers.view import View

Order = Mapping[str | None, int]


def order_of(view: View, room: str) -> Order:
    """Return the rank of each epoch of a room, as the final store reads list them.

    A room whose log is empty, or was not read, has the epochs that joins and acknowledgements named, all
    in one rank if it is a single one; several of them cannot be ordered, and are left out.
    """
    ranks: dict[str | None, int] = {}
    for read in view.stores(room):
        for content in read.contents:
            if content.room == room and content.epoch is not None:
                ranks.setdefault(content.epoch, len(ranks))
    if ranks:
        return ranks
    named = {member.epoch for member in view.memberships() if member.room == room} - {None}
    return dict.fromkeys(named, 0) if len(named) == 1 else {}
