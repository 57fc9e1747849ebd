"""What of the members needs neither Redis nor another node: who is told what, and when a node is alone."""

import time
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from cluster.members import drain, isolation, server_info
from cluster.members.drain import Drain
from cluster.members.gate import Gate
from cluster.members.isolation import Isolation
from cluster.members.peers import RedisSeen, Word
from cluster.members.registry import Registry
from cluster.members.server_info import ServerInfo
from cluster.members.sync import ServerSync
from cluster.members.sync_words import Notice
from cluster.settings import Settings
from cluster.storage.link import Health


def word(incarnation: str) -> Word:
    return Word(
        server_id="b",
        url="http://b",
        sync_url="http://b:1",
        incarnation=incarnation,
        draining=False,
        redis=RedisSeen(up=True, age_ms=0, up_ms=60_000),
    )


def test_left__told_again_when_the_next_life_is_known__that_one_stays() -> None:
    settings, health = Settings(server_id="a"), Health()
    sync = ServerSync(settings, health, Registry(settings, health))
    sync.called(word("first life"))
    sync.noticed(word("first life"), Notice(type="left"))
    assert sync.peers() == []
    sync.called(word("second life"))
    for notice in ("left", "draining"):
        sync.noticed(word("first life"), Notice(type=notice))
    sync.called(word("second life"))
    assert [peer["state"] for peer in sync.peers()] == ["alive"]


class Told:
    """An outbox that counts, with one connection and peers that can be set."""

    def __init__(self) -> None:
        self.peers = "x"
        self.count = 0
        one: Any = SimpleNamespace(sid="s", producer="p")
        connections: Any = SimpleNamespace(all=lambda: (one,))
        sync: Any = SimpleNamespace(peers=lambda: [{"server_id": "b", "state": self.peers}])
        outbox: Any = SimpleNamespace(send=self._send)
        self.info = ServerInfo(Settings(), connections, outbox, sync, Gate())
        self.connection = one

    def _send(self, connection: object, frames: object) -> None:
        self.count += 1


def test_server_info__called_changed_but_is_not__nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_info, "COALESCE_S", 0.01)
    told = Told()
    greenlet = told.info.start()
    try:
        for state, count in (("alive", 1), ("alive", 1), ("dead", 2), ("dead", 2)):
            told.peers = state
            told.info.changed()
            gevent.sleep(0.05)
            assert told.count == count, state
        told.peers = "alive"
        told.info.tell(told.connection)
        told.peers = "dead"
        told.info.changed()
        gevent.sleep(0.05)
        assert told.count == 4, "who has heard of what did not last hears that, too"
    finally:
        greenlet.kill()


def test_isolation__the_process_stood_still__that_time_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(isolation, "LOOK_S", 0.01)
    asked: list[float] = []

    def alone(patience_s: float, *, since_s: float) -> bool:
        asked.append(since_s)
        return False

    sync: Any = SimpleNamespace(alone_without_redis=alone)
    nothing: Any = None
    watch = Isolation(Health(), Gate(), nothing, sync, nothing, nothing)
    began = time.monotonic()
    greenlet = watch.start()
    try:
        gevent.sleep(0.1)
        assert set(asked) == {asked[0]}
        assert asked[0] <= began
        time.sleep(0.6)  # Blocks every greenlet, as SIGSTOP does.
        gevent.sleep(0.05)
        assert asked[-1] >= began + 0.6
    finally:
        greenlet.kill()


def test_drain__clients_are_moved_slower_than_planned__the_rest_is_hung_up_on_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drain, "spread_s", lambda connections, least_s: 60.0)
    monkeypatch.setattr(drain, "MOVE_S", 0.3)
    hung_up: list[int] = []
    clients = [
        SimpleNamespace(open=True, leaving=False, sending=0, hang_up=lambda i=i: hung_up.append(i))
        for i in range(300)
    ]
    quiet: Any = SimpleNamespace(
        up=True,
        flush=lambda timeout_s: True,
        retire=lambda timeout_s: None,
        beat_soon=lambda: None,
        tell=lambda notice: None,
        tell_all=lambda: None,
        stop=lambda: None,
    )
    everybody: Any = _Clients(clients)
    leaving = Drain(Settings(), everybody, Gate(), quiet, quiet, quiet, quiet, quiet, all_closed=lambda: True)
    began = time.monotonic()
    leaving.leave()
    assert time.monotonic() - began < 5
    assert sorted(set(hung_up)) == list(range(300))


def test_health__two_reasons_in_turns__each_is_logged_once_an_outage(
    caplog: pytest.LogCaptureFixture,
) -> None:
    health = Health()
    for _ in range(2):
        for _ in range(3):
            health.failed("refused")
            health.failed("loading")
        health.answered()
    told = [(record.message, record.__dict__["fields"]["reason"]) for record in caplog.records]
    assert told == [
        ("redis_unreachable", "refused"),
        ("redis_unreachable", "loading"),
        ("redis_down", "refused"),
        ("redis_unreachable", "loading"),
    ]


def test_retire__redis_hangs__given_up_in_time_and_told(caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry(Settings(), Health())
    hanging: Any = SimpleNamespace(script=lambda *args: gevent.sleep(5))
    registry._link = hanging
    began = time.monotonic()
    registry.retire(0.1)
    assert time.monotonic() - began < 2
    assert [record.message for record in caplog.records] == ["not_retired"]


class _Clients(list[Any]):
    def all(self) -> tuple[Any, ...]:
        return tuple(self)
