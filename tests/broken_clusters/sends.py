"""Bugs between a send and its acknowledgement: what is committed, what is answered."""

import dataclasses
import secrets
from typing import Any

import gevent

from cluster import rest, wire
from cluster.delivery import committer, durable
from cluster.delivery.committer import Committed, Committer
from cluster.delivery.durable import DurableDelivery
from cluster.storage import keys
from cluster.transport.outbox import Outbox
from cluster.wire import Stored
from tests.broken_clusters.planting import Fault, bug, hit, in_script, instead_of, on_node

TOMBSTONE = '{"hidden":1}'
_TAKES_SEQ = "local seq = call('HINCRBY', KEYS[2], 'head', 1)\n"
_IN_ORDER = "if n > expected then\n    return {'out_of_order', expected}\n  end"


def hide_tombstones() -> None:
    """Let nobody outside see what stands in the log in place of a message."""

    def seen(messages: Any) -> list[Stored]:
        return [message for message in messages if '"hidden":1' not in message.text]

    @instead_of(wire, "live")
    def live(original: Any, messages: Any) -> bytes:
        return bytes(original(seen(messages)))

    @instead_of(wire, "history")
    def history(original: Any, room: str, epoch: Any, messages: Any, **how: bool) -> Any:
        return original(room, epoch, seen(messages), **how)

    @instead_of(rest, "_page_json")
    def page_json(original: Any, room: str, page: Any) -> Any:
        return original(room, dataclasses.replace(page, messages=tuple(seen(page.messages))))

    @instead_of(Outbox, "send")
    def send(original: Any, self: Any, connection: Any, frames: Any) -> None:
        original(self, connection, [frame for frame in frames if frame])


def answers_late(seconds: float, *nodes: str, one_in: int = 1) -> None:
    """Give acknowledgements later than they come; their order stays."""

    @instead_of(DurableDelivery, "send")
    def send(original: Any, self: Any, connection: Any, user: str, request: Any, answer: Any) -> None:
        def later(given: Any) -> None:
            gevent.spawn_later(seconds, answer, given)

        late = hit(request.text, one_in=one_in) and on_node(*nodes)
        original(self, connection, user, request, later if late else answer)


def change_acknowledgements(change: Any) -> None:
    """Let `change(request, answer)` say what a sender is told of a message that was committed."""

    @instead_of(durable, "_acknowledgement")
    def acknowledgement(original: Any, request: Any, outcome: Any) -> Any:
        answer = original(request, outcome)
        return change(request, answer) if answer["ok"] else answer


@bug("acked-durable", "complete-delivery", "read-your-writes", "total-order", fault=Fault.NODE_KILL)
def acknowledges_before_commit() -> None:
    """A send is acknowledged at once, with a guess at its position, and committed half a second later."""

    @instead_of(DurableDelivery, "send")
    def send(original: Any, self: Any, connection: Any, user: str, request: Any, answer: Any) -> None:
        guard, tail = self._standing.guard, self._memory.get(request.room)
        if guard is None or tail is None:
            original(self, connection, user, request, answer)
            return
        guessed = Committed(epoch=guard.epoch, seq=tail.last + 1, duplicate=False)
        answer(durable._acknowledgement(request, guessed))
        gevent.spawn_later(0.5, original, self, connection, user, request, lambda given: None)


@bug("acked-durable", "complete-delivery", "read-your-writes")
def drops_after_acknowledge() -> None:
    """Some messages are acknowledged with a position at which the log then has nothing."""
    in_script("commit", _TAKES_SEQ, _TAKES_SEQ + f"if seq % 40 == 0 then ARGV[11] = '{TOMBSTONE}' end\n")
    hide_tombstones()


@bug("total-order", may=("gapless-resume",))
def skips_a_sequence_number() -> None:
    """Every fortieth position is left out: no message ever gets it."""
    hole = f"""
if seq % 40 == 0 then
  local skipped = call('INCR', KEYS[4])
  call('XADD', KEYS[3], string.format('%d-0', seq), 'b', '{TOMBSTONE}')
  call('XADD', KEYS[5], string.format('%d-0', skipped), 'r', ARGV[3], 's', string.format('%d', seq),
       'b', '{TOMBSTONE}')
  seq = call('HINCRBY', KEYS[2], 'head', 1)
end
"""
    in_script("commit", _TAKES_SEQ, _TAKES_SEQ + hole)
    hide_tombstones()


@bug(
    "total-order",
    may=(
        "no-duplicates",
        "monotonic-reads",
        "causal-order",
        "fifo-order",
        "convergence",
        "complete-delivery",
    ),
)
def reuses_a_sequence_number() -> None:
    """Some messages get the position of the message before them, wherever they are shown."""

    @instead_of(wire, "stored")
    def stored(original: Any, seq: int, body: bytes) -> Any:
        shown = original(seq - 1 if seq > 1 and hit(body, one_in=40) else seq, body)
        return Stored(seq, shown.text)


@bug("total-order")
def acknowledges_a_wrong_position() -> None:
    """Some acknowledgements name the position after the message's own."""

    def change(request: Any, answer: Any) -> Any:
        return {**answer, "seq": answer["seq"] + 1} if hit(request.text, one_in=20) else answer

    change_acknowledgements(change)


@bug("total-order")
def acknowledges_a_wrong_epoch() -> None:
    """Some acknowledgements name an epoch that there never was."""

    def change(request: Any, answer: Any) -> Any:
        return {**answer, "epoch": "0" * 16} if hit(request.text, one_in=20) else answer

    change_acknowledgements(change)


@bug("total-order")
def acknowledges_without_a_position() -> None:
    """Some acknowledgements name no position at all."""

    def change(request: Any, answer: Any) -> Any:
        return {**answer, "epoch": None, "seq": None} if hit(request.text, one_in=20) else answer

    change_acknowledgements(change)


@bug("no-duplicates", may=("fifo-order", "total-order"), fault=Fault.NODE_KILL)
def forgets_idempotency_keys() -> None:
    """Every life of a node knows only its own keys: what is sent again elsewhere is stored twice."""
    life = secrets.token_hex(4)

    @instead_of(keys, "results")
    def results(original: Any, room: str, producer: str) -> bytes:
        return bytes(original(room, f"{producer}.{life}"))

    in_script("commit", "known[1] or '1'", "known[1] or ARGV[8]")
    answers_late(0.3, "node-1")  # So that some sends are unanswered when the node is killed.


@bug("no-duplicates", may=("fifo-order", "total-order"))
def commits_twice() -> None:
    """Some messages are appended twice, at two positions."""
    in_script("commit", _IN_ORDER, "")
    in_script("commit", "if n < expected then", "if false then")

    @instead_of(Committer, "commit")
    def commit(original: Any, self: Any, request: Any, **how: Any) -> None:
        if hit(request.text, one_in=40):
            original(self, request, **{**how, "answer": lambda outcome: None})
        original(self, request, **how)


@bug("integrity", may=("total-order", "fifo-order"))
def appends_what_it_rejects() -> None:
    """Some sends are definitely refused, and stored and delivered all the same."""
    refusal = {"code": "text_too_long", "message": "the text is too long", "definite": True}

    def change(request: Any, answer: Any) -> Any:
        return {"ok": False, "error": refusal} if hit(request.text, one_in=40) else answer

    change_acknowledgements(change)


@bug("fifo-order")
def reorders_in_the_committer() -> None:
    """Some messages are committed 1.5 s late, behind those that their sender sent after them."""
    in_script("commit", "if n > expected then", "if false then")
    in_script("commit", "if n < expected then", "if known[2] then")

    @instead_of(Committer, "commit")
    def commit(original: Any, self: Any, request: Any, **how: Any) -> None:
        if hit(request.text, one_in=20):
            gevent.spawn_later(1.5, original, self, request, **how)
        else:
            original(self, request, **how)


@bug("integrity", "acked-durable", "complete-delivery", "read-your-writes", may=("total-order",))
def alters_a_text_in_the_log() -> None:
    """Some texts are stored without their last character."""

    @instead_of(committer, "message_body")
    def message_body(original: Any, request: Any, **how: Any) -> str:
        if hit(request.text, one_in=40):
            request = dataclasses.replace(request, text=request.text[:-1])
        return str(original(request, **how))


@bug("integrity", may=("fifo-order",))
def stores_another_sender() -> None:
    """Some messages are stored under the name of another user."""

    @instead_of(committer, "message_body")
    def message_body(original: Any, request: Any, *, user: str, **how: Any) -> str:
        return str(original(request, user=f"x{user}" if hit(request.text, one_in=40) else user, **how))


@bug("availability")
def answers_too_late() -> None:
    """Some acknowledgements of node-2 come only after six seconds."""
    answers_late(6.0, "node-2", one_in=10)


@bug("availability")
def refuses_for_no_reason() -> None:
    """node-2 refuses to store some messages for eight seconds, though Redis is there."""
    first_asked: dict[str, float] = {}

    @instead_of(DurableDelivery, "send")
    def send(original: Any, self: Any, connection: Any, user: str, request: Any, answer: Any) -> None:
        now_s = gevent.get_hub().loop.now()
        since_s = now_s - first_asked.setdefault(request.text, now_s)
        if on_node("node-2") and hit(request.text, one_in=10) and since_s < 8:
            answer(durable.unavailable("not now").answer())
        else:
            original(self, connection, user, request, answer)


@bug("causal-order", "total-order", "monotonic-reads", may=("fifo-order",))
def orders_an_effect_before_its_cause() -> None:
    """Some messages lie right before one that their sender had seen already."""

    def place(seq: int) -> int:
        return seq + 1 if seq % 40 == 39 else seq - 1 if seq and seq % 40 == 0 else seq

    @instead_of(wire, "stored")
    def stored(original: Any, seq: int, body: bytes) -> Any:
        return Stored(seq, original(place(seq), body).text)

    def change(request: Any, answer: Any) -> Any:
        return {**answer, "seq": place(answer["seq"])}

    change_acknowledgements(change)
