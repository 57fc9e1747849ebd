"""acked-durable: a message acknowledged to its sender is in the room's log on every node after recovery.

- *Acknowledged*: any attempt was, also when the acknowledgement came late.
- *The log*: what the node's REST interface lists from the store in the final reads, when two rounds of
  it were equal. A message is in it when its whole text is, under its own room.
- *Every node*: each that the plan leaves alive.

Counted are pairs of an acknowledged message and a node. Nothing is excused. Without any acknowledged
message, or where a node's final store read is missing or not settled, the finding is unknown.
"""

from functools import partial

from harness.checkers import stories
from harness.checkers.findings import Tally
from harness.checkers.messages import Message
from harness.checkers.view import MessageId, View
from harness.records.verdict import Property, Witness

NAME = "acked-durable"


def check(view: View) -> Property:
    """Look for every acknowledged message in every final store read."""
    tally = Tally(name=NAME, counted="acknowledged messages × nodes that the plan leaves alive")
    logs = {room: _logs(view, room) for room in view.plan.rooms}
    for message in view.acknowledged:
        own = logs.get(message.room, {})
        tally.checked += len(own)
        missing = [node for node, log in own.items() if (message.bot, message.key) not in log]
        if missing:
            tally.violated(partial(_witness, view, message, missing), len(missing))
    return tally.finding(_doubt(view))


def _logs(view: View, room: str) -> dict[str, frozenset[MessageId]]:
    return {
        read.node: frozenset(whose for content in read.contents if (whose := view.belongs(content)))
        for read in view.stores(room)
        if read.settled
    }


def _doubt(view: View) -> str:
    if not view.acknowledged:
        return "no message was acknowledged"
    missing = view.unsettled_stores
    return f"the final reads are incomplete: {missing[0]}" if missing else ""


def _witness(view: View, message: Message, nodes: list[str]) -> Witness:
    story = (
        f"{stories.acknowledgement(view, message)}; it is not in the log that {stories.listed(nodes)} "
        "served at the end"
    )
    operations = stories.sends(view, message)
    for read in view.stores(message.room):
        if read.node in nodes:
            what = f"listed {len(read.contents)} messages of {message.room}, not this one"
            operations.append(stories.line(view, read.t_ns, read.node, what))
    first = message.first_ack
    return Witness(
        story=story, operations=stories.in_order(operations), t_ns=first[1].t_ns if first else None
    )
