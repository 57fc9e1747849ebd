"""The commit script on a real Redis: one place for each key, positions without holes, honest refusals."""

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from gevent.event import AsyncResult

from cluster.delivery.committer import Committed, Committer, Outcome
from cluster.protocol import RESULTS_KEPT, Code, Position, Refusal, SendRequest
from cluster.settings import Settings
from cluster.storage import keys
from cluster.storage.link import Health, Link, OtherRun
from cluster.storage.resp import Guard

pytestmark = pytest.mark.process


class Bench:
    """A committer in this process, and a look at what it wrote."""

    def __init__(self, url: str) -> None:
        self.settings = Settings(redis_url=url, shards=2, room_messages=1000)
        self.health = Health()
        self.link = Link(url, self.health, timeout_s=5, connections=1)
        info = self.link.call("INFO", "server").decode()
        self.guard = Guard("epoch-1", re.search(r"run_id:(\w+)", info)[1])  # type: ignore[index]
        self.link.call("SET", keys.EPOCH, str(self.guard))
        self.epoch_changes = 0
        self.positions: list[tuple[int, int]] = []
        self.committer = Committer(
            self.settings, self.health, committed=self._committed, epoch_changed=self._epoch_changed
        )
        self.greenlet = self.committer.start()

    def _epoch_changed(self) -> None:
        self.epoch_changes += 1

    def _committed(self, guard: Guard, shard: int, k: int) -> None:
        assert guard == self.guard
        self.positions.append((shard, k))

    def queue(
        self,
        n: int | None,
        text: str = "",
        *,
        room: str = "r",
        producer: str | None = "p",
        user: str = "ann",
        guard: Guard | None = None,
        reply_to: Position | None = None,
    ) -> "AsyncResult[Outcome]":
        request = SendRequest(room=room, text=text or f"{n}", producer=producer, n=n, reply_to=reply_to)
        answered: AsyncResult[Outcome] = AsyncResult()
        self.committer.commit(request, guard=guard or self.guard, user=user, sent_at=1.5, answer=answered.set)
        return answered

    def send(self, *args: Any, **more: Any) -> Committed:
        outcome = self.queue(*args, **more).get(timeout=10)
        assert isinstance(outcome, Committed), outcome
        return outcome

    def refused(self, *args: Any, **more: Any) -> Refusal:
        outcome = self.queue(*args, **more).get(timeout=10)
        assert isinstance(outcome, Refusal), outcome
        return outcome

    def log(self, name: bytes) -> list[tuple[bytes, dict[bytes, bytes]]]:
        entries = self.link.call("XRANGE", name, "-", "+")
        return [(i, dict(zip(flat[::2], flat[1::2], strict=True))) for i, flat in entries]


@pytest.fixture
def bench(own_world: Any) -> Iterator[Bench]:
    bench = Bench(own_world.redis.url)
    yield bench
    bench.greenlet.kill()
    bench.committer._link.close()
    bench.link.close()


def test_commit__rooms_and_producers_mixed__positions_and_shards_without_holes(bench: Bench) -> None:
    rng = random.Random(7)
    counts: dict[tuple[str, str], int] = {}
    heads: dict[str, int] = {}
    for _ in range(300):
        room, producer = rng.choice("abcd"), rng.choice(["p", "q", "ü"])
        counts[room, producer] = n = counts.get((room, producer), 0) + 1
        heads[room] = heads.get(room, 0) + 1
        committed = bench.send(n, room=room, producer=producer)
        assert committed == Committed(epoch="epoch-1", seq=heads[room], duplicate=False)
    in_shards: dict[str, list[int]] = {}
    for shard in (0, 1):
        entries = bench.log(keys.shard_log(shard))
        assert [i for i, _ in entries] == [b"%d-0" % k for k in range(1, len(entries) + 1)]
        for _, fields in entries:
            in_shards.setdefault(fields[b"r"].decode(), []).append(int(fields[b"s"]))
    for room, head in heads.items():
        assert [i for i, _ in bench.log(keys.room_log(room))] == [b"%d-0" % s for s in range(1, head + 1)]
        assert in_shards[room] == list(range(1, head + 1))


def test_commit__the_same_again__duplicate_with_the_first_place_and_nothing_written(bench: Bench) -> None:
    for n in (1, 2, 3):
        bench.send(n)
    assert bench.send(2) == Committed(epoch="epoch-1", seq=2, duplicate=True)
    assert len(bench.log(keys.room_log("r"))) == 3


def test_commit__a_gap__out_of_order__and_a_first_n_above_one_too(bench: Bench) -> None:
    for n, expected in ((2, 1), (9, 1)):
        refusal = bench.refused(n)
        assert (refusal.code, refusal.expected, refusal.definite) == (Code.OUT_OF_ORDER, expected, True)
    bench.send(1)
    assert bench.refused(3).expected == 2
    assert [i for i, _ in bench.log(keys.room_log("r"))] == [b"1-0"]


@pytest.mark.parametrize(
    "other", [{"text": "other"}, {"user": "bob"}, {"reply_to": Position(epoch="e", seq=1)}]
)
def test_commit__other_content_under_one_key__key_reused(bench: Bench, other: dict[str, Any]) -> None:
    bench.send(1)
    refusal = bench.refused(1, **other)
    assert (refusal.code, refusal.definite) == (Code.KEY_REUSED, True)
    assert bench.send(1).duplicate


def test_commit__older_than_the_results_kept__result_expired_and_not_definite(bench: Bench) -> None:
    for n in range(1, RESULTS_KEPT + 3):
        bench.send(n)
    assert bench.send(3).duplicate
    for n in (1, 2):
        refusal = bench.refused(n)
        assert (refusal.code, refusal.definite) == (Code.RESULT_EXPIRED, False)
    assert bench.link.call("HLEN", keys.results("r", "p")) == RESULTS_KEPT + 2  # and `next` and `renewed`
    assert bench.link.call("TTL", keys.results("r", "p")) > 3600


def test_commit__without_a_key__each_is_a_message(bench: Bench) -> None:
    assert [bench.send(None, "same", producer=None).seq for _ in range(3)] == [1, 2, 3]
    assert bench.link.call("KEYS", "*results*") == []


@pytest.mark.parametrize(
    ("epoch", "run"), [("epoch-0", "here"), ("epoch-1", "before"), ("epoch-0", "before")]
)
def test_commit__for_another_epoch_or_run__refused_before_any_write(
    bench: Bench, epoch: str, run: str
) -> None:
    guard = Guard(epoch, bench.guard.run_id if run == "here" else "f" * 40)
    refusal = bench.refused(1, guard=guard)
    assert (refusal.code, refusal.definite) == (Code.STORE_UNAVAILABLE, True)
    assert bench.epoch_changes == 1
    assert bench.link.call("KEYS", "*") == [keys.EPOCH]


def test_commit__the_run_was_not_adopted_yet__refused_though_the_connection_is_right(bench: Bench) -> None:
    bench.link.call("SET", keys.EPOCH, f"epoch-1 {'e' * 40}")
    assert bench.refused(1).code == Code.STORE_UNAVAILABLE
    assert bench.link.call("KEYS", "*") == [keys.EPOCH]


def test_commit__redis_was_restarted_and_nobody_compared_yet__not_sent_though_epoch_and_run_are_as_before(
    bench: Bench,
) -> None:
    before = Guard("epoch-1", "e" * 40)
    bench.link.call("SET", keys.EPOCH, str(before))
    assert bench.refused(1, guard=before).definite
    assert bench.epoch_changes == 1
    assert bench.link.call("KEYS", "*") == [keys.EPOCH]


def test_link__a_call_for_another_run__not_sent(bench: Bench) -> None:
    with pytest.raises(OtherRun, match="not eee"):
        bench.link.call("SET", "x", "1", run_id="eee")
    assert bench.link.call("GET", "x", run_id=bench.guard.run_id) is None


def test_commit__many_at_once__in_order__and_none_ahead_of_a_refused_one(bench: Bench) -> None:
    wanted = [1, 2, 4, 5, 3, 4, 3, 4]
    outcomes = [answered.get(timeout=10) for answered in [bench.queue(n) for n in wanted]]
    told = [o.seq if isinstance(o, Committed) else (o.code, o.expected) for o in outcomes]
    gap = (Code.OUT_OF_ORDER, 3)
    assert told == [1, 2, gap, gap, 3, 4, 3, 4]
    texts = [json.loads(fields[b"b"])["n"] for _, fields in bench.log(keys.room_log("r"))]
    assert texts == [1, 2, 3, 4]


def test_commit__scripts_flushed_between_batches__order_is_kept(bench: Bench) -> None:
    bench.send(1)
    bench.link.call("SCRIPT", "FLUSH")
    answers = [bench.queue(n) for n in range(2, 20)]
    assert [a.get(timeout=10).seq for a in answers] == list(range(2, 20))  # type: ignore[union-attr]


def test_commit__acknowledged__its_place_in_the_shard_log_is_known_before(bench: Bench) -> None:
    for n in (1, 2):
        bench.send(n)
    bench.send(2)  # a duplicate has no new place
    shard = keys.shard_of("r", 2)
    assert bench.positions == [(shard, 1), (shard, 2)]


def test_commit__two_epochs_in_a_room__each_knows_its_first_position(bench: Bench) -> None:
    for n in (1, 2):
        bench.send(n)
    bench.guard = Guard("epoch-2", bench.guard.run_id)
    bench.link.call("SET", keys.EPOCH, str(bench.guard))
    assert bench.send(3) == Committed(epoch="epoch-2", seq=3, duplicate=False)
    assert bench.send(4).seq == 4
    assert bench.send(2) == Committed(epoch="epoch-1", seq=2, duplicate=True)
    flat = bench.link.call("HGETALL", keys.room_state("r"))
    state = dict(zip(flat[::2], flat[1::2], strict=True))
    assert state == {b"head": b"4", b"epoch-1": b"1", b"epoch-2": b"3"}


def test_commit__results_near_their_expiry__renewed(bench: Bench) -> None:
    bench.send(1)
    results = keys.results("r", "p")
    bench.link.call("EXPIRE", results, 100)
    bench.send(2)
    assert bench.link.call("TTL", results) <= 100  # not with each message
    bench.link.call("HSET", results, "renewed", -3600)  # as if an hour had passed
    bench.send(3)
    assert bench.link.call("TTL", results) > 3600


def test_commit__redis_full__refused_definitely_and_later_ones_are_out_of_order(bench: Bench) -> None:
    bench.send(1)
    bench.link.call("CONFIG", "SET", "maxmemory", "1")
    refusals = [a.get(timeout=10) for a in [bench.queue(2), bench.queue(3)]]
    bench.link.call("CONFIG", "SET", "maxmemory", "0")
    assert all(isinstance(r, Refusal) and r.definite for r in refusals)
    assert [r.code for r in refusals if isinstance(r, Refusal)] == [
        Code.STORE_UNAVAILABLE,
        Code.OUT_OF_ORDER,
    ]
    assert bench.refused(3).expected == 2
    assert [bench.send(n).seq for n in (2, 3)] == [2, 3]


@pytest.mark.parametrize(
    ("setting", "spoilt", "sound"),
    [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")],
)
def test_commit__redis_refuses_all_writes__definite_and_logged_once(
    bench: Bench, caplog: pytest.LogCaptureFixture, setting: str, spoilt: str, sound: str
) -> None:
    for again in (1, 2):
        bench.send(again)
        bench.link.call("CONFIG", "SET", setting, spoilt)
        refusals = [a.get(timeout=10) for a in [bench.queue(None, "x") for _ in range(20)]]
        bench.link.call("CONFIG", "SET", setting, sound)
        assert all(isinstance(r, Refusal) and r.definite for r in refusals)
        assert [record.message for record in caplog.records] == ["commit_refused"] * again
    assert bench.send(3).seq == 3


def test_commit__an_answer_that_fails__costs_the_others_nothing(bench: Bench) -> None:
    def fail(outcome: Outcome) -> None:
        raise RuntimeError("a bug in a callback")

    request = SendRequest(room="r", text="x", producer=None, n=None, reply_to=None)
    bench.committer.commit(request, guard=bench.guard, user="ann", sent_at=1.5, answer=fail)
    assert bench.send(1).seq == 2


def test_commit__redis_known_to_be_down__refused_on_the_spot(bench: Bench) -> None:
    bench.health.failed("gone")
    answered = bench.queue(1)
    assert answered.ready()
    refusal = answered.get()
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.definite) == (Code.STORE_UNAVAILABLE, True)


def test_commit__room_over_its_retention__trimmed_and_positions_go_on(bench: Bench) -> None:
    for _ in range(1500):
        last = bench.send(None, "x", producer=None).seq
    assert last == 1500
    kept = [int(i.split(b"-")[0]) for i, _ in bench.log(keys.room_log("r"))]
    assert kept == list(range(kept[0], 1501))
    assert 1 < kept[0] <= 501
