"""The commit script on a real Redis: one place for each key, positions without holes, honest refusals."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from cluster import keys
from cluster.committer import Committed, Committer
from cluster.link import Health, Link
from cluster.protocol import RESULTS_KEPT, Code, Refusal, SendRequest
from cluster.settings import Settings

pytestmark = pytest.mark.process


class Bench:
    """A committer in this process, and a look at what it wrote."""

    def __init__(self, url: str) -> None:
        self.settings = Settings(redis_url=url, shards=2, room_messages=1000)
        self.health = Health()
        self.link = Link(url, self.health, timeout_s=5, connections=1)
        self.link.call("SET", keys.EPOCH, "epoch-1")
        self.epoch_changes = 0
        self.committer = Committer(self.settings, self.health, epoch_changed=self._note)
        self.greenlet = self.committer.start()

    def _note(self) -> None:
        self.epoch_changes += 1

    def send(
        self, n: int | None, text: str = "", *, room: str = "r", producer: str | None = "p", **more: Any
    ) -> Committed:
        request = SendRequest(
            room=room,
            text=text or f"{n}",
            producer=producer,
            n=n,
            reply_to=more.pop("reply_to", None),
        )
        return self.committer.commit(
            request, epoch=more.pop("epoch", "epoch-1"), user=more.pop("user", "ann"), sent_at=1.5
        )

    def refused(self, *args: Any, **more: Any) -> Refusal:
        with pytest.raises(Refusal) as caught:
            self.send(*args, **more)
        return caught.value

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


@pytest.mark.parametrize("other", [{"text": "other"}, {"user": "bob"}, {"reply_to": ("e", 1)}])
def test_commit__other_content_under_one_key__key_reused(bench: Bench, other: dict[str, Any]) -> None:
    from cluster.protocol import Position

    if "reply_to" in other:
        other = {"reply_to": Position(epoch=other["reply_to"][0], seq=other["reply_to"][1])}
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
    assert bench.link.call("HLEN", keys.results("r", "p")) == RESULTS_KEPT + 1
    assert bench.link.call("TTL", keys.results("r", "p")) > 3600


def test_commit__without_a_key__each_is_a_message(bench: Bench) -> None:
    assert [bench.send(None, "same", producer=None).seq for _ in range(3)] == [1, 2, 3]
    assert bench.link.call("KEYS", "*results*") == []


def test_commit__for_another_epoch__refused_before_any_write(bench: Bench) -> None:
    refusal = bench.refused(1, epoch="epoch-0")
    assert (refusal.code, refusal.definite) == (Code.STORE_UNAVAILABLE, True)
    assert bench.epoch_changes == 1
    assert bench.link.call("KEYS", "*") == [keys.EPOCH]


def test_commit__room_over_its_retention__trimmed_and_positions_go_on(bench: Bench) -> None:
    for _ in range(1500):
        last = bench.send(None, "x", producer=None).seq
    assert last == 1500
    kept = [int(i.split(b"-")[0]) for i, _ in bench.log(keys.room_log("r"))]
    assert kept == list(range(kept[0], 1501))
    assert 1 < kept[0] <= 501
