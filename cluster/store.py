"""What the node reads from Redis, and the few small things that it writes outside of commits."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from redis.exceptions import ResponseError

from cluster import keys, wire
from cluster.link import Health, Link, RedisDown, Reply
from cluster.protocol import Code, Refusal
from cluster.settings import Settings
from cluster.wire import Stored

READ_TIMEOUT_S = 2.0
CONNECTIONS = 8
PAGE = 1000
RETRY_AFTER_MS = 250


def unavailable(reason: str, *, definite: bool = True) -> Refusal:
    """Return the refusal for everything that Redis keeps us from doing."""
    return Refusal(
        Code.STORE_UNAVAILABLE,
        f"the store does not answer: {reason}",
        definite=definite,
        retry_after_ms=RETRY_AFTER_MS,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """What Redis holds when a node begins to tail."""

    epoch: str
    shards: int
    heads: tuple[int, ...]  # of the shard logs


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomHead:
    """Where a room stood at one moment; `oldest` is the first message kept, `None` of an empty room."""

    epoch: str
    seq: int
    oldest: int | None
    shard: int
    shard_head: int


class Store:
    """Reads for joins and REST. Every method raises `Refusal` (store_unavailable) without Redis."""

    def __init__(self, settings: Settings, health: Health) -> None:
        self.health = health
        self.link = Link(settings.redis_url, health, timeout_s=READ_TIMEOUT_S, connections=CONNECTIONS)
        self._shards = settings.shards

    def bootstrap(self, link: Link) -> Layout:
        """Read epoch and shard heads, over the caller's own link; raises `RedisDown`."""
        names = [keys.EPOCH, keys.SHARDS, *(keys.shard_head(shard) for shard in range(self._shards))]
        epoch, shards, *heads = link.script("bootstrap", names, secrets.token_hex(8), self._shards)
        return Layout(epoch=epoch.decode(), shards=shards, heads=tuple(heads))

    def renew_epoch(self, link: Link, epoch: str) -> None:
        """Open a new epoch in place of one whose log has lost its end; raises `RedisDown`."""
        link.script("renew_epoch", [keys.EPOCH], epoch, secrets.token_hex(8))

    def room_head(self, room: str) -> RoomHead:
        """Return where the room and its shard log stand, at one moment."""
        shard = keys.shard_of(room, self._shards)
        names = [keys.EPOCH, keys.room_head(room), keys.room_log(room), keys.shard_head(shard)]
        epoch, seq, oldest, shard_head = self._script("room_head", names)
        return RoomHead(
            epoch=epoch.decode(),
            seq=seq,
            oldest=_seq(oldest) if oldest else None,
            shard=shard,
            shard_head=shard_head,
        )

    def messages(self, room: str, *, after: int, to: int, limit: int | None = None) -> list[Stored]:
        """Return the messages kept in (after, to], ascending; at most `limit`."""
        found: list[Stored] = []
        while after < to and (limit is None or len(found) < limit):
            count = PAGE if limit is None else min(PAGE, limit - len(found))
            page = self._range("XRANGE", room, f"{after + 1}-0", f"{to}-0", count)
            found += page
            if len(page) < count:
                break
            after = page[-1].seq
        return found

    def latest(self, room: str, *, before: int, limit: int) -> list[Stored]:
        """Return the last `limit` messages kept before a seq, ascending."""
        if before <= 1:
            return []
        return self._range("XREVRANGE", room, f"{before - 1}-0", "-", limit)[::-1]

    def shard_heads(self) -> tuple[int, ...]:
        """Return the last position that was given in each shard log."""
        heads = self.call("MGET", *(keys.shard_head(shard) for shard in range(self._shards)))
        return tuple(int(head or 0) for head in heads)

    def rooms(self) -> list[str]:
        """Return the names of all rooms that ever had a message, sorted."""
        return sorted(name.decode() for name in self.call("SMEMBERS", keys.ROOMS))

    def call(self, *command: bytes | str | int) -> Reply:
        """Run one command of the caller's; for reads that have no method of their own."""
        return self._guard(lambda: self.link.call(*command))

    def _range(self, command: str, room: str, start: str, end: str, count: int) -> list[Stored]:
        entries = self.call(command, keys.room_log(room), start, end, "COUNT", count)
        return [wire.stored(_seq(entry_id), fields[1]) for entry_id, fields in entries]

    def _script(self, name: str, names: list[bytes]) -> Reply:
        return self._guard(lambda: self.link.script(name, names))

    def _guard(self, run: Callable[[], Reply]) -> Reply:
        if not self.health.up:
            raise unavailable(self.health.reason)
        try:
            return run()
        except (RedisDown, ResponseError) as error:
            raise unavailable(str(error)) from error


def _seq(entry_id: bytes) -> int:
    return int(entry_id.split(b"-")[0])
