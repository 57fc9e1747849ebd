"""Leases on a real Redis, script by script: who may be reaped, when, and what reaping leaves alone.

Time is Redis' own; so that nobody has to wait, stamps are set back instead.
"""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cluster.connections import Connection, Connections, Membership
from cluster.members.presence import Presence
from cluster.members.reaper import Reaper
from cluster.members.registry import STALE_AFTER_MS, Registry, Roster
from cluster.members.user_lists import rows
from cluster.settings import Settings
from cluster.storage import keys
from cluster.storage.link import Health, Link
from cluster.storage.resp import Guard
from cluster.storage.store import Store
from cluster.transport.outbox import Outbox, Outlet

pytestmark = pytest.mark.process


class Member:
    """The registry, presence and reaper of one node, driven by hand."""

    def __init__(self, url: str, name: str) -> None:
        self.settings = Settings(server_id=name, redis_url=url, shards=2)
        health = Health()
        self.store = Store(self.settings, health)
        health.answered()
        self.epoch, self.run_id = "epoch-1", _run_id(self.store.link)
        self.connections = Connections()
        self.registry = Registry(self.settings, health)
        self.presence = Presence(
            self.settings,
            self.store,
            self.registry,
            self.connections,
            guard=self.guard,
            changed=lambda room: None,
        )
        self.reaper = Reaper(self.settings, self.store, guard=self.guard)
        self.registry.on_new_incarnation = self.presence.register_all

    def guard(self) -> Guard:
        return Guard(self.epoch, self.run_id)

    def join(self, sid: str, room: str = "r", user: str = "") -> Membership:
        connection = self.connections.get(sid) or Connection(
            sid=sid, eio_sid=sid, outlet=Outlet(Outbox(2**20)), user=user or sid, producer=""
        )
        self.connections.add(connection)
        membership = Membership(
            connection=connection, room=room, user=user or sid, joined_at=0.0, epoch="e", position=0
        )
        self.connections.enter(membership)
        self.presence.joined(membership)
        return membership

    def write(self) -> dict[str, Any]:
        """Write what is pending, once; returns what Redis did not take."""
        left = self.presence._write_some()
        self.presence._pending = left
        return left

    def beat(self) -> Roster:
        self.registry._beat()
        return self.registry.roster

    def close(self) -> None:
        self.registry._link.close()
        self.store.link.close()


def _run_id(link: Link) -> str:
    return re.findall(r"run_id:(\w+)", link.call("INFO", "server").decode())[0]


class Bench:
    """Two nodes and a look into Redis."""

    def __init__(self, url: str) -> None:
        self.link = Link(url, Health(), timeout_s=5, connections=1)
        self.link.call("SET", keys.EPOCH, f"epoch-1 {_run_id(self.link)}")
        self.a, self.b = Member(url, "a"), Member(url, "b")

    def users(self, room: str = "r") -> list[str]:
        flat = self.link.call("HGETALL", keys.presence(room))
        return [row["user"] for row in rows(flat, frozenset())]

    def told(self) -> list[str]:
        """Return the rooms whose change is in the shard logs."""
        entries = []
        for shard in (0, 1):
            found = self.link.call("XRANGE", keys.shard_log(shard), "-", "+")
            assert [i for i, _ in found] == [b"%d-0" % k for k in range(1, len(found) + 1)]
            entries += [fields[1].decode() for _, fields in found]
        return sorted(entries)

    def set_back(self, ms: int, *, lease: Member | None = None, pulse: bool = False) -> None:
        if lease is not None:
            value = self.link.call("HGET", keys.LEASES, lease.registry.incarnation)
            stamp, server_id = value.decode().split()
            self.link.call("HSET", keys.LEASES, lease.registry.incarnation, f"{int(stamp) - ms} {server_id}")
        if pulse:
            last = int(self.link.call("HGET", keys.PULSE, "last"))
            self.link.call("HSET", keys.PULSE, "last", last - ms)

    def long_ago(self) -> None:
        """Let the last outage be over for long, as it is in a cluster that has run for a while."""
        self.link.call("HSET", keys.PULSE, "since", 1)


@pytest.fixture
def bench(own_world: Any) -> Iterator[Bench]:
    bench = Bench(own_world.redis.url)
    bench.a.beat()
    bench.b.beat()
    bench.long_ago()
    yield bench
    bench.a.close()
    bench.b.close()
    bench.link.close()


def test_presence__late_disconnect__the_new_connection_stays(bench: Bench) -> None:
    old = bench.a.join("old", user="ann")
    bench.a.write()
    bench.b.join("new", user="ann")
    bench.b.write()
    bench.a.presence.left(old)
    bench.a.write()
    assert bench.users() == ["ann"]
    assert bench.told() == ["r", "r", "r"]


def test_reap__stale__its_memberships_in_all_rooms_are_gone_and_told(bench: Bench) -> None:
    for sid, room in (("ann", "r"), ("ann", "q"), ("cid", "r")):
        bench.a.join(sid, room)
    bench.b.join("bob")
    bench.a.write()
    bench.b.write()
    bench.set_back(STALE_AFTER_MS, lease=bench.a)
    version = int(bench.link.call("GET", keys.presence_version("r")))
    bench.b.reaper.reap(bench.b.beat())
    assert (bench.users("r"), bench.users("q")) == (["bob"], [])
    assert bench.told() == sorted(["r", "q", "r", "r", "q"])
    assert int(bench.link.call("GET", keys.presence_version("r"))) == version + 1
    assert (bench.b.reaper.reaped, bench.b.reaper.reaped_nodes) == (3, 1)
    assert bench.link.call("EXISTS", keys.CONDEMNED, keys.memberships(bench.a.registry.incarnation)) == 0


@pytest.mark.parametrize("age_ms", [0, STALE_AFTER_MS - 1500])
def test_reap__lease_holds_whatever_the_caller_believes__nothing_happens(bench: Bench, age_ms: int) -> None:
    bench.a.join("ann")
    bench.a.write()
    bench.set_back(age_ms, lease=bench.a)
    reply = bench.b.reaper._call(bench.b.guard(), bench.a.registry.incarnation)
    assert reply == [b"held"]
    assert bench.users() == ["ann"]


def test_reap__more_than_one_call_takes__another_node_goes_on_and_the_reaped_one_cannot_come_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.members.reaper.AT_ONCE", 4)
    for i in range(10):
        bench.a.join(f"u{i}", f"room-{i % 3}")
    bench.a.write()
    bench.set_back(STALE_AFTER_MS, lease=bench.a)
    assert bench.b.reaper._call(bench.b.guard(), bench.a.registry.incarnation) == [b"reaped", 4, 6]
    before = bench.a.registry.incarnation
    bench.a.beat()  # It lives, in the middle of it.
    assert bench.a.registry.incarnation != before
    bench.a.beat()
    bench.a.write()
    assert sum(len(bench.users(f"room-{i}")) for i in range(3)) == 10, "all registered again"
    bench.b.reaper.reap(bench.b.beat())
    assert sum(len(bench.users(f"room-{i}")) for i in range(3)) == 10, "and not reaped with the old ones"
    assert bench.link.call("SCARD", keys.CONDEMNED) == 0
    assert bench.link.call("SCARD", keys.memberships(bench.a.registry.incarnation)) == 10


def test_presence__incarnation_was_reaped__refused_until_there_is_another(bench: Bench) -> None:
    bench.set_back(STALE_AFTER_MS, lease=bench.a)
    bench.b.reaper.reap(bench.b.beat())
    bench.a.join("ann")
    assert bench.a.write(), "not taken"
    assert bench.users() == []
    bench.a.beat()
    bench.a.beat()
    assert not bench.a.write()
    assert bench.users() == ["ann"]


def test_reap_after_an_outage__whoever_comes_first__nobody_for_one_lease(bench: Bench) -> None:
    bench.a.join("ann")
    bench.a.write()
    # Nobody has reached Redis for a minute; a's node has not come back yet.
    for member in (bench.a, bench.b):
        bench.set_back(60_000, lease=member)
    bench.set_back(60_000, pulse=True)
    assert bench.b.reaper._call(bench.b.guard(), bench.a.registry.incarnation) == [b"held"], "before any beat"
    roster = bench.b.beat()
    assert bench.b.reaper._call(bench.b.guard(), bench.a.registry.incarnation) == [b"held"], (
        "after the first one"
    )
    assert not any(lease.late for lease in roster.leases), "nobody is lost for it either"
    bench.long_ago()  # One lease later a's node has still not come.
    bench.b.reaper.reap(bench.b.beat())
    assert bench.users() == []


def test_beat__clock_of_redis_set_back__held_off_then_judged_as_ever(bench: Bench) -> None:
    bench.a.join("ann")
    bench.a.write()
    bench.set_back(-60_000, lease=bench.a)
    bench.set_back(-60_000, pulse=True)
    assert bench.b.reaper._call(bench.b.guard(), bench.a.registry.incarnation) == [b"held"]
    bench.b.beat()
    assert bench.b.reaper._call(bench.b.guard(), bench.a.registry.incarnation) == [b"held"]
    bench.long_ago()
    bench.b.reaper.reap(bench.b.beat())
    assert bench.users() == [], "a stamp from the future does not hold for ever"


def test_scripts__epoch_differs__no_effect(bench: Bench) -> None:
    bench.a.join("ann")
    bench.a.write()
    bench.set_back(STALE_AFTER_MS, lease=bench.a)
    bench.b.join("bob")
    bench.a.epoch = bench.b.epoch = "another"
    assert bench.b.write()
    assert bench.b.reaper._call(bench.b.guard(), bench.a.registry.incarnation) == [b"epoch_changed"]
    assert bench.users() == ["ann"]
    assert bench.told() == ["r"]
    bench.b.epoch = "epoch-1"
    assert not bench.b.write(), "and it is tried again"


def test_presence__another_epoch__a_new_incarnation_registers_all_and_what_redis_has_again_goes_stale(
    bench: Bench,
) -> None:
    for sid in ("ann", "eve"):
        bench.a.join(sid)
    bench.a.write()
    had = bench.link.call("HGETALL", keys.presence("r"))
    eve = bench.a.connections.remove("eve")
    assert eve is not None
    bench.a.presence.left(eve.memberships["r"])
    bench.a.write()
    assert bench.users() == ["ann"]
    # With the end of the log Redis has lost that eve left, and who ann is; but not the lease.
    bench.link.call("HSET", keys.presence("r"), *had)
    bench.link.call("HDEL", keys.presence("r"), "ann")
    old = bench.a.registry.incarnation
    for sid in ("ann", "eve"):
        bench.link.call("SADD", keys.memberships(old), f"{keys.shard_of('r', 2)} r {sid}")
    bench.link.call("SET", keys.EPOCH, f"epoch-2 {_run_id(bench.link)}")
    bench.a.epoch = bench.b.epoch = "epoch-2"
    bench.a.presence.beat()
    bench.a.beat()
    assert not bench.a.write()
    assert bench.users() == ["ann", "eve"]
    stamp = int(bench.link.call("HGET", keys.LEASES, old).split()[0])
    bench.link.call("HSET", keys.LEASES, old, f"{stamp - STALE_AFTER_MS} a")
    bench.b.reaper.reap(bench.b.beat())
    assert bench.users() == ["ann"]
    bench.a.presence.beat()
    assert bench.a.registry.incarnation != old
    assert bench.link.call("HGET", keys.LEASES, bench.a.registry.incarnation), "once, and not at each beat"


def test_beat__redis_was_emptied__a_new_incarnation_registers_all(bench: Bench) -> None:
    bench.a.join("ann")
    bench.a.write()
    before = bench.a.registry.incarnation
    bench.link.call("FLUSHALL")
    bench.link.call("SET", keys.EPOCH, f"epoch-1 {_run_id(bench.link)}")
    bench.a.beat()
    bench.a.beat()
    bench.a.write()
    assert bench.users() == ["ann"]
    assert bench.a.registry.incarnation != before


def test_retire__with_memberships_left__the_next_beat_removes_them(bench: Bench) -> None:
    bench.a.join("ann")
    bench.a.write()
    bench.a.registry.retire()
    roster = bench.b.beat()
    assert [node.server_id for node in roster.nodes] == ["b"]
    assert roster.condemned == (bench.a.registry.incarnation,)
    bench.b.reaper.reap(roster)
    assert bench.users() == []


def test_retire__another_process_has_the_name_by_now__its_record_stays(bench: Bench, own_world: Any) -> None:
    again = Member(own_world.redis.url, "a")
    again.beat()
    bench.a.registry.retire()
    assert {node.server_id for node in bench.b.beat().nodes} == {"a", "b"}
    again.close()


def test_secret__made_by_the_first__shared_by_all_and_made_anew_when_lost(bench: Bench) -> None:
    old = bench.a.registry.secrets()[0]
    assert bench.b.registry.secrets() == (old,)
    bench.link.call("DEL", keys.SECRET)
    bench.b.beat()
    bench.a.beat()
    new = bench.b.registry.secrets()[0]
    assert new != old
    assert bench.a.registry.secrets() == (new, old), "the old one still counts, for who has not heard yet"


def test_beat__another_node_has_the_name__told_once_as_an_error_but_not_of_an_earlier_life(
    bench: Bench, own_world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bench.a.beat()
    again = Member(own_world.redis.url, "a")
    told = []
    for _ in range(3):  # As after a restart: the lease of the life before is there, and nobody stamps it.
        again.beat()
    told.append([record.message for record in caplog.records].count("server_id_taken"))
    for _ in range(3):
        time.sleep(0.002)  # Stamps are in milliseconds.
        bench.a.beat()
        again.beat()
    told.append([record.message for record in caplog.records].count("server_id_taken"))
    again.close()
    assert told == [0, 2], "by each of the two"
