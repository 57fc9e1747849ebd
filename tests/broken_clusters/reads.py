"""Bugs of what a node serves of its history by REST, from the store or from its own tail."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from cluster.delivery.durable import DurableDelivery
from cluster.wire import Stored
from tests.broken_clusters.planting import Fault, bug, hit, instead_of, on_node, second_life

Change = Callable[[Sequence[Stored]], Sequence[Stored]]


def change_pages(source: str, change: Change) -> None:
    """Let `change` say what a page of the source (`stored` or `delivered`) shows."""

    @instead_of(DurableDelivery, source)
    def page(original: Any, self: Any, request: Any) -> Any:
        found = original(self, request)
        return dataclasses.replace(found, messages=tuple(change(found.messages)))


@bug("acked-durable", "convergence")
def one_message_missing_on_one_node() -> None:
    """The history that node-2 serves lacks one message in forty."""
    if on_node("node-2"):
        change_pages("stored", lambda ms: [m for m in ms if not hit(m.text, one_in=40)])


@bug("acked-durable", "convergence")
def stale_history_on_one_node() -> None:
    """The history that node-2 serves lacks the newest twenty messages."""
    if not on_node("node-2"):
        return

    @instead_of(DurableDelivery, "stored")
    def stored(original: Any, self: Any, request: Any) -> Any:
        page = original(self, request)
        head = max(0, page.head - 20)
        kept = tuple(message for message in page.messages if message.seq <= head)
        return dataclasses.replace(page, head=head, messages=kept)


@bug("acked-durable", "convergence", fault=Fault.NODE_KILL)
def forgets_a_room_after_restart() -> None:
    """A node that was restarted serves nothing of one room from before its restart."""
    if not second_life():
        return
    begins: dict[str, int] = {}

    @instead_of(DurableDelivery, "stored")
    def stored(original: Any, self: Any, request: Any) -> Any:
        page = original(self, request)
        begin = begins.setdefault(request.room, page.head)
        if not request.room.startswith("room-1"):
            return page
        return dataclasses.replace(page, messages=tuple(m for m in page.messages if m.seq > begin))


@bug("convergence")
def store_and_tail_differ() -> None:
    """The tail of node-2 does not have some messages that it has delivered."""
    if on_node("node-2"):
        change_pages("delivered", lambda ms: [m for m in ms if not hit(m.text, one_in=40)])


@bug("total-order", "convergence")
def lists_in_another_order() -> None:
    """The history that node-2 serves has some neighbours swapped."""

    def swapped(messages: Sequence[Stored]) -> Sequence[Stored]:
        shown = list(messages)
        for at in range(len(shown) - 2):  # The last one stays: a page goes on after it.
            if hit(shown[at].text, one_in=20):
                shown[at], shown[at + 1] = shown[at + 1], shown[at]
        return shown

    if on_node("node-2"):
        change_pages("stored", swapped)


@bug("no-duplicates", may=("total-order", "convergence"))
def lists_twice() -> None:
    """The history that every node serves has some messages twice."""
    change_pages("stored", lambda ms: [m for m in ms for _ in range(2 if hit(m.text, one_in=40) else 1)])


@bug("acked-durable", "convergence", may=("complete-delivery",))
def loses_the_store_behind_the_tail() -> None:
    """Every node serves from its store only what is newer than the first twenty messages."""
    change_pages("stored", lambda ms: [m for m in ms if m.seq > 20])
