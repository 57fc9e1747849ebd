"""What the node reads from Redis."""

from collections.abc import Callable
from dataclasses import dataclass

from redis.exceptions import ResponseError

from cluster import wire
from cluster.protocol import Code, Refusal
from cluster.settings import Settings
from cluster.storage import keys
from cluster.storage.link import Health, Link, RedisDown, Reply
from cluster.storage.resp import Argument, Command, Guard
from cluster.storage.room_epochs import RoomEpochs
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
class RoomHead:
    """Where a room stood at one moment; `oldest` is the first message kept, `None` where there is none."""

    epoch: str  # the one that holds, whether or not it has messages in this room
    epochs: RoomEpochs
    oldest: int | None
    shard: int
    shard_head: int

    @property
    def seq(self) -> int:
        """The last seq that was given in the room."""
        return self.epochs.head


class Store:
    """Reads for joins and REST. Every method raises `Refusal` (store_unavailable) without Redis."""

    def __init__(self, settings: Settings, health: Health) -> None:
        self.health = health
        self.link = Link(settings.redis_url, health, timeout_s=READ_TIMEOUT_S, connections=CONNECTIONS)
        self._shards = settings.shards

    def room_head(self, room: str, guard: Guard) -> RoomHead:
        """Return where the room and its shard log stand, at one moment, in the log that the guard names."""
        shard = keys.shard_of(room, self._shards)
        names = [
            keys.EPOCH,
            keys.room_state(room),
            keys.room_log(room),
            keys.shard_head(shard),
            keys.EPOCHS,
        ]
        flag, *answer = self._guarded(lambda: self.link.script("room_head", names, guard))
        if flag != b"room":
            raise unavailable("the log's epoch has changed")
        head, oldest, shard_head, order, firsts = answer
        epochs = RoomEpochs(
            order=tuple(epoch.decode() for epoch in order),
            firsts={e.decode(): seq for e, seq in zip(firsts[::2], firsts[1::2], strict=True)},
            head=head,
        )
        return RoomHead(
            epoch=guard.epoch,
            epochs=epochs,
            oldest=_seq(oldest) if oldest else None,
            shard=shard,
            shard_head=shard_head,
        )

    def messages(self, room: str, *, after: int, to: int, limit: int | None = None) -> list[Stored]:
        """Return the messages kept in (after, to], ascending; at most `limit`."""
        return [wire.stored(seq, body) for seq, body in self.bodies(room, after=after, to=to, limit=limit)]

    def bodies(self, room: str, *, after: int, to: int, limit: int | None = None) -> list[tuple[int, bytes]]:
        """Return the same as (seq, body)."""
        found: list[tuple[int, bytes]] = []
        while after < to and (limit is None or len(found) < limit):
            count = PAGE if limit is None else min(PAGE, limit - len(found))
            page = self._range("XRANGE", room, f"{after + 1}-0", f"{to}-0", count)
            found += page
            if len(page) < count:
                break
            after = page[-1][0]
        return found

    def latest(self, room: str, *, before: int, limit: int) -> list[Stored]:
        """Return the last `limit` messages kept before a seq, ascending."""
        if before <= 1:
            return []
        found = self._range("XREVRANGE", room, f"{before - 1}-0", "-", limit)
        return [wire.stored(seq, body) for seq, body in reversed(found)]

    def rooms(self) -> list[str]:
        """Return the names of all rooms that ever had a message, sorted; Redis serves others meanwhile."""
        names: set[bytes] = set()
        cursor = None
        while cursor != b"0":
            cursor, page = self.call("SSCAN", keys.ROOMS, cursor or b"0", "COUNT", PAGE)
            names.update(page)
        return sorted(name.decode() for name in names)

    def call(self, *command: Argument) -> Reply:
        """Run one command of the caller's; for reads that have no method of their own."""
        return self._guarded(lambda: self.link.call(*command))

    def many(self, commands: list[Command]) -> list[Reply]:
        """Run many commands of the caller's, some at a time; Redis serves others meanwhile."""
        found: list[Reply] = []
        for first in range(0, len(commands), PAGE):
            some = commands[first : first + PAGE]
            found += self._guarded(lambda some=some: self.link.replies(some))  # type: ignore[misc]
        return found

    def _range(self, command: str, room: str, start: str, end: str, count: int) -> list[tuple[int, bytes]]:
        entries = self.call(command, keys.room_log(room), start, end, "COUNT", count)
        return [(_seq(entry_id), fields[1]) for entry_id, fields in entries]

    def _guarded(self, run: Callable[[], Reply]) -> Reply:
        if not self.health.up:
            raise unavailable(self.health.reason)
        try:
            return run()
        except (RedisDown, ResponseError) as error:
            raise unavailable(str(error)) from error


def _seq(entry_id: bytes) -> int:
    return int(entry_id.split(b"-")[0])
