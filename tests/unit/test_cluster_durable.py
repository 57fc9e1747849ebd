"""A join's last step: whatever passed the tail meanwhile, nothing is missed, doubled or interrupted."""

from collections.abc import Callable
from typing import Any

import greenlet
import pytest

from cluster import wire
from cluster.connections import Connection, Connections
from cluster.delivery.base import PageRequest
from cluster.delivery.durable import DurableDelivery
from cluster.delivery.epochs import Standing
from cluster.protocol import Code, JoinRequest, Position, Refusal
from cluster.settings import Settings
from cluster.storage.link import Health
from cluster.storage.resp import Guard
from cluster.storage.room_epochs import RoomEpochs
from cluster.storage.store import RoomHead
from cluster.transport.outbox import Outbox, Outlet
from cluster.wire import Stored
from tests.unit.cluster_frames import events

EPOCH = "e"


def body(seq: int) -> bytes:
    return wire.body({"room": "r", "text": str(seq)}).encode()


class FakeStore:
    """A room's log in memory; `during_read` runs where the real one waits for Redis."""

    def __init__(self) -> None:
        self.head, self.first = 0, 1
        self.during_read: Callable[[], None] = lambda: None

    def room_head(self, room: str, guard: Guard) -> RoomHead:
        epochs = RoomEpochs(order=(EPOCH,), firsts={EPOCH: 1} if self.head else {}, head=self.head)
        oldest = self.first if self.head else None
        return RoomHead(epoch=EPOCH, epochs=epochs, oldest=oldest, shard=0, shard_head=0)

    def bodies(self, room: str, *, after: int, to: int) -> list[tuple[int, bytes]]:
        return [(s, body(s)) for s in range(max(after + 1, self.first), to + 1)]

    def messages(self, room: str, *, after: int, to: int) -> list[Stored]:
        found = [wire.stored(s, raw) for s, raw in self.bodies(room, after=after, to=to)]
        self.during_read()
        return found

    def latest(self, room: str, *, before: int, limit: int) -> list[Stored]:
        return self.messages(room, after=max(0, before - 1 - limit), to=before - 1)


class Bench:
    """A delivery on a fake store, with real queues to its connections."""

    def __init__(self, memory_messages: int = 100) -> None:
        self.settings = Settings(shards=1, memory_messages=memory_messages)
        self.store, self.connections = FakeStore(), Connections()
        self.outbox = Outbox(2**20)
        standing = Standing(self.settings, frozenset)
        standing.enter(Guard(EPOCH, "run"), [0])
        self.delivery = DurableDelivery(
            self.settings,
            Health(),
            self.store,  # type: ignore[arg-type]
            standing,
            self.connections,
            self.outbox,
            presence_changed=lambda room: None,
        )
        self.delivery._tail.epoch = EPOCH
        self.delivery._tail._cursors = [0]

    def connect(self, name: str = "ann") -> Connection:
        connection = Connection(sid=name, eio_sid=name, outlet=Outlet(self.outbox), user=name, producer="")
        self.connections.add(connection)
        return connection

    def commit(self, count: int = 1, *, tailed: bool = True) -> None:
        for _ in range(count):
            self.store.head += 1
            if tailed:
                assert self.live(self.store.head)

    def live(self, *seqs: int) -> bool:
        """Hand on a run of messages as the tail does."""
        return self.delivery.messages("r", [(seq, body(seq)) for seq in seqs])

    def join(self, connection: Connection, cursor: int | None = None) -> dict[str, Any]:
        position = None if cursor is None else Position(epoch=EPOCH, seq=cursor)
        return self.delivery.join(connection, "ann", JoinRequest(room="r", user=None, cursor=position))

    def received(self, name: str = "ann") -> list[int]:
        """Return the seq of all that was queued for a connection, history first."""
        outlet = self.connections.get(name).outlet  # type: ignore[union-attr]
        sent = b"".join(outlet._chunks)
        outlet._chunks.clear()
        found: list[int] = []
        for event, payload in events(sent):
            found += (
                [m["seq"] for m in payload["messages"]] if event == "message_history" else [payload["seq"]]
            )
        return found


def test_join__messages_pass_while_history_is_read__all_once_in_order() -> None:
    bench = Bench()
    bench.commit(10)
    ann = bench.connect()
    bench.store.during_read = lambda: bench.commit(3)
    answer = bench.join(ann, cursor=4)
    assert (answer["seq"], answer["recovered"]) == (13, True)
    assert ann.memberships["r"].position == 13
    bench.commit(2)
    assert bench.received() == list(range(5, 16))
    assert bench.delivery.leave(ann, "r")["seq"] == 15


def test_join__more_passes_than_memory_holds__reads_again() -> None:
    bench = Bench(memory_messages=5)
    bench.commit(10)
    ann = bench.connect()
    bursts = iter([20, 3])
    bench.store.during_read = lambda: bench.commit(next(bursts))
    assert bench.join(ann, cursor=4)["seq"] == 33
    bench.store.during_read = lambda: None
    bench.commit(1)
    assert bench.received() == list(range(5, 35))


def test_join__memory_never_suffices__refused_and_not_joined() -> None:
    bench = Bench(memory_messages=5)
    bench.commit(10)
    ann = bench.connect()
    bench.store.during_read = lambda: bench.commit(20)
    with pytest.raises(Refusal, match="faster"):
        bench.join(ann, cursor=4)
    assert bench.received() == []
    assert ann.memberships == {}


def test_join__the_room_is_forgotten_while_history_is_read__reads_again() -> None:
    bench = Bench()
    bench.commit(3)
    ann = bench.connect()

    def pass_and_forget() -> None:
        bench.store.during_read = lambda: None
        bench.commit(4)
        bench.delivery._memory.forget("r")

    bench.store.during_read = pass_and_forget
    assert bench.join(ann, cursor=0)["seq"] == 7
    assert bench.received() == list(range(1, 8))


def test_join__messages_of_many_other_rooms_pass_meanwhile__joined_at_once() -> None:
    bench = Bench(memory_messages=1)
    bench.commit(10)
    ann = bench.connect()
    others = iter(range(100_000))
    reads = 0

    def pass_elsewhere() -> None:
        nonlocal reads
        reads += 1
        for _ in range(100):
            assert bench.delivery.messages(f"other-{next(others)}", [(1, body(1))])

    pass_elsewhere()
    bench.store.during_read = pass_elsewhere
    assert bench.join(ann, cursor=4)["seq"] == 10
    assert reads == 2


def test_join__its_last_step__switches_to_no_other_greenlet() -> None:
    bench = Bench()
    bench.commit(10)
    ann = bench.connect()
    joining = bench.delivery._joining
    history = joining._history("r", joining.head("r"), Position(epoch=EPOCH, seq=2), 0)
    assert history is not None
    bench.commit(5)
    switches: list[Any] = []
    before = greenlet.settrace(lambda event, args: switches.append((event, args)))
    try:
        answer = joining._admit(ann, "ann", "r", history)
        bench.store.head += 3
        assert bench.live(16, 17, 18)  # delivering a run does not switch either
    finally:
        greenlet.settrace(before)
    assert switches == []
    assert answer is not None
    assert bench.received() == list(range(3, 19))


def test_join__again_while_live__failed_one_leaves_the_membership_as_it_was() -> None:
    bench = Bench()
    bench.commit(5)
    ann = bench.connect()
    bench.join(ann, cursor=5)
    bench.delivery._tail._cursors = [-1]  # The tail is behind the shard's head from now on.
    bench.delivery._tail.wait_for = lambda *_: False  # type: ignore[method-assign]
    with pytest.raises(Refusal, match="behind"):
        bench.join(ann, cursor=2)
    bench.commit(2)
    assert bench.received() == [6, 7]


def test_join__connection_closes_while_history_is_read__no_membership_stays() -> None:
    bench = Bench()
    bench.commit(5)
    ann = bench.connect()
    bench.store.during_read = lambda: bench.connections.remove("ann") and None  # type: ignore[func-returns-value]
    bench.join(ann, cursor=0)
    assert bench.connections.members("r") == ()


def test_missed__entries_trimmed_before_the_tail_read_them__members_are_filled() -> None:
    bench = Bench()
    ann = bench.connect()
    bench.join(ann)
    bench.commit(3)
    bench.commit(4, tailed=False)
    bench.store.head += 1
    assert not bench.live(8)
    bench.delivery.missed(("r",), 0)
    assert bench.live(8)
    bench.commit(1)
    assert bench.received() == list(range(1, 10))


def test_missed__the_room_was_trimmed_as_well__told_with_a_snapshot() -> None:
    bench = Bench()
    ann = bench.connect()
    bench.join(ann)
    bench.commit(3)
    bench.commit(10, tailed=False)
    bench.store.first = 9
    bench.delivery.missed(("r",), 0)
    assert bench.received() == [1, 2, 3, *range(9, 14)]
    bench.commit(1)
    assert bench.received() == [14]


def test_missed__telling_of_it_fails_at_first__told_before_any_live_message() -> None:
    bench = Bench()
    ann = bench.connect()
    bench.join(ann)
    bench.commit(3)
    bench.commit(10, tailed=False)
    bench.store.first = 9
    latest = bench.store.latest

    def fail(*_: object, **__: object) -> list[Stored]:
        bench.store.latest = latest  # type: ignore[method-assign]
        raise Refusal(Code.STORE_UNAVAILABLE, "Redis went away")

    bench.store.latest = fail  # type: ignore[method-assign]
    assert not bench.live(12, 13)
    with pytest.raises(Refusal, match="went away"):
        bench.delivery.missed(("r",), 0)
    assert bench.received() == [1, 2, 3]
    assert not bench.live(12, 13)
    bench.delivery.missed(("r",), 0)
    assert bench.live(12, 13)
    assert bench.received() == list(range(9, 14))


def test_delivered__a_room_that_was_joined_and_has_no_messages__nothing_is_the_first() -> None:
    bench = Bench()
    bench.join(bench.connect())
    request = PageRequest(room="r", after=None, before=None, limit=10)
    assert (bench.delivery.delivered(request).first, bench.delivery.stored(request).first) == (None, None)
    bench.commit(1)
    assert (bench.delivery.delivered(request).first, bench.delivery.stored(request).first) == (1, 1)


def test_left_over__entries_that_a_fill_has_delivered_already__not_delivered_again() -> None:
    bench = Bench()
    ann = bench.connect()
    bench.join(ann)
    bench.commit(5)
    for seq in range(1, 6):
        assert bench.live(seq)
    bench.store.head = 7
    assert bench.live(3, 4, 5, 6, 7)
    assert bench.received() == [1, 2, 3, 4, 5, 6, 7]


def test_begun__fails_half_way_and_again__whoever_was_told_the_first_time_misses_nothing() -> None:
    bench = Bench()
    ann, bob = bench.connect("ann"), bench.connect("bob")
    bench.join(ann)
    bench.join(bob)
    bench.commit(3)
    assert bench.received("ann") == bench.received("bob") == [1, 2, 3]
    sent: list[str] = []
    queue = bench.delivery._joining._outbox.send

    def fail_at_the_second(connection: Connection, frames: Any) -> None:
        sent.append(connection.sid)
        if len(sent) == 2:
            raise Refusal(Code.STORE_UNAVAILABLE, "Redis went away")
        queue(connection, frames)

    bench.delivery._joining._outbox.send = fail_at_the_second  # type: ignore[method-assign]
    with pytest.raises(Refusal, match="went away"):
        bench.delivery.begun(EPOCH, anew=True)
    bench.commit(2, tailed=False)  # They pass before the tail begins once more, at newer heads.
    bench.delivery.begun(EPOCH, anew=True)
    bench.commit(1)
    for name in ("ann", "bob"):
        assert bench.received(name)[-6:] == [1, 2, 3, 4, 5, 6]
