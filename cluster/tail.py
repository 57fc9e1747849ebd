"""The tail: one greenlet that reads the shard logs and hands every entry on, in log order.

The cursor is in memory: a node that starts begins at the ends of the logs, and what its clients missed
they get by joining with their own cursors. Ids in a shard log are contiguous, so that a hole can be
seen: an entry whose id jumps, or heads beyond the cursor when a read comes back empty, mean that
entries were trimmed before we read them. Then the listener is told to fill its rooms from their own
logs, before the cursor moves on. Heads behind the cursor, or another epoch, mean that this is not the
log that we were reading: the tail begins anew, and the listener tells its clients.
"""

import random
import time
from typing import Any, Protocol

import gevent
from gevent.event import Event
from redis.exceptions import ResponseError

from cluster import counters, keys, log
from cluster.link import Health, Link, RedisDown, Reply
from cluster.protocol import Refusal
from cluster.settings import Settings
from cluster.store import Store

BLOCK_MS = 1000
READ_TIMEOUT_S = 2.5  # above the block, or every quiet second would look like a broken connection
READ_COUNT = 512
BACKOFF_FIRST_S = 0.05
BACKOFF_MOST_S = 0.8


class Listener(Protocol):
    """Who gets the entries. Only `missed` and `begun` may switch greenlets (they read from Redis)."""

    def message(self, room: str, seq: int, body: bytes) -> bool:
        """Take a message; `False`: messages before it are missing, call `missed` for the room."""

    def presence(self, room: str) -> None:
        """Take note that somebody came to a room or left it."""

    def missed(self, rooms: "tuple[str, ...] | None", shard: int) -> None:
        """Fill these rooms (`None`: all of the shard) from their own logs. Raises `Refusal`."""

    def begun(self, epoch: str, *, anew: bool) -> None:
        """The tail stands at the ends of the logs of an epoch; `anew`: it was elsewhere before."""


class WrongLayout(Exception):
    """The cluster in this Redis has another number of shard logs than this node is set to."""


class Tail:
    """Reads the shard logs. `epoch` is `None` until the tail has begun."""

    def __init__(self, settings: Settings, health: Health, store: Store, listener: Listener) -> None:
        self._shards = settings.shards
        self._health = health
        self._store = store
        self._listener = listener
        self._link = Link(settings.redis_url, health, timeout_s=READ_TIMEOUT_S, connections=1)
        self._random = random.Random(settings.server_id)
        self._cursors: list[int] = []
        self._shard_of_log = {keys.shard_log(shard): shard for shard in range(self._shards)}
        self._moved = Event()
        self._look_first = False
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
                if self.epoch is None:
                    self._begin()
                if self._look_first:
                    self._look_round()
                else:
                    self._read()
                backoff_s = BACKOFF_FIRST_S
            except (RedisDown, ResponseError, Refusal) as error:
                log.debug("tail_waits", reason=str(error), backoff_s=backoff_s)
                if isinstance(error, ResponseError):
                    self._health.failed(str(error))
                self._look_first = True  # It answers at once where a read may block for a second.
                gevent.sleep(backoff_s * (0.5 + self._random.random() / 2))
                backoff_s = min(backoff_s * 2, BACKOFF_MOST_S)

    def _begin(self) -> None:
        layout = self._store.bootstrap(self._link)
        if layout.shards != self._shards:
            raise WrongLayout(
                f"the cluster in this Redis has {layout.shards} shard logs, this node is set to "
                f"{self._shards}: start it with WORDAROUND_SHARDS={layout.shards}"
            )
        anew = bool(self._cursors)
        self._cursors = list(layout.heads)
        self.epoch = layout.epoch
        log.info("tail_begun", epoch=layout.epoch, heads=layout.heads, anew=anew)
        try:
            self._listener.begun(layout.epoch, anew=anew)
        except Refusal:
            self.epoch = None  # Clients are not told yet: begin again.
            raise
        self._announce_move()

    def _read(self) -> None:
        logs = list(self._shard_of_log)
        ids = [f"{cursor}-0" for cursor in self._cursors]
        reply = self._link.call("XREAD", "COUNT", READ_COUNT, "BLOCK", BLOCK_MS, "STREAMS", *logs, *ids)
        for name, entries in reply or ():
            self._hand_on(self._shard_of_log[name], entries)
        if reply:
            self._announce_move()
        else:
            self._look_round()

    def _hand_on(self, shard: int, entries: list[Reply]) -> None:
        for entry_id, flat in entries:
            k = int(entry_id.split(b"-")[0])
            if k != self._cursors[shard] + 1:
                counters.delivery.gaps += 1
                log.warning("shard_log_jumped", shard=shard, cursor=self._cursors[shard], next=k)
                self._listener.missed(None, shard)
            self._hand_on_entry(shard, dict(zip(flat[::2], flat[1::2], strict=True)))
            self._cursors[shard] = k

    def _hand_on_entry(self, shard: int, fields: dict[bytes, bytes]) -> None:
        if b"p" in fields:
            self._listener.presence(fields[b"p"].decode())
            return
        room, seq, body = fields[b"r"].decode(), int(fields[b"s"]), fields[b"b"]
        if not self._listener.message(room, seq, body):
            self._listener.missed((room,), shard)
            self._listener.message(room, seq, body)

    def _look_round(self) -> None:
        """After an empty read: are we still reading the right log, and is nothing lost?"""
        self._look_first = False
        layout = self._store.bootstrap(self._link)
        behind = any(h < c for h, c in zip(layout.heads, self._cursors, strict=True))
        if layout.epoch != self.epoch or layout.shards != self._shards or behind:
            log.warning("log_replaced", epoch=self.epoch, found=layout.epoch, behind=behind)
            if behind and layout.epoch == self.epoch:
                self._store.renew_epoch(self._link, layout.epoch)
            self.epoch = None
            return
        for shard, head in enumerate(layout.heads):
            if head > self._cursors[shard]:
                self._check_trimmed(shard, head)

    def _check_trimmed(self, shard: int, head: int) -> None:
        """Entries after the cursor exist, or came since the read, or were trimmed: find out which."""
        entries = self._link.call(
            "XRANGE", keys.shard_log(shard), f"{self._cursors[shard] + 1}-0", "+", "COUNT", 1
        )
        if entries:
            return  # The next read gets them; where their ids jump, it sees that.
        counters.delivery.gaps += 1
        log.warning("shard_log_trimmed", shard=shard, cursor=self._cursors[shard], head=head)
        self._listener.missed(None, shard)
        self._cursors[shard] = head
        self._announce_move()

    def _announce_move(self) -> None:
        moved, self._moved = self._moved, Event()
        moved.set()
