"""Bugs of live delivery: what a node does with a message on the way to one of its members."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import gevent

from cluster import wire
from cluster.connections import Connections, Membership
from cluster.delivery.durable import DurableDelivery
from cluster.wire import Stored
from tests.broken_clusters.planting import bug, hit, instead_of, on_node

Change = Callable[[Membership, Sequence[Stored]], Sequence[Stored]]


def change_live(change: Change) -> None:
    """Let `change` say what each member gets in place of the next messages of its room."""

    @instead_of(DurableDelivery, "_deliver")
    def deliver(original: Any, self: Any, room: str, tail: Any, run: Any) -> None:
        self._memory.extend(room, tail, run[0][0], [body for _, body in run])
        messages = [wire.stored(seq, body) for seq, body in run]
        for member in self._connections.members(room):
            member.position = tail.last
            shown = change(member, messages)
            if shown:
                self._outbox.send(member.connection, (wire.live(shown),))


def fields(message: Stored) -> dict[str, Any]:
    """Return a message as it is on the wire."""
    found: dict[str, Any] = json.loads(message.text)
    return found


def altered(message: Stored, **changes: Any) -> Stored:
    """Return a message with other fields."""
    made = {**fields(message), **changes}
    return Stored(made["seq"], json.dumps(made))


def is_of(message: Stored, member: Membership) -> bool:
    """Tell whether the member sent it."""
    return bool(fields(message)["user"] == member.user)


@bug("complete-delivery", may=("read-your-writes",))
def drops_every_hundredth_delivery() -> None:
    """Every hundredth live delivery of a node is left out."""
    count = 0

    def change(member: Membership, messages: Sequence[Stored]) -> Sequence[Stored]:
        nonlocal count
        count += 1
        return messages if count % 100 else messages[1:]

    change_live(change)


@bug("complete-delivery")
def drops_for_one_recipient_only() -> None:
    """One user, and nobody else, does not get some messages of the others."""

    def change(member: Membership, messages: Sequence[Stored]) -> Sequence[Stored]:
        if not member.user.startswith("bot-05."):
            return messages
        return [m for m in messages if is_of(m, member) or not hit(m.text, one_in=20)]

    change_live(change)


@bug("complete-delivery", may=("read-your-writes",))
def drops_what_another_node_committed() -> None:
    """node-2 does not deliver what node-1 has committed."""

    def change(member: Membership, messages: Sequence[Stored]) -> Sequence[Stored]:
        return [m for m in messages if not on_node("node-2") or fields(m)["node"] != "node-1"]

    change_live(change)


@bug("complete-delivery", "read-your-writes")
def drops_long_texts() -> None:
    """Messages of more than a kilobyte are committed and acknowledged, but not delivered live."""

    def change(member: Membership, messages: Sequence[Stored]) -> Sequence[Stored]:
        return [m for m in messages if len(m.text) < 1000]

    change_live(change)


@bug("complete-delivery", "read-your-writes")
def does_not_echo_own_messages() -> None:
    """Nobody gets their own messages live."""

    def change(member: Membership, messages: Sequence[Stored]) -> Sequence[Stored]:
        return [m for m in messages if not is_of(m, member)]

    change_live(change)


@bug("no-duplicates")
def duplicates_live() -> None:
    """Some messages are delivered twice in a row."""

    def change(member: Membership, messages: Sequence[Stored]) -> Sequence[Stored]:
        return [m for m in messages for _ in range(2 if hit(m.text, one_in=40) else 1)]

    change_live(change)


@bug("no-duplicates")
def replays_an_old_message() -> None:
    """A message that everybody has is delivered once more, some messages later."""
    kept: dict[str, Stored] = {}

    def change(member: Membership, messages: Sequence[Stored]) -> Sequence[Stored]:
        sid, first = member.connection.sid, messages[0]
        if hit(first.text, one_in=40):
            kept.setdefault(sid, first)
        elif sid in kept and first.seq > kept[sid].seq + 10:
            return [*messages, kept.pop(sid)]
        return messages

    change_live(change)


@bug("total-order", "monotonic-reads", may=("fifo-order", "causal-order"))
def reorders_on_one_node_only() -> None:
    """node-2 delivers some messages after the next one."""
    held: dict[Membership, Stored] = {}

    def change(member: Membership, messages: Sequence[Stored]) -> Sequence[Stored]:
        shown: list[Stored] = []
        for message in messages:
            if on_node("node-2") and hit(message.text, one_in=20) and member not in held:
                held[member] = message
            else:
                shown += [message, *([held.pop(member)] if member in held else [])]
        return shown

    change_live(change)


@bug("causal-order", "total-order", "monotonic-reads", may=("fifo-order",))
def delivers_an_answer_before_the_original() -> None:
    """node-2 holds some messages back until an answer to them has come, or a second and a half has passed."""
    held: dict[tuple[Membership, int], Stored] = {}

    def let_go(member: Membership, seq: int) -> None:
        message = held.pop((member, seq), None)
        if message is not None and member.connection.memberships.get(member.room) is member:
            member.connection.outlet.write(wire.live([message]))

    def change(member: Membership, messages: Sequence[Stored]) -> Sequence[Stored]:
        shown: list[Stored] = []
        for message in messages:
            answered = (fields(message).get("reply_to") or {}).get("seq", 0)
            if on_node("node-2") and not answered and hit(message.text, one_in=3):
                held[member, message.seq] = message
                gevent.spawn_later(1.5, let_go, member, message.seq)
            else:
                original = held.pop((member, answered), None)
                shown += [message, original] if original else [message]
        return shown

    change_live(change)


@bug("integrity")
def delivers_to_the_wrong_room() -> None:
    """Some messages are also delivered to the members of the other rooms on the node."""

    @instead_of(DurableDelivery, "_deliver")
    def deliver(original: Any, self: Any, room: str, tail: Any, run: Any) -> None:
        original(self, room, tail, run)
        astray = [wire.stored(seq, body) for seq, body in run if hit(body, one_in=40)]
        others = [name for name in self._connections.rooms() if name != room]
        for member in (m for name in others for m in self._connections.members(name) if astray):
            self._outbox.send(member.connection, (wire.live(astray),))


@bug(
    "integrity",
    may=("complete-delivery", "read-your-writes", "total-order", "monotonic-reads", "no-duplicates"),
)
def names_another_room() -> None:
    """Some messages come to their recipients under the name of another room."""

    def change(member: Membership, messages: Sequence[Stored]) -> Sequence[Stored]:
        return [_elsewhere(m) if hit(m.text, one_in=40) else m for m in messages]

    change_live(change)


def _elsewhere(message: Stored) -> Stored:
    room = fields(message)["room"]
    other = "room-2" if room.startswith("room-1.") else "room-1"
    return altered(message, room=other + room[len(other) :])


@bug("integrity", may=("no-duplicates",))
def delivers_after_leave() -> None:
    """A member that has left a room goes on getting its messages."""

    @instead_of(Connections, "leave")
    def leave(original: Any, self: Any, connection: Any, room: str) -> Any:
        membership = connection.memberships.get(room)
        left = original(self, connection, room)
        if membership is not None and connection.open:
            self.enter(membership)
            del connection.memberships[room]
        return left


@bug("integrity", "complete-delivery", may=("read-your-writes",))
def alters_a_text() -> None:
    """Some texts lose their last character on the way."""

    def change(member: Membership, messages: Sequence[Stored]) -> Sequence[Stored]:
        return [
            altered(m, text=fields(m)["text"][:-1]) if hit(m.text + member.user, one_in=60) else m
            for m in messages
        ]

    change_live(change)


@bug("integrity", "complete-delivery", "read-your-writes")
def mangles_other_scripts() -> None:
    """What is not ASCII becomes question marks in live messages."""

    def change(member: Membership, messages: Sequence[Stored]) -> Sequence[Stored]:
        return [altered(m, text=fields(m)["text"].encode("ascii", "replace").decode()) for m in messages]

    change_live(change)


@bug("integrity")
def swaps_a_sender() -> None:
    """Some live messages come under the name of another user."""

    def change(member: Membership, messages: Sequence[Stored]) -> Sequence[Stored]:
        return [altered(m, user=member.user) if hit(m.text, one_in=40) else m for m in messages]

    change_live(change)


@bug("integrity")
def names_a_wrong_n() -> None:
    """Some live messages carry the n of the message after them."""

    def change(member: Membership, messages: Sequence[Stored]) -> Sequence[Stored]:
        return [altered(m, n=fields(m)["n"] + 1) if hit(m.text, one_in=40) else m for m in messages]

    change_live(change)


@bug("integrity", may=("total-order",))
def invents_a_message() -> None:
    """Now and then everybody gets a message that nobody sent."""

    def change(member: Membership, messages: Sequence[Stored]) -> Sequence[Stored]:
        return [
            shown
            for m in messages
            for shown in ([m, altered(m, text="hello")] if hit(m.text, one_in=40) else [m])
        ]

    change_live(change)


@bug("total-order", may=("monotonic-reads", "no-duplicates", "causal-order", "fifo-order"))
def renumbers_on_one_node() -> None:
    """node-2 delivers live messages one position too high."""

    def change(member: Membership, messages: Sequence[Stored]) -> Sequence[Stored]:
        return [altered(m, seq=m.seq + 1) if on_node("node-2") else m for m in messages]

    change_live(change)


@bug("complete-delivery", may=("read-your-writes",))
def stops_delivering_to_one_connection() -> None:
    """After some seconds one connection of node-3 gets no live messages any more, and stays open."""
    chosen: list[str] = []
    on: list[bool] = []
    gevent.spawn_later(8.0, on.append, True)

    def change(member: Membership, messages: Sequence[Stored]) -> Sequence[Stored]:
        if on and on_node("node-3") and not chosen:
            chosen.append(member.connection.sid)
        return () if member.connection.sid in chosen else messages

    change_live(change)
