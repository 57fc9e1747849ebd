"""acked-durable: a message acknowledged to its sender is in the room's log on every node after recovery.

- *Acknowledged*: any attempt was, also when the acknowledgement came late.
- *The log*: what the node's REST interface lists from the store in the final reads, when two rounds of
  it were equal. A message is in it when its whole text is, under its own room.
- *Every node*: each that the plan leaves alive.

Counted are pairs of an acknowledged message and a node. Excused, and counted as such, is what lies past the
end of an epoch that was over where the plan has a fault that destroys the log, and what retention trims
(`excuses.py`). Without any acknowledged message, or where a node's final store read is missing or not
settled, the finding is unknown.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.checkers import operations, stories
from harness.checkers.excuses import excused
from harness.checkers.findings import Tally
from harness.checkers.view import View
from harness.records.verdict import Property, Witness

NAME = "acked-durable"


def check(view: View) -> Property:
    """Look for every acknowledged message in every final store read."""
    tally = Tally(name=NAME, counted="acknowledged messages × nodes that the plan leaves alive")
    lacks: dict[int, list[str]] = {}
    excuse = excused(view)
    for room in view.plan.rooms:
        own = view.acknowledged[view.messages.room[view.acknowledged] == view.room_number(room)]
        for read in view.stores(room):
            if not read.settled:
                continue
            tally.checked += len(own)
            missing = own[~_listed(view, read.contents)[own]]
            tally.excused += int(np.count_nonzero(excuse[missing]))
            for message in missing[~excuse[missing]].tolist():
                lacks.setdefault(message, []).append(read.node)
    for message, nodes in sorted(lacks.items()):
        tally.violated(partial(_witness, view, message, nodes), len(nodes))
    return tally.finding(_doubt(view))


def _listed(view: View, contents: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which messages are among these contents, under the rooms in which they were sent."""
    found = np.zeros(len(view.messages) + 1, np.bool_)
    found[view.contents.owner[contents]] = True
    return found[:-1]


def _doubt(view: View) -> str:
    if not len(view.acknowledged):
        return "no message was acknowledged"
    missing = view.unsettled_stores
    return f"the final reads are incomplete: {missing[0]}" if missing else ""


def _witness(view: View, message: int, nodes: list[str]) -> Witness:
    about = view.message(message)
    story = (
        f"{stories.acknowledgement(view, about)}; it is not in the log that {stories.listed(nodes)} "
        "served at the end"
    )
    lines = operations.sends(view, about)
    for read in view.stores(about.room):
        if read.node in nodes:
            what = f"listed {len(read.contents)} messages of {about.room}, not this one"
            lines.append(operations.read(view, read, what, lacking=True))
    first = about.first_ack
    return operations.witness(story, lines, first[1].t_ns if first else None)
