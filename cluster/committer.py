"""The committer: one greenlet that appends messages to the log, as many at a time as are waiting.

While one pipeline is at Redis (which answers after its fsync), the next sends gather; so the cost of an
fsync is shared by all of them, and nobody waits for a timer.

What a sender is told follows from what is known. Committed: acknowledged. Never sent: definitely
not. Sent, and the answer lost: nobody knows, and we say so (`definite: false`).
"""

import hashlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.event import AsyncResult, Event
from redis.exceptions import NoScriptError, OutOfMemoryError, ReadOnlyError, ResponseError

from cluster import counters, keys, log, wire
from cluster.link import AnswerLost, Command, Health, Link, NotSent, Reply
from cluster.protocol import RESULTS_KEPT, RESULTS_KEPT_S, Code, Refusal, SendRequest
from cluster.settings import Settings
from cluster.store import unavailable

COMMIT_TIMEOUT_S = 3.0
BATCH_MOST = 256
PENDING_MOST = 4096
ANSWER_PATIENCE_S = 10.0  # above what a batch ahead of ours and our own can take


@dataclass(frozen=True, kw_only=True, slots=True)
class Committed:
    """The place of a message in the log; `duplicate`: it was there already."""

    epoch: str
    seq: int
    duplicate: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pending:
    command: Command
    answer: "AsyncResult[Reply]" = field(default_factory=AsyncResult)


class Committer:
    """Appends messages; `commit` may be called from any greenlet."""

    def __init__(self, settings: Settings, health: Health, *, epoch_changed: Callable[[], None]) -> None:
        self._settings = settings
        self._health = health
        self._epoch_changed = epoch_changed
        self._link = Link(settings.redis_url, health, timeout_s=COMMIT_TIMEOUT_S, connections=1)
        self._script = self._link.scripts["commit"]
        self._pending: deque[_Pending] = deque()
        self._wake = Event()
        self._idle = Event()
        self._idle.set()

    def start(self) -> "gevent.Greenlet[..., Any]":
        """Start the committer's greenlet; it ends only by a bug."""
        return gevent.spawn(self._run)

    def commit(self, request: SendRequest, *, epoch: str, user: str, sent_at: float) -> Committed:
        """Append a message and wait for the store's word.

        Raises:
            Refusal: with what the sender is to be told.
        """
        if not self._health.up:
            raise unavailable(self._health.reason)
        if len(self._pending) >= PENDING_MOST:
            raise unavailable(f"{PENDING_MOST} messages wait to be committed already")
        pending = _Pending(command=self._command(request, epoch=epoch, user=user, sent_at=sent_at))
        self._pending.append(pending)
        self._idle.clear()
        self._wake.set()
        return self._outcome(pending.answer)

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing is pending; tell whether that came in time."""
        return bool(self._idle.wait(timeout_s))

    def _outcome(self, answer: "AsyncResult[Reply]") -> Committed:
        began_s = time.monotonic()
        try:
            reply = answer.get(timeout=ANSWER_PATIENCE_S)
        except gevent.Timeout as error:
            raise unavailable("the commit takes too long", definite=False) from error
        finally:
            counters.commits.latency_s.observe(time.monotonic() - began_s)
        return self._read(reply)

    def _read(self, reply: Reply) -> Committed:
        match reply:
            case [b"committed" | b"duplicate" as flag, int(seq), bytes(epoch)]:
                return Committed(epoch=epoch.decode(), seq=seq, duplicate=flag == b"duplicate")
            case [b"out_of_order", int(expected)]:
                raise Refusal(
                    Code.OUT_OF_ORDER, f"the next n of this producer is {expected}", expected=expected
                )
            case [b"key_reused"]:
                raise Refusal(Code.KEY_REUSED, "this n was used for another message")
            case [b"result_expired"]:
                raise Refusal(
                    Code.RESULT_EXPIRED,
                    "this n is older than the results that are kept",
                    definite=False,
                )
            case [b"epoch_changed"]:
                self._epoch_changed()
                raise unavailable("the log's epoch has changed")
        raise AssertionError(f"the commit script gave an answer that it does not have: {reply!r}")

    def _command(self, request: SendRequest, *, epoch: str, user: str, sent_at: float) -> Command:
        settings, room = self._settings, request.room
        shard = keys.shard_of(room, settings.shards)
        names = [
            keys.EPOCH,
            keys.room_head(room),
            keys.room_log(room),
            keys.shard_head(shard),
            keys.shard_log(shard),
            keys.ROOMS,
            keys.results(room, request.producer or ""),
        ]
        body = message_body(request, epoch=epoch, user=user, sent_at=sent_at, node=settings.server_id)
        return self._script.command(
            names,
            epoch,
            room,
            body,
            "" if request.n is None else request.n,
            content_digest(request, user=user),
            settings.room_messages,
            settings.shard_messages,
            RESULTS_KEPT,
            RESULTS_KEPT_S,
        )

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._pending:
                taken = min(len(self._pending), BATCH_MOST)
                self._commit_batch([self._pending.popleft() for _ in range(taken)])
            self._idle.set()

    def _commit_batch(self, batch: list[_Pending]) -> None:
        counters.commits.batches += 1
        counters.commits.messages += len(batch)
        counters.commits.batch_size.observe(len(batch))
        try:
            replies = self._link.run([pending.command for pending in batch])
        except NotSent as error:
            _refuse(batch, unavailable(str(error)))
            return
        except AnswerLost as error:
            counters.commits.answers_lost += len(batch) - len(error.replies)
            log.warning("commit_answers_lost", count=len(batch) - len(error.replies), reason=str(error))
            _answer(batch, error.replies)
            _refuse(batch[len(error.replies) :], unavailable(str(error), definite=False))
            return
        _answer(batch, replies)


def message_body(request: SendRequest, *, epoch: str, user: str, sent_at: float, node: str) -> str:
    """Return what is stored of a message: the wire's fields without `seq`."""
    fields: dict[str, Any] = {
        "room": request.room,
        "epoch": epoch,
        "producer": request.producer,
        "n": request.n,
        "user": user,
        "text": request.text,
        "sent_at": sent_at,
        "node": node,
    }
    if request.reply_to is not None:
        fields["reply_to"] = {"epoch": request.reply_to.epoch, "seq": request.reply_to.seq}
    return wire.body(fields)


def content_digest(request: SendRequest, *, user: str) -> str:
    """Return a digest of all that makes two sends with one key the same message."""
    reply_to = request.reply_to and [request.reply_to.epoch, request.reply_to.seq]
    content = wire.dumps([user, request.text, reply_to])
    return hashlib.blake2b(content.encode(), digest_size=12).hexdigest()


# With these Redis refuses a script before it runs, or at its first write: no effect.
_REFUSED_WHOLE = (NoScriptError, OutOfMemoryError, ReadOnlyError)
_REFUSED_WHOLE_CODES = ("BUSY ", "MISCONF ")


def _answer(batch: list[_Pending], replies: list[Reply]) -> None:
    for pending, reply in zip(batch, replies, strict=False):
        if isinstance(reply, ResponseError):
            log.error("commit_refused", reason=str(reply))
            definite = str(reply).startswith(_REFUSED_WHOLE_CODES) or isinstance(reply, _REFUSED_WHOLE)
            pending.answer.set_exception(unavailable(str(reply), definite=definite))
        else:
            pending.answer.set(reply)


def _refuse(batch: list[_Pending], refusal: Refusal) -> None:
    for pending in batch:
        pending.answer.set_exception(refusal)
