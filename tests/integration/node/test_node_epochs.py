"""Redis in a new run: an epoch goes on only where nothing that anybody saw is missing; else all are told."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.delivery import epochs
from cluster.delivery.epochs import Standing, Stands, Waits
from cluster.settings import Settings
from cluster.storage import keys
from cluster.storage.link import Health, Link
from cluster.storage.resp import Guard

pytestmark = pytest.mark.process


# The script `stand`, asked by nodes that are not there


class Member:
    """What a node knows of its standing, without the node."""

    def __init__(self, redis: Any, name: str, *, expects: str = "") -> None:
        self.redis = redis
        self.standing = Standing(
            Settings(server_id=name, redis_url=redis.url, shards=2), lambda: frozenset(expects.split())
        )
        self.link = Link(redis.url, Health(), timeout_s=5, connections=1)

    def ask(self) -> Stands | Waits:
        return self.standing.ask(self.link)

    def stand(self, *seen: int) -> Guard:
        """Ask, which must be answered, and then have seen the shard logs up to these positions."""
        answer = self.ask()
        assert isinstance(answer, Stands), answer
        self.standing.enter(answer.guard, seen or answer.heads)
        return answer.guard


@pytest.fixture
def member(own_world: Any) -> Iterator[Callable[..., Member]]:
    members: list[Member] = []

    def make(name: str, **options: str) -> Member:
        members.append(Member(own_world.redis, name, **options))
        return members[-1]

    yield make
    for made in members:
        made.link.close()


def restart(redis: Any, *, heads: tuple[int, int]) -> None:
    """A new run of Redis, whose shard logs end here."""
    for shard, head in enumerate(heads):
        redis.call("SET", keys.shard_head(shard), head)
    redis.process.kill()
    redis.start()


def test_stand__an_empty_redis__one_new_epoch_for_all(member: Callable[..., Member]) -> None:
    one, two = member("one"), member("two")
    assert one.stand() == two.stand() == one.stand()


def test_stand__new_run_and_nothing_missing__waits_for_all_then_goes_on(
    own_world: Any, member: Callable[..., Member]
) -> None:
    one, two = member("one", expects="two"), member("two", expects="one")
    before = one.stand(5, 7)
    two.stand(5, 6)
    restart(own_world.redis, heads=(5, 7))
    assert one.ask() == Waits(absent=("two",))
    after = two.stand()
    assert after.epoch == before.epoch
    assert after.run_id != before.run_id
    assert one.stand() == after


@pytest.mark.parametrize("who_saw_it", ["one", "two"])
def test_stand__new_run_and_something_missing__a_new_epoch_whoever_saw_it(
    own_world: Any, member: Callable[..., Member], who_saw_it: str
) -> None:
    members = [member("one", expects="two"), member("two", expects="one")]
    for each in members:
        before = each.stand(5, 8 if each.standing._server_id == who_saw_it else 7)
    restart(own_world.redis, heads=(5, 7))
    assert isinstance(members[0].ask(), Waits)
    after = members[1].stand()
    assert after.epoch != before.epoch
    assert members[0].stand() == after
    assert own_world.redis.call("LRANGE", keys.EPOCHS, 0, -1) == [
        epoch.encode() for epoch in (before.epoch, after.epoch)
    ]


def test_stand__what_was_acknowledged_counts_beyond_what_was_tailed(
    own_world: Any, member: Callable[..., Member]
) -> None:
    one = member("one")
    before = one.stand(5, 7)
    one.standing.sightings.saw(before, 0, 6)
    restart(own_world.redis, heads=(5, 7))
    assert one.stand().epoch != before.epoch


def test_stand__somebody_never_reports__not_waited_for_longer_than_a_lease(
    own_world: Any, member: Callable[..., Member], monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    monkeypatch.setattr(epochs, "LEASE_MS", 300)
    one = member("one", expects="two")
    before = one.stand(5, 7)
    restart(own_world.redis, heads=(5, 7))
    began = time.monotonic()
    assert one.ask() == Waits(absent=("two",))
    until(lambda: isinstance(one.ask(), Stands), "the lease is over")
    assert time.monotonic() - began > 0.25
    assert one.stand().epoch == before.epoch


def test_stand__whoever_was_away__opens_a_new_epoch_only_if_it_saw_more_than_survived(
    own_world: Any, member: Callable[..., Member]
) -> None:
    one, same, more = member("one"), member("same"), member("more")
    before = one.stand(5, 7)
    same.stand(5, 7)
    more.stand(5, 8)
    restart(own_world.redis, heads=(5, 7))
    assert one.stand(5, 7).epoch == before.epoch
    for head in (9, 10):  # The log goes on, and Redis is restarted once more, all while both are away.
        own_world.redis.call("SET", keys.shard_head(1), head)
        one.standing.sightings.saw(one.stand(), 1, head)
    restart(own_world.redis, heads=(5, 10))
    assert one.stand().epoch == before.epoch
    assert same.stand().epoch == before.epoch
    after = more.stand()
    assert after.epoch != before.epoch
    assert one.stand() == same.stand() == after


def test_stand__the_log_has_shrunk_without_a_restart__a_new_epoch(
    own_world: Any, member: Callable[..., Member]
) -> None:
    one = member("one")
    before = one.stand(5, 7)
    for shard, head in enumerate((5, 6)):
        own_world.redis.call("SET", keys.shard_head(shard), head)
    assert one.stand().epoch != before.epoch


def test_stand__a_node_that_just_started__gives_those_whom_redis_remembers_a_moment(
    own_world: Any, member: Callable[..., Member], until: Any
) -> None:
    old = member("old")
    before = old.stand(5, 8)
    seconds, _ = own_world.redis.call("TIME")
    own_world.redis.call("HSET", keys.NODES, "old", f"{seconds}000 {{}}")
    own_world.redis.call("HSET", keys.NODES, "long-gone", f"{seconds - 3600}000 {{}}")
    restart(own_world.redis, heads=(5, 7))
    fresh = member("fresh")
    assert fresh.ask() == Waits(absent=("old",))
    after = old.stand()
    assert after.epoch != before.epoch
    assert fresh.stand() == after
    restart(own_world.redis, heads=(5, 7))
    again = member("again")
    assert again.ask() == Waits(absent=("old",))
    until(lambda: isinstance(again.ask(), Stands), "it does not wait for ever", 5)
    assert again.stand().epoch == after.epoch


def test_stand__a_node_that_just_started__does_not_shorten_the_others_wait(
    own_world: Any, member: Callable[..., Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epochs, "FRESH_WAIT_MS", 0)
    one = member("one", expects="two")
    one.stand(5, 7)
    restart(own_world.redis, heads=(5, 7))
    assert one.ask() == Waits(absent=("two",))
    assert member("fresh").ask() == Waits(absent=("two",))


# Nodes and clients


def aof(world: Any) -> Path:
    """Return the file that Redis appends to."""
    return next(Path(world.folder).glob("appendonlydir/*.incr.aof"))


def epoch_of(world: Any) -> str:
    return str(world.redis.call("GET", keys.EPOCH).decode().split()[0])


def view_in(client: Any, epoch: str) -> list[tuple[str, int]]:
    """Return what a client has of a room since it was told of an epoch: the snapshot, and what came live.

    Fails where a message of the epoch came before its snapshot. What is committed while a node tells its
    clients may come by the snapshot, too.
    """
    seen = [(name, payload) for name, payload in client.seen if name in ("message", "message_history")]
    began = next(i for i, (_, payload) in enumerate(seen) if payload["epoch"] == epoch)
    assert seen[began][0] == "message_history"
    assert seen[began][1]["recovered"] is False
    live = [payload for name, payload in seen[began:] if name == "message"]
    return [(m["epoch"], m["seq"]) for m in (*seen[began][1]["messages"], *live)]


def histories(client: Any) -> list[tuple[str, bool]]:
    return [(h["epoch"], h["recovered"]) for h in client.payloads("message_history")]


def test_redis_restarted_without_loss__same_epoch_and_clients_notice_only_the_outage(
    own_world: Any, until: Any
) -> None:
    nodes = [own_world.node(f"node-{i}") for i in (1, 2)]
    ann, bob = own_world.client(nodes[0], "ann"), own_world.client(nodes[1], "bob")
    epoch = ann.join("r")["epoch"]
    bob.join("r")
    for n in range(1, 6):
        assert ann.send("r", f"{n}", producer="p", n=n)["ok"]
    until(lambda: nodes[1].get("/peers")[1]["peers"], "the nodes know each other")
    run = own_world.redis.call("INFO", "server")["run_id"]
    own_world.redis.process.kill()
    own_world.redis.start()
    assert own_world.redis.call("INFO", "server")["run_id"] != run
    back = time.monotonic()
    until(lambda: ann.send("r", "6", producer="p", n=6)["ok"], "sends succeed again")
    bob.wait_for(lambda: bob.received("r")[-1] == 6, "the first delivery")
    assert time.monotonic() - back < 3
    for client in (ann, bob):
        client.wait_for(lambda c=client: c.received("r") == [1, 2, 3, 4, 5, 6], "all, once")
        assert histories(client) == [(epoch, False)]
        assert {m["epoch"] for m in client.live("r")} == {epoch}
    assert all(node.get("/ready")[0] == 200 for node in nodes)


def test_log_truncated__sealed_there__clients_told_first__positions_go_on(own_world: Any, until: Any) -> None:
    nodes = [own_world.node(f"node-{i}") for i in (1, 2)]
    ann, bob = own_world.client(nodes[0], "ann"), own_world.client(nodes[1], "bob")
    old = ann.join("r")["epoch"]
    bob.join("r")
    for n in range(1, 6):
        assert ann.send("r", f"{n}", producer="p", n=n)["ok"]
    until(lambda: nodes[1].get("/peers")[1]["peers"], "the nodes know each other")
    survives = aof(own_world).stat().st_size
    for n in range(6, 9):
        assert ann.send("r", f"lost {n}", producer="p", n=n)["ok"]
    bob.wait_for(lambda: bob.received("r")[-1] == 8, "all eight")
    own_world.redis.process.kill()
    with aof(own_world).open("r+b") as file:
        file.truncate(survives)
    own_world.redis.start()
    until(lambda: ann.send("r", "new", producer="q", n=1)["ok"], "sends succeed again")
    new = epoch_of(own_world)
    assert new != old
    for client in (ann, bob):
        client.wait_for(
            lambda c=client: c.received("r")[-1] == 6 and len(histories(c)) == 2, "the new message"
        )
        assert histories(client) == [(old, False), (new, False)]
        assert view_in(client, new) == [*((old, seq) for seq in range(1, 6)), (new, 6)]
    assert ann.send("r", "live", producer="q", n=2)["seq"] == 7
    for client in (ann, bob):
        client.wait_for(lambda c=client: c.live("r")[-1]["text"] == "live", "a live message")
        assert view_in(client, new)[-2:] == [(new, 6), (new, 7)]

    # Cursors of both epochs, on either node.
    for cursor, recovered, expected in [
        ((old, 3), True, [(old, 4), (old, 5), (new, 6), (new, 7)]),
        ((old, 5), True, [(new, 6), (new, 7)]),
        ((old, 6), False, [(old, 1), (old, 2), (old, 3), (old, 4), (old, 5), (new, 6), (new, 7)]),
        ((new, 5), True, [(new, 6), (new, 7)]),
        ((new, 7), True, []),
        ((new, 8), False, [(old, 1), (old, 2), (old, 3), (old, 4), (old, 5), (new, 6), (new, 7)]),
    ]:
        for node in nodes:
            cid = own_world.client(node, "cid")
            answer = cid.join("r", {"epoch": cursor[0], "seq": cursor[1]})
            assert (answer["epoch"], answer["seq"], answer["recovered"]) == (new, 7, recovered), cursor
            assert histories(cid) == [(new, recovered)]
            came = [m for h in cid.payloads("message_history") for m in h["messages"]]
            assert [(m["epoch"], m["seq"]) for m in came] == expected, cursor
    for node in nodes:
        page = node.get("/rooms/r/messages?after=0")[1]
        assert page["epoch"] == new
        assert page["epochs"] == [
            {"epoch": old, "first": 1, "last": 5},
            {"epoch": new, "first": 6, "last": 7},
        ]
        tail = node.get("/rooms/r/messages?after=0&source=tail")[1]
        assert {m["epoch"] for m in tail["messages"]} == {new}
        assert tail["epochs"] == [{"epoch": new, "first": tail["first"], "last": 7}]
    # A lost message that is sent again finds its n free.
    assert ann.send("r", "lost 6", producer="p", n=6)["seq"] == 8


def test_aof_gone__empty_redis__a_new_epoch_and_all_are_told(own_world: Any, until: Any) -> None:
    node = own_world.node("node-1")
    ann = own_world.client(node, "ann")
    old = ann.join("r")["epoch"]
    assert ann.send("r", "1", producer="p", n=1)["ok"]
    own_world.redis.process.kill()
    for file in aof(own_world).parent.iterdir():
        file.unlink()
    own_world.redis.start()
    until(lambda: ann.send("r", "new", producer="q", n=1)["ok"], "sends succeed again")
    ann.wait_for(lambda: ann.received("r") == [1, 1], "the new message")
    new = epoch_of(own_world)
    assert histories(ann) == [(old, False), (new, False)]
    assert view_in(ann, new) == [(new, 1)]


def test_run_changed_while_a_node_was_away__what_it_alone_saw_opens_a_new_epoch_when_it_is_back(
    own_world: Any, until: Any
) -> None:
    here, away = own_world.node("here"), own_world.node("away")
    ann, bob = (own_world.client(at, user).be_patient() for at, user in ((here, "ann"), (away, "bob")))
    old = ann.join("r")["epoch"]
    bob.join("r")
    assert bob.send("r", "1", producer="p", n=1)["ok"]
    ann.wait_for(lambda: ann.received("r") == [1], "the first message")
    until(lambda: here.get("/peers")[1]["peers"], "the nodes know each other")
    survives = aof(own_world).stat().st_size
    here.process.signal(signal.SIGSTOP)
    own_world.redis.call("CLIENT", "KILL", "TYPE", "normal")  # or the message would wait in its socket
    until(lambda: bob.send("r", "seen by one node alone", producer="p", n=2)["ok"], "the send")
    bob.wait_for(lambda: bob.received("r") == [1, 2], "the second message")
    away.process.signal(signal.SIGSTOP)
    own_world.redis.process.kill()
    with aof(own_world).open("r+b") as file:
        file.truncate(survives)
    own_world.redis.start()
    here.process.signal(signal.SIGCONT)
    # It waits for the other one for a lease, then it goes on without it: it cannot know better.
    cid = own_world.client(here, "cid")
    until(lambda: cid.call("join", {"room": "r"})["ok"], "it is ready again", 15)
    assert epoch_of(own_world) == old
    assert cid.send("r", "meanwhile", producer="c", n=1)["seq"] == 2
    away.process.signal(signal.SIGCONT)
    until(lambda: epoch_of(own_world) != old, "a new epoch")
    new = epoch_of(own_world)
    for client in (ann, bob, cid):
        client.wait_for(lambda c=client: histories(c)[-1] == (new, False), "the snapshot of the new epoch")
    until(lambda: ann.send("r", "after", producer="a", n=1)["ok"], "sends succeed again")
    for client in (ann, bob, cid):
        client.wait_for(lambda c=client: c.live("r")[-1]["text"] == "after", "the first of the new epoch")
        assert (client.live("r")[-1]["epoch"], client.live("r")[-1]["seq"]) == (new, 3)
    # Bob never got the other message of that place live: the snapshot corrected him.
    assert [m["text"] for m in bob.live("r")] == ["1", "seen by one node alone", "after"]


def test_whole_cluster_restarted__same_epoch_and_cursors_resume(own_world: Any) -> None:
    nodes = [own_world.node(f"node-{i}") for i in (1, 2)]
    ann = own_world.client(nodes[0], "ann")
    epoch = ann.join("r")["epoch"]
    for n in range(1, 4):
        assert ann.send("r", f"{n}", producer="p", n=n)["ok"]
    for process in (nodes[0].process, nodes[1].process, own_world.redis.process):
        process.kill()
    own_world.redis.start()
    for node in nodes:
        node.start(ready=False)
    for node in nodes:
        node.wait_ready()
    bob = own_world.client(nodes[1], "bob")
    answer = bob.join("r", {"epoch": epoch, "seq": 1})
    assert (answer["epoch"], answer["recovered"]) == (epoch, True)
    assert bob.received("r") == [2, 3]
