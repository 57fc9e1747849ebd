"""Presence over real nodes: who is in the list, through crashes, pauses and outages."""

import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.process
LEASE_S = 6.0


def test_user_list__two_tabs_on_two_nodes__one_user_until_the_last_is_closed(
    pair: Any, world: Any, room: str
) -> None:
    first, second = world.client(pair[0], "ann"), world.client(pair[1], "ann")
    bob = world.client(pair[0], "bob")
    for client in (first, bob, second):
        client.join(room)

    def rows() -> list[dict[str, str]]:
        return bob.payloads("user_list")[-1]["users"] if bob.payloads("user_list") else []

    ann = {"user": "ann", "node": "node-2", "state": "online"}
    bob.wait_for(
        lambda: ann in rows() and len(rows()) == 2, "one row for ann, on the node of her latest join"
    )
    second.close()
    bob.wait_for(lambda: {**ann, "node": "node-1"} in rows(), "ann is on the other node")
    assert len(rows()) == 2
    first.close()
    bob.wait_for(lambda: [row["user"] for row in rows()] == ["bob"], "ann is gone")
    versions = [payload["version"] for payload in bob.payloads("user_list")]
    assert versions == sorted(set(versions)), "versions rise"
    assert all(payload["epoch"] for payload in bob.payloads("user_list"))


def test_user_list__reconnected_elsewhere_before_the_old_socket_is_missed__the_user_stays(
    pair: Any, world: Any, room: str
) -> None:
    bob = world.client(pair[0], "bob")
    bob.join(room)
    old = world.client(pair[0], "ann")
    old.join(room)
    new = world.client(pair[1], "ann")
    new.join(room)
    bob.wait_for(lambda: bob.users(room) == {"ann": "online", "bob": "online"}, "both")
    seen = len(bob.payloads("user_list"))
    old.close()
    cid = world.client(pair[0], "cid")
    cid.join(room)
    bob.wait_for(lambda: "cid" in bob.users(room), "a list from after the late disconnect")
    later = [{user["user"] for user in payload["users"]} for payload in bob.payloads("user_list")[seen:]]
    assert all("ann" in users for users in later)


def test_user_list__many_join_at_once__few_lists_and_all_end_with_the_same(
    pair: Any, world: Any, room: str
) -> None:
    clients = [world.client(pair[i % 2], f"user-{i:02}") for i in range(40)]
    joins = [threading.Thread(target=client.join, args=(room,)) for client in clients]
    for join in joins:
        join.start()
    for join in joins:
        join.join()
    for client in clients:
        client.wait_for(lambda c=client: len(c.users(room)) == 40, "the whole list")
    last = [client.payloads("user_list")[-1] for client in clients]
    assert all(payload["users"] == last[0]["users"] for payload in last)
    assert sum(len(client.payloads("user_list")) for client in clients) <= 40 * 12


def test_node_killed__its_users_are_lost_soon_then_gone_on_every_node(world: Any, room: str) -> None:
    doomed, near, far = (world.node(name) for name in ("doomed-p", "near-p", "far-p"))
    clients = [world.client(near, "bob"), world.client(far, "cid")]
    for client in (*clients, world.client(doomed, "ann")):
        client.join(room)
    for client in clients:
        client.wait_for(lambda c=client: set(c.users(room).values()) == {"online"}, "all online")
        client.wait_for(lambda c=client: len(c.users(room)) == 3, "all three")
    began = time.monotonic()
    doomed.process.kill()
    for client in clients:
        client.wait_for(lambda c=client: c.users(room).get("ann") == "lost", "ann is lost")
    assert time.monotonic() - began < LEASE_S, "known from heartbeats, before her lease is stale"
    for client in clients:
        client.wait_for(lambda c=client: "ann" not in c.users(room), "ann is gone")
    assert time.monotonic() - began > LEASE_S - 2.5, "but not before"
    for client in clients:
        assert client.users(room) == {"bob": "online", "cid": "online"}
        versions = [payload["version"] for payload in client.payloads("user_list")]
        assert versions == sorted(set(versions)), "versions rise"
    for node in (near, far):
        assert [user["user"] for user in node.get(f"/rooms/{room}/users")[1]["users"]] == ["bob", "cid"]


def test_node_stopped_past_its_lease__reaped_then_back_with_nobody_disconnected(
    world: Any, room: str, until: Any
) -> None:
    paused, other = world.node("paused"), world.node("other")
    ann, bob = world.client(paused, "ann").be_patient(), world.client(other, "bob")
    ann.join(room)
    bob.join(room)
    bob.wait_for(lambda: bob.users(room) == {"ann": "online", "bob": "online"}, "both online")
    before = paused.get("/info")[1]["incarnation"]
    assert ann.send(room, "before")["ok"]
    ann.wait_for(lambda: ann.live(room), "her own message")
    paused.process.signal(signal.SIGSTOP)
    try:
        bob.wait_for(lambda: bob.users(room) == {"bob": "online"}, "ann was reaped")
    finally:
        paused.process.signal(signal.SIGCONT)
    bob.wait_for(lambda: bob.users(room) == {"ann": "online", "bob": "online"}, "ann is back")
    assert paused.get("/info")[1]["incarnation"] != before
    assert ann.io.connected
    assert bob.send(room, "after")["ok"]
    ann.wait_for(lambda: ann.received(room) == [1, 2], "the next message, on the same connection")
    assert any(line["event"] == "reaped_alive" for line in paused.process.lines())
    ann.close()
    bob.wait_for(lambda: bob.users(room) == {"bob": "online"}, "her leaving counts under the new incarnation")


BOTH = {"ann": "online", "bob": "online"}


class Outage:
    """Two nodes, a user on each, and their Redis, which is away for a while."""

    def __init__(self, world: Any, *, killed: bool) -> None:
        self.world = world
        self._killed = killed
        self.nodes = [world.node(f"node-{i}") for i in (1, 2)]
        self.users = [world.client(node, user) for node, user in zip(self.nodes, ("ann", "bob"), strict=True)]
        for user in self.users:
            user.join("r")
        for user in self.users:
            user.wait_for(lambda user=user: user.users("r") == BOTH, "both online")

    def begin(self) -> None:
        if self._killed:
            self.world.redis.process.kill()
        else:
            self.world.redis.process.signal(signal.SIGSTOP)

    def end(self) -> None:
        if self._killed:
            self.world.redis.start()
        else:
            self.world.redis.process.signal(signal.SIGCONT)

    def is_noticed(self) -> bool:
        return bool(self.nodes[0].get("/ready")[0] == 503)

    def is_over(self) -> bool:
        return bool(self.users[0].call("join", {"room": "r"})["ok"])


@pytest.mark.one_redis  # It takes a lease, and that twice.
def test_redis_away_for_longer_than_a_lease__killed_or_silent__nobody_vanishes(
    own_world: Any, other_world: Any, until: Any
) -> None:
    outages = [Outage(own_world, killed=True), Outage(other_world, killed=False)]
    for outage in outages:
        outage.begin()
    try:
        for outage in outages:
            until(outage.is_noticed, "the outage is noticed")
        time.sleep(LEASE_S + 2.5)  # The outages are to last longer than any lease.
    finally:
        for outage in outages:
            outage.end()
    for outage in outages:
        until(outage.is_over, "Redis is back")
        # A third node, which knows nothing of an outage, comes first or last: the hold-off is in Redis.
        outage.world.node("node-3")
        cid = outage.world.client(outage.nodes[0], "cid")
        cid.join("r")
        outage.users.append(cid)
    time.sleep(LEASE_S + 1)  # If anybody were reaped, it would be within the lease after the outage.
    for outage in outages:
        for client in outage.users:
            assert client.users("r") == BOTH | {"cid": "online"}
            lists = [{user["user"] for user in payload["users"]} for payload in client.payloads("user_list")]
            assert all(lists[i] <= lists[i + 1] for i in range(len(lists) - 1)), "nobody ever vanished"
            assert client.io.connected
        for node in outage.nodes:
            events = [line["event"] for line in node.process.lines()]
            assert not {"reaped", "reaped_alive", "draining"} & set(events)


def test_redis_emptied__everybody_is_registered_again(own_world: Any, until: Any) -> None:
    nodes = [own_world.node(f"node-{i}") for i in (1, 2)]
    ann, bob = own_world.client(nodes[0], "ann"), own_world.client(nodes[1], "bob")
    for client in (ann, bob):
        client.join("r")
    own_world.redis.call("FLUSHALL")

    def users() -> list[str]:
        status, body = nodes[0].get("/rooms/r/users")
        return [user["user"] for user in body["users"]] if status == 200 else []

    until(lambda: users() == ["ann", "bob"], "both are in the list again")
    assert ann.io.connected
    assert bob.io.connected
    until(lambda: nodes[0].peers() == {"node-2": "alive"}, "and the nodes still hear each other")


def test_redis_lost_the_end_of_its_log__who_came_is_there_and_who_left_is_gone(
    own_world: Any, until: Any
) -> None:
    nodes = [own_world.node(f"node-{i}") for i in (1, 2)]
    ann, bob, eve = (own_world.client(nodes[i % 2], user) for i, user in enumerate(["ann", "bob", "eve"]))
    for client in (ann, bob, eve):
        client.join("r")
    ann.wait_for(lambda: len(ann.users("r")) == 3, "all three")

    def joined_at() -> dict[str, float]:
        values = own_world.redis.call("HVALS", "wa:room:r:presence")
        entries = [json.loads(value.partition(b" ")[2]) for value in values]
        return {entry["user"]: entry["at"] for entry in entries}

    ann_joined_at = joined_at()["ann"]
    log = next(Path(own_world.folder).glob("appendonlydir/*.incr.aof"))
    survives = log.stat().st_size
    eve.close()  # Through node-1, as ann: so its incarnation lives.
    bob.call("leave", {"room": "r"})
    cid = own_world.client(nodes[1], "cid")
    cid.join("r")
    ann.wait_for(lambda: ann.users("r") == {"ann": "online", "cid": "online"}, "two left, one came")
    own_world.redis.process.kill()
    with log.open("r+b") as file:
        file.truncate(survives)
    own_world.redis.start()
    for client in (ann, cid):
        client.wait_for(lambda c=client: len(c.payloads("message_history")) == 2, "a new epoch")
        client.wait_for(
            lambda c=client: c.users("r") == {"ann": "online", "cid": "online"}, "as before the loss"
        )
        assert client.io.connected
    until(
        lambda: [u["user"] for u in nodes[0].get("/rooms/r/users")[1].get("users", [])] == ["ann", "cid"],
        "and by REST",
    )
    assert joined_at()["ann"] == ann_joined_at, "it was no new join"
