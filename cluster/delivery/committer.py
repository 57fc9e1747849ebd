"""The committer: one greenlet that appends messages to the log, as many at a time as are waiting.

While one pipeline is at Redis (which answers after its fsync), the next sends gather; so the cost of an
fsync is shared by all of them, and nobody waits for a timer.

What a sender is told follows from what is known. Committed: acknowledged. Never sent: definitely
not. Sent, and the answer lost: nobody knows, and we say so (`definite: false`). There is no timer for
each send: a batch has its deadline at Redis, and what has waited too long before its batch is refused.
"""

import hashlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

import gevent
from gevent.event import Event
from redis.exceptions import NoScriptError, OutOfMemoryError, ReadOnlyError, ResponseError

from cluster import counters, log
from cluster.protocol import RESULTS_KEPT, RESULTS_KEPT_S, Code, Refusal, SendRequest
from cluster.settings import Settings
from cluster.storage import keys
from cluster.storage.link import AnswerLost, Health, Link, NotSent, OtherRun, Reply
from cluster.storage.resp import Command, Guard, Packed, packed
from cluster.storage.store import unavailable

COMMIT_TIMEOUT_S = 2.5
BATCH_MOST = 256
PENDING_MOST = 16_384
PATIENCE_S = 4.0  # from a send to its batch; with the batch's own deadline the longest that anybody waits
PLACES_MOST = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Committed:
    """The place of a message in the log; `duplicate`: it was there already."""

    epoch: str
    seq: int
    duplicate: bool


Outcome = Committed | Refusal


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a room's messages go: the packed arguments that are the same for all of them."""

    shard: int
    before: Packed
    after: Packed


class _Pending:
    """A send that waits for its batch, or its batch for Redis."""

    __slots__ = ("answer", "asked_s", "command", "guard", "shard")

    def __init__(
        self, answer: Callable[[Outcome], None], command: Command, guard: Guard, shard: int, asked_s: float
    ) -> None:
        self.answer = answer
        self.command = command
        self.guard = guard
        self.shard = shard
        self.asked_s = asked_s


class Committer:
    """Appends messages; `commit` may be called from any greenlet, and from the hub."""

    def __init__(
        self,
        settings: Settings,
        health: Health,
        *,
        committed: Callable[[Guard, int, int], None],
        epoch_changed: Callable[[], None],
    ) -> None:
        """`committed(guard, shard, k)` is called before an acknowledgement is given."""
        self._settings = settings
        self._health = health
        self._committed = committed
        self._epoch_changed = epoch_changed
        self._link = Link(settings.redis_url, health, timeout_s=COMMIT_TIMEOUT_S, connections=1)
        self._script = self._link.scripts["commit"]
        self._places: dict[tuple[str, str], _Place] = {}
        self._pending: deque[_Pending] = deque()
        self._wake = Event()
        self._idle = Event()
        self._idle.set()
        self._refused_for = ""  # what Redis said last, while it says the same again and again

    @property
    def waiting(self) -> int:
        """How many messages wait to be taken into a commit."""
        return len(self._pending)

    def start(self) -> "gevent.Greenlet[..., Any]":
        """Start the committer's greenlet; it ends only by a bug."""
        return gevent.spawn(self._run)

    def commit(
        self,
        request: SendRequest,
        *,
        guard: Guard,
        user: str,
        sent_at: float,
        answer: Callable[[Outcome], None],
    ) -> None:
        """Queue a message to be appended; `answer` is called once, at once or from the committer's greenlet.

        It must not block. This method does not switch greenlets.
        """
        if not self._health.up:
            answer(unavailable(self._health.reason))
            return
        if len(self._pending) >= PENDING_MOST:
            answer(unavailable(f"{PENDING_MOST} messages wait to be committed already"))
            return
        place = self._place(request.room, guard.epoch)
        body = message_body(
            request, epoch=guard.epoch, user=user, sent_at=sent_at, node=self._settings.server_id
        )
        command: Command = (
            place.before,
            keys.results(request.room, request.producer or ""),
            guard,
            place.after,
            "" if request.n is None else request.n,
            content_digest(request, user=user),
            int(sent_at),
            body,
        )
        self._pending.append(_Pending(answer, command, guard, place.shard, time.monotonic()))
        if len(self._pending) == 1:
            self._idle.clear()
            self._wake.set()

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing is pending; tell whether that came in time."""
        return bool(self._idle.wait(timeout_s))

    def _place(self, room: str, epoch: str) -> _Place:
        place = self._places.get((room, epoch))
        if place is None:
            if len(self._places) >= PLACES_MOST:
                self._places.clear()
            place = self._places[room, epoch] = self._make_place(room, epoch)
        return place

    def _make_place(self, room: str, epoch: str) -> _Place:
        settings = self._settings
        shard = keys.shard_of(room, settings.shards)
        names = [
            keys.EPOCH,
            keys.room_state(room),
            keys.room_log(room),
            keys.shard_head(shard),
            keys.shard_log(shard),
            keys.ROOMS,
        ]
        limits = (settings.room_messages, settings.shard_messages, RESULTS_KEPT, RESULTS_KEPT_S)
        return _Place(shard, self._script.packed(names, more_keys=1), packed((epoch, room, *limits)))

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._pending:
                batch = self._take_batch()
                if batch:
                    self._commit_batch(batch)
            self._idle.set()

    def _take_batch(self) -> list[_Pending]:
        """Take what goes next; refuse what has waited too long, or all while Redis is known to be down."""
        pending = self._pending
        too_old_s = time.monotonic() - PATIENCE_S
        while pending and not self._health.up:
            _give(pending.popleft(), unavailable(self._health.reason))
        while pending and pending[0].asked_s < too_old_s:
            _give(pending.popleft(), unavailable("others were committed first for too long"))
        return [pending.popleft() for _ in range(min(len(pending), BATCH_MOST))]

    def _commit_batch(self, batch: list[_Pending]) -> None:
        counters.commits.batches += 1
        counters.commits.messages += len(batch)
        counters.commits.batch_size.observe(len(batch))
        try:
            replies = self._link.run([pending.command for pending in batch])
        except NotSent as error:
            if isinstance(error, OtherRun):
                self._epoch_changed()
            _refuse(batch, unavailable(str(error)))
        except AnswerLost as error:
            counters.commits.answers_lost += len(batch) - len(error.replies)
            log.warning("commit_answers_lost", count=len(batch) - len(error.replies), reason=str(error))
            self._answer(batch, error.replies)
            _refuse(batch[len(error.replies) :], unavailable(str(error), definite=False))
        else:
            self._answer(batch, replies)

    def _answer(self, batch: list[_Pending], replies: list[Reply]) -> None:
        now_s = time.monotonic()
        for pending, reply in zip(batch, replies, strict=False):
            counters.commits.latency_s.observe(now_s - pending.asked_s)
            _give(pending, self._outcome(pending, reply))

    def _outcome(self, pending: _Pending, reply: Reply) -> Outcome:
        match reply:
            case [b"committed", seq, k]:
                self._refused_for = ""
                self._committed(pending.guard, pending.shard, k)
                return Committed(epoch=pending.guard.epoch, seq=seq, duplicate=False)
            case [b"duplicate", int(seq), bytes(epoch)]:
                return Committed(epoch=epoch.decode(), seq=seq, duplicate=True)
            case [b"out_of_order", int(expected)]:
                why = f"the next n of this producer is {expected}"
                return Refusal(Code.OUT_OF_ORDER, why, expected=expected)
            case [b"key_reused"]:
                return Refusal(Code.KEY_REUSED, "this n was used for another message")
            case [b"result_expired"]:
                why = "this n is older than the results that are kept"
                return Refusal(Code.RESULT_EXPIRED, why, definite=False)
            case [b"epoch_changed"]:
                self._epoch_changed()
                return unavailable("the log's epoch has changed")
            case ResponseError():
                return self._refused(reply)
        raise AssertionError(f"the commit script gave an answer that it does not have: {reply!r}")

    def _refused(self, error: ResponseError) -> Refusal:
        reason = str(error)
        if reason != self._refused_for:
            log.error("commit_refused", reason=reason)
            self._refused_for = reason
        whole = reason.startswith(_REFUSED_WHOLE_CODES) or isinstance(error, _REFUSED_WHOLE)
        return unavailable(reason, definite=whole)


# With these Redis refuses a script before it runs, or at its first write: no effect.
_REFUSED_WHOLE = (NoScriptError, OutOfMemoryError, ReadOnlyError)
_REFUSED_WHOLE_CODES = ("BUSY ", "MISCONF ", "NOREPLICAS ")


def message_body(request: SendRequest, *, epoch: str, user: str, sent_at: float, node: str) -> str:
    """Return what is stored of a message as JSON: the wire's fields without `seq`.

    It is put together by hand, which costs a third of what `json.dumps` does.
    """
    producer = "null" if request.producer is None else quoted(request.producer)
    n = "null" if request.n is None else request.n
    reply_to = ""
    if request.reply_to is not None:
        at = request.reply_to
        named = "null" if at.epoch is None else quoted(at.epoch)
        reply_to = f',"reply_to":{{"epoch":{named},"seq":{at.seq}}}'
    return (
        f'{{"room":"{request.room}","epoch":{quoted(epoch)},"producer":{producer},"n":{n},'
        f'"user":{quoted(user)},"text":{quoted(request.text)},"sent_at":{sent_at!r},"node":"{node}"{reply_to}}}'
    )


def content_digest(request: SendRequest, *, user: str) -> str:
    """Return a digest of all that makes two sends with one key the same message."""
    at = request.reply_to
    head = f"re {at.seq} {len(at.epoch or '')} {at.epoch} {len(user)} " if at else f"{len(user)} "
    content = f"{head}{user}{request.text}"
    return hashlib.blake2b(content.encode(), digest_size=12).hexdigest()


def _refuse(batch: list[_Pending], refusal: Refusal) -> None:
    for pending in batch:
        _give(pending, refusal)


def _give(pending: _Pending, outcome: Outcome) -> None:
    try:
        pending.answer(outcome)
    except Exception as error:  # noqa: BLE001  # One client's answer must not cost the others theirs.
        log.bug("answer_not_given", error)
