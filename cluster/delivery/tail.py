"""The tail: one greenlet that reads the shard logs and hands on what it reads, room by room, in log order.

The cursor is in memory: a node that starts begins at the ends of the logs, and what its clients missed
they get by joining with their own cursors. Ids in a shard log are contiguous, so that a hole can be
seen: an entry whose id jumps, or heads beyond the cursor when a read comes back empty, mean that
entries were trimmed before we read them. Then the listener is told to fill its rooms from their own
logs, before the cursor moves on.

With each read comes what `wa:epoch` said right after it. Only where that is still what this node stands in
may the entries be handed on; so no message of a new epoch passes before its clients were told. After any
trouble, and in another run of Redis, the tail asks where it stands (`epochs.py`) before it reads again.
"""

import random
import time
from dataclasses import dataclass
from typing import Any, Protocol

import gevent
from gevent.event import Event
from redis.exceptions import ResponseError

from cluster import counters, log
from cluster.delivery.epochs import Standing, Waits
from cluster.protocol import Refusal
from cluster.settings import Settings
from cluster.storage import keys
from cluster.storage.link import Health, Link, RedisDown, Reply
from cluster.storage.resp import Command, Guard

BLOCK_MS = 250  # also how soon a quiet node notices that the epoch has changed
READ_TIMEOUT_S = 1.75  # far above the block: what is silent for so long is dead
READ_COUNT = 512  # per shard log
BACKOFF_FIRST_S = 0.05
BACKOFF_MOST_S = 0.3
WAIT_S = 0.05  # between two looks whether the other nodes have reported

Run = list[tuple[int, bytes]]  # (seq, body) of neighbours in one room's log


class Listener(Protocol):
    """Who gets the entries. Only `missed` and `begun` may switch greenlets (they read from Redis)."""

    def messages(self, room: str, run: Run) -> bool:
        """Take messages; `False`: some before them are missing, call `missed` for the room."""

    def presence(self, room: str) -> None:
        """Take note that somebody came to a room or left it."""

    def missed(self, rooms: "tuple[str, ...] | None", shard: int) -> None:
        """Fill these rooms (`None`: all of the shard) from their own logs. Raises `Refusal`."""

    def begun(self, epoch: str, *, anew: bool) -> None:
        """The tail stands at the ends of the logs of an epoch; `anew`: it was elsewhere before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lag:
    """How far the tail is behind: `entries` as far as is known, `silent_s` since Redis last answered it."""

    entries: int
    silent_s: float


class WrongLayout(Exception):
    """The cluster in this Redis has another number of shard logs than this node is set to."""


class Tail:
    """Reads the shard logs. `epoch` is the one that clients were told; `None` until the tail has begun."""

    def __init__(self, settings: Settings, health: Health, standing: Standing, listener: Listener) -> None:
        self._shards = settings.shards
        self._health = health
        self._standing = standing
        self._listener = listener
        self._link = Link(settings.redis_url, health, timeout_s=READ_TIMEOUT_S, connections=1)
        self._random = random.Random(settings.server_id)
        self._cursors: list[int] = []
        self._heads: list[int] = []
        self._shard_of_log = {keys.shard_log(shard): shard for shard in range(self._shards)}
        self._look: Command = ("MGET", keys.EPOCH, *(keys.shard_head(shard) for shard in range(self._shards)))
        self._moved = Event()
        self._look_first = True
        self._answered_s = time.monotonic()
        self.epoch: str | None = None

    def start(self) -> "gevent.Greenlet[..., Any]":
        """Start the tail's greenlet; it ends only by `WrongLayout` or by a bug."""
        return gevent.spawn(self._run)

    def check_epoch(self) -> None:
        """Look at the epoch before the next read: somebody saw another one."""
        self._look_first = True

    def cursors(self) -> tuple[int, ...]:
        """Return the position in each shard log up to which all was handed on."""
        return tuple(self._cursors)

    def lag(self) -> Lag:
        """Return how far the tail is behind."""
        known = self._standing.sightings.highest()
        heads = map(max, self._heads, known) if known else iter(self._heads)
        entries = sum(max(0, head - cursor) for head, cursor in zip(heads, self._cursors, strict=False))
        return Lag(entries=entries, silent_s=time.monotonic() - self._answered_s)

    def wait_for(self, shard: int, head: int, timeout_s: float) -> bool:
        """Wait until all up to a shard log's head was handed on; tell whether that came in time."""
        until_s = time.monotonic() + timeout_s
        while not self._cursors or self._cursors[shard] < head:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return False
            self._moved.wait(left_s)
        return True

    def _run(self) -> None:
        backoff_s = BACKOFF_FIRST_S
        while True:
            try:
                guard = self._standing.guard
                if self._look_first or guard is None:
                    self._stand()
                else:
                    self._read(guard)
                self._answered_s = time.monotonic()
                backoff_s = BACKOFF_FIRST_S
            except (RedisDown, ResponseError, Refusal) as error:
                log.debug("tail_waits", reason=str(error), backoff_s=backoff_s)
                if isinstance(error, ResponseError):
                    self._health.failed(str(error))
                self._look_first = True
                gevent.sleep(backoff_s * (0.5 + self._random.random() / 2))
                backoff_s = min(backoff_s * 2, BACKOFF_MOST_S)

    # Where we stand

    def _stand(self) -> None:
        self._look_first = False
        answer = self._standing.ask(self._link)
        if isinstance(answer, Waits):
            self._wait(answer.absent)
            return
        if answer.shards != self._shards:
            raise WrongLayout(
                f"the cluster in this Redis has {answer.shards} shard logs, this node is set to "
                f"{self._shards}: start it with WORDAROUND_SHARDS={answer.shards}"
            )
        self._heads = list(answer.heads)
        if answer.guard.epoch != self.epoch:
            self._begin(answer.guard)
        else:
            if answer.guard != self._standing.guard:
                log.info("epoch_goes_on", epoch=self.epoch, run=answer.guard.run_id, heads=answer.heads)
            self._standing.enter(answer.guard, self._cursors)

    def _wait(self, absent: tuple[str, ...]) -> None:
        if self._standing.guard is not None:
            log.info("redis_was_restarted", waits_for=absent)
        names = ", ".join(sorted(set(absent)))
        self._standing.doubt(f"Redis was restarted; what it has is to be compared with what {names} saw")
        self._look_first = True
        gevent.sleep(WAIT_S)  # Nobody tells us when a node has reported.

    def _begin(self, guard: Guard) -> None:
        anew = bool(self._cursors)
        self._cursors = list(self._heads)
        self._standing.enter(guard, self._cursors)
        self.epoch = guard.epoch
        log.info("tail_begun", epoch=guard.epoch, heads=self._heads, anew=anew)
        try:
            self._listener.begun(guard.epoch, anew=anew)
        except Refusal:
            self.epoch = None  # Clients are not told yet: begin again.
            raise
        self._announce_move()

    # What we read

    def _read(self, guard: Guard) -> None:
        logs, ids = self._shard_of_log, [f"{cursor}-0" for cursor in self._cursors]
        read: Command = ("XREAD", "COUNT", READ_COUNT, "BLOCK", BLOCK_MS, "STREAMS", *logs, *ids)
        found, (holds, *heads) = self._link.replies([read, self._look], run_id=guard.run_id)
        if holds != str(guard).encode():
            log.warning("epoch_replaced", epoch=guard.epoch, found=str(holds))
            self._look_first = True
            return
        self._heads = [int(head or 0) for head in heads]
        for name, entries in found or ():
            self._hand_on(guard, self._shard_of_log[name], entries)
        if found:
            self._announce_move()
        else:
            self._look_round()

    def _hand_on(self, guard: Guard, shard: int, entries: list[Reply]) -> None:
        """Gather the entries by room and hand each room's on as one run; a room keeps its log's order."""
        k = self._cursors[shard]
        runs: dict[bytes, Run] = {}
        for entry_id, fields in entries:
            if int(entry_id[:-2]) != k + 1:  # ids are "<k>-0"
                self._hand_on_runs(guard, shard, k, runs)
                runs = {}
                counters.delivery.gaps += 1
                log.warning("shard_log_jumped", shard=shard, cursor=k, next=entry_id.decode())
                self._listener.missed(None, shard)
                k = int(entry_id[:-2]) - 1
            k += 1
            if fields[0] != b"r":
                self._listener.presence(fields[1].decode())
                continue
            run = runs.get(fields[1])
            if run is None:
                runs[fields[1]] = run = []
            run.append((int(fields[3]), fields[5]))
        self._hand_on_runs(guard, shard, k, runs)

    def _hand_on_runs(self, guard: Guard, shard: int, k: int, runs: dict[bytes, Run]) -> None:
        for name, run in runs.items():
            room = name.decode()
            if not self._listener.messages(room, run):
                self._listener.missed((room,), shard)
                self._listener.messages(room, run)
        self._cursors[shard] = k
        self._standing.sightings.saw(guard, shard, k)

    def _look_round(self) -> None:
        """After an empty read: are the logs as long as we know them to be, and did we read all of them?"""
        for shard, head in enumerate(self._heads):
            if head < self._cursors[shard]:
                log.warning("shard_log_lost", shard=shard, cursor=self._cursors[shard], head=head)
                self._look_first = True
            elif head > self._cursors[shard]:
                self._check_trimmed(shard, head)

    def _check_trimmed(self, shard: int, head: int) -> None:
        """Entries after the cursor came since the read, or were trimmed: find out which."""
        after = f"{self._cursors[shard] + 1}-0"
        if self._link.call("XRANGE", keys.shard_log(shard), after, "+", "COUNT", 1):
            return  # The next read gets them; where their ids jump, it sees that.
        counters.delivery.gaps += 1
        log.warning("shard_log_trimmed", shard=shard, cursor=self._cursors[shard], head=head)
        self._listener.missed(None, shard)
        self._cursors[shard] = head
        self._announce_move()

    def _announce_move(self) -> None:
        moved, self._moved = self._moved, Event()
        moved.set()
