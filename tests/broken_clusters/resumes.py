"""Bugs of joins: what a bot gets that comes back with its cursor."""

import dataclasses
from typing import Any

import gevent

from cluster.delivery import joining
from cluster.delivery.durable import DurableDelivery
from cluster.delivery.joining import Joining
from cluster.storage.store import unavailable
from tests.broken_clusters.planting import Fault, bug, instead_of

AWAY_S = 0.4  # a resume waits so long, in order that there is something to catch up with


def let_resumes_wait(seconds: float = AWAY_S) -> None:
    """Delay every join that has a cursor: slow, and nothing else."""

    @instead_of(DurableDelivery, "join")
    def join(original: Any, self: Any, connection: Any, user: str, request: Any) -> Any:
        if request.cursor is not None:
            gevent.sleep(seconds)  # Others chat meanwhile.
        return original(self, connection, user, request)


def change_resumes(change: Any) -> None:
    """Let `change(history, cursor)` say what a resume gets."""
    let_resumes_wait()

    @instead_of(Joining, "_history")
    def history(original: Any, self: Any, room: str, head: Any, cursor: Any, forgotten: int) -> Any:
        found = original(self, room, head, cursor, forgotten)
        if found is None or cursor is None or not found.recovered:
            return found
        return change(self, room, found, cursor)


def change_join_answers(change: Any) -> None:
    """Let `change(request, answer)` say what the acknowledgement of a join tells."""
    let_resumes_wait()

    @instead_of(Joining, "join")
    def join(original: Any, self: Any, connection: Any, user: str, request: Any) -> Any:
        return change(request, original(self, connection, user, request))


@bug("gapless-resume", "complete-delivery", may=("read-your-writes",), fault=Fault.NODE_KILL)
def skips_one_on_resume() -> None:
    """A resume that says `recovered` lacks one message in its middle."""

    def change(self: Any, room: str, found: Any, cursor: Any) -> Any:
        return dataclasses.replace(found, messages=[*found.messages[:1], *found.messages[2:]])

    change_resumes(change)


@bug("gapless-resume", "complete-delivery", may=("read-your-writes",), fault=Fault.NODE_KILL)
def claims_that_a_snapshot_is_a_recovery() -> None:
    """A resume gets the last two messages, and the word that this is all it missed."""

    def change(self: Any, room: str, found: Any, cursor: Any) -> Any:
        return dataclasses.replace(found, messages=found.messages[-2:])

    change_resumes(change)


@bug("gapless-resume", "complete-delivery", may=("read-your-writes",), fault=Fault.NODE_KILL)
def claims_recovery_with_nothing() -> None:
    """A resume gets an empty history, and the word that it missed nothing."""
    change_resumes(lambda self, room, found, cursor: dataclasses.replace(found, messages=[]))


@bug("gapless-resume", fault=Fault.NODE_KILL)
def refuses_to_recover_without_cause() -> None:
    """A resume with a good cursor gets a snapshot and `recovered: false`."""
    let_resumes_wait()

    @instead_of(joining, "resumable")
    def resumable(original: Any, cursor: Any, epochs: Any, oldest: Any) -> bool:
        return False


@bug("no-duplicates", may=("monotonic-reads",), fault=Fault.NODE_KILL)
def duplicates_on_resume() -> None:
    """A resume begins with the five messages before its cursor."""

    def change(self: Any, room: str, found: Any, cursor: Any) -> Any:
        before = self._store.messages(room, after=max(0, cursor.seq - 5), to=cursor.seq)
        return dataclasses.replace(found, messages=[*before, *found.messages])

    change_resumes(change)


@bug(
    "monotonic-reads",
    may=("causal-order", "fifo-order"),
    fault=Fault.NODE_KILL,
)
def resumes_backwards() -> None:
    """The history of a resume comes newest first."""

    def change(self: Any, room: str, found: Any, cursor: Any) -> Any:
        return dataclasses.replace(found, messages=found.messages[::-1])

    change_resumes(change)


@bug("gapless-resume", "complete-delivery", may=("read-your-writes",), fault=Fault.NODE_KILL)
def goes_live_too_late() -> None:
    """What comes in a fifth of a second after a resume is delivered to everybody else only."""

    @instead_of(Joining, "_admit")
    def admit(original: Any, self: Any, connection: Any, user: str, room: str, history: Any) -> Any:
        answer = original(self, connection, user, room, history)
        if answer and answer["recovered"] and connection.open:
            membership = self._connections._rooms[room].pop(connection.sid)
            gevent.spawn_later(0.2, _enter, self._connections, membership)
        return answer


def _enter(connections: Any, membership: Any) -> None:
    if membership.connection.open:
        connections.enter(membership)


@bug("gapless-resume", "monotonic-reads", may=("read-your-writes",), fault=Fault.NODE_KILL)
def names_a_head_before_the_cursor() -> None:
    """The acknowledgement of a resume names a position before the cursor that it came with."""

    def change(request: Any, answer: Any) -> Any:
        return {**answer, "seq": request.cursor.seq - 3} if request.cursor and answer["ok"] else answer

    change_join_answers(change)


@bug("gapless-resume", "monotonic-reads", fault=Fault.NODE_KILL)
def names_a_head_that_it_did_not_send() -> None:
    """The acknowledgement of a resume names a position beyond the history that came with it."""

    def change(request: Any, answer: Any) -> Any:
        return {**answer, "seq": answer["seq"] + 3} if request.cursor and answer["ok"] else answer

    change_join_answers(change)


@bug("gapless-resume", "complete-delivery", may=("read-your-writes",), fault=Fault.NODE_KILL)
def ends_a_resume_early() -> None:
    """The history of a resume lacks its last two messages, though the acknowledgement names their head."""

    def change(self: Any, room: str, found: Any, cursor: Any) -> Any:
        return dataclasses.replace(found, messages=found.messages[:-2])

    change_resumes(change)


@bug("reconnection", may=("availability",), fault=Fault.NODE_KILL, recovery_s=10.0)
def keeps_who_comes_back_waiting() -> None:
    """Whoever comes back with a cursor is refused for six and a half seconds."""
    began: dict[str, float] = {}

    @instead_of(DurableDelivery, "join")
    def join(original: Any, self: Any, connection: Any, user: str, request: Any) -> Any:
        now_s = gevent.get_hub().loop.now()
        if request.cursor is not None and now_s - began.setdefault(user + request.room, now_s) < 6.5:
            raise unavailable("not now")
        return original(self, connection, user, request)
