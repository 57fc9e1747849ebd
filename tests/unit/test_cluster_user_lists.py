"""User lists: one row per user, from whatever entries there are; bursts are paid for by their size."""

import json
from typing import Any

import gevent
import pytest

from cluster.connections import Connection, Connections, Membership
from cluster.members import user_lists
from cluster.members.user_lists import UserLists, rows
from cluster.storage.link import Health, Script
from cluster.transport.outbox import Outbox, Outlet
from tests.unit.cluster_frames import events


def entry(user: str, *, at: float, node: str = "node-1", incarnation: str = "i1") -> list[bytes]:
    fields = json.dumps({"user": user, "node": node, "at": at})
    return [f"sid-{user}-{at}".encode(), f"{incarnation} {fields}".encode()]


def row(user: str, node: str = "node-1", state: str = "online") -> dict[str, str]:
    return {"user": user, "node": node, "state": state}


def test_rows__two_tabs__one_user_on_the_node_of_the_latest_join() -> None:
    flat = entry("ann", at=2.0, node="node-2") + entry("ann", at=1.0) + entry("bob", at=0.5)
    assert rows(flat, frozenset()) == [row("ann", "node-2"), row("bob")]


def test_rows__a_lost_incarnation__its_users_are_lost() -> None:
    flat = entry("ann", at=1.0, incarnation="i2") + entry("bob", at=1.0)
    assert rows(flat, frozenset({"i2"})) == [row("ann", state="lost"), row("bob")]


def test_rows__latest_join_on_a_lost_node__the_living_one_counts() -> None:
    flat = entry("ann", at=1.0) + entry("ann", at=2.0, node="node-2", incarnation="i2")
    assert rows(flat, frozenset({"i2"})) == [row("ann", "node-1")]
    assert rows(flat, frozenset({"i1", "i2"})) == [row("ann", "node-2", "lost")]


class FakeLink:
    """Redis with one room; `users` are in it. Counts reads."""

    def __init__(self) -> None:
        self.scripts = {"user_list": Script("user_list")}
        self.users: list[str] = []
        self.reads = self.turns = 0

    def replies(self, commands: list[Any]) -> list[Any]:
        self.reads += len(commands)
        flat = [part for user in self.users for part in entry(user, at=1.0)]
        return [[len(self.users) + self.turns, flat] for _ in commands]


class FakeStore:
    def __init__(self) -> None:
        self.link, self.health = FakeLink(), Health()

    def call(self, *command: object) -> int:
        self.link.turns += 1
        return self.link.turns


class FakeOutbox:
    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def send(self, connection: Connection, packets: Any) -> None:
        for packet in packets:
            self.sent += [(connection.sid, payload) for _, payload in events(packet)]


class Bench:
    def __init__(self) -> None:
        self.store, self.outbox, self.connections = FakeStore(), FakeOutbox(), Connections()
        self.lists = UserLists(self.store, self.connections, self.outbox)  # type: ignore[arg-type]
        self.greenlet = self.lists.start()

    def join(self, user: str) -> None:
        self.store.link.users.append(user)
        connection = Connection(sid=user, eio_sid=user, outlet=Outlet(Outbox(2**20)), user=user, producer="")
        self.connections.enter(
            Membership(connection=connection, room="r", user=user, joined_at=1.0, epoch="e", position=0)
        )
        self.lists.changed("r")

    def all_have(self, count: int) -> bool:
        last = {sid: len(payload["users"]) for sid, payload in self.outbox.sent}
        return len(last) == count and set(last.values()) == {count}


@pytest.fixture
def bench() -> Any:
    bench = Bench()
    yield bench
    bench.greenlet.kill()


def wait(condition: Any, what: str) -> None:
    with gevent.Timeout(10, AssertionError(what)):
        while not condition():
            gevent.sleep(0.01)


def test_lists__200_join_within_a_second__a_few_lists_and_everybody_has_the_last(bench: Bench) -> None:
    for i in range(200):
        bench.join(f"user-{i:03}")
        gevent.sleep(0.005)
    wait(lambda: bench.all_have(200), "everybody has the list of 200")
    assert bench.lists.lists <= 15
    assert bench.lists.sent <= 200 * 10, "and not 200 x 200"
    versions = [payload["version"] for sid, payload in bench.outbox.sent if sid == "user-000"]
    assert versions == sorted(set(versions)), "versions rise"


def test_lists__more_bytes__longer_peace(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_lists, "BYTES_PER_S", 100)  # one list of one row is about half a second's worth
    bench.join("ann")
    wait(lambda: len(bench.outbox.sent) == 1, "the first list")
    for i in range(20):
        bench.join(f"user-{i}")
        gevent.sleep(0.01)
    assert len(bench.outbox.sent) == 1, "the room is left in peace"
    wait(lambda: bench.all_have(21), "the next list has all of them")
    assert bench.lists.lists == 2


def test_lists__nothing_has_changed__only_the_newcomer_gets_one(bench: Bench) -> None:
    bench.join("ann")
    wait(lambda: len(bench.outbox.sent) == 1, "the first list")
    bench.lists.changed("r")
    wait(lambda: bench.store.link.reads == 2, "it has looked again")
    gevent.sleep(0.05)
    assert len(bench.outbox.sent) == 1


def test_lists__others_judged_differently__a_higher_version(bench: Bench) -> None:
    bench.join("ann")
    wait(lambda: len(bench.outbox.sent) == 1, "the first list")
    bench.lists.judge(frozenset({"i1"}))
    wait(lambda: len(bench.outbox.sent) == 2, "the second list")
    first, second = (payload for _, payload in bench.outbox.sent)
    assert (first["users"], second["users"]) == ([row("ann")], [row("ann", state="lost")])
    assert second["version"] > first["version"]


def test_lists__a_room_without_members_here__is_not_read(bench: Bench) -> None:
    bench.lists.changed("of others")
    bench.join("ann")
    wait(lambda: len(bench.outbox.sent) == 1, "the list of the other room")
    assert bench.store.link.reads == 1
