"""The watch over members: every change of state or identity is journaled, paused is a state of its own."""

from pathlib import Path

import pytest

from harness.backends.base import Identity, Member
from harness.records.journal import Journal, MemberEntry, MemberState, read_journal
from harness.records.plan import Role
from harness.watch import MemberWatch


class OneRedis:
    """A backend with one member that is as it is told."""

    def __init__(self) -> None:
        self.pid: int | None = 100
        self.stands = False

    def members(self) -> tuple[Member, ...]:
        return (Member(name="redis", role=Role.REDIS, url=None),)

    def identity(self, member: str) -> Identity | None:
        return Identity(kind="process", host_pid=self.pid, started="1") if self.pid else None

    def paused(self, member: str) -> bool:
        return self.stands


def test_a_member_that_stands_still_is_seen_as_paused_until_it_goes_on(tmp_path: Path) -> None:
    backend = OneRedis()
    with Journal(tmp_path / "members.jsonl") as journal:
        watch = MemberWatch(backend, journal)  # type: ignore[arg-type]
        watch.sample()
        backend.stands = True
        watch.sample()
        watch.sample()
        assert watch.states == {"redis": MemberState.PAUSED}
        backend.stands = False
        watch.sample()
        backend.pid = None
        watch.sample()
    entries = read_journal(MemberEntry, tmp_path / "members.jsonl")
    assert [entry.state for entry in entries] == ["ready", "paused", "ready", "down"]
    assert len({entry.identity for entry in entries[:3]}) == 1  # it was the same incarnation all the time


def test_a_paused_member_that_is_killed_is_down(tmp_path: Path) -> None:
    backend = OneRedis()
    backend.stands = True
    with Journal(tmp_path / "members.jsonl") as journal:
        watch = MemberWatch(backend, journal)  # type: ignore[arg-type]
        watch.sample()
        backend.pid = None
        watch.sample()
        assert watch.states == {"redis": MemberState.DOWN}


class OneNode(OneRedis):
    """The same with a node that nobody can reach; counts how often the engine is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def members(self) -> tuple[Member, ...]:
        return (Member(name="node-1", role=Role.NODE, url="http://127.0.0.1:1"),)

    def paused(self, member: str) -> bool:
        self.asked += 1
        return self.stands


def test_a_node_that_does_not_answer_is_paused_only_if_the_backend_says_so(tmp_path: Path) -> None:
    backend = OneNode()
    with Journal(tmp_path / "members.jsonl") as journal:
        watch = MemberWatch(backend, journal)  # type: ignore[arg-type]
        watch.sample()
        assert watch.states == {"node-1": MemberState.STARTING}
        backend.stands = True
        watch.sample()
        assert watch.states == {"node-1": MemberState.PAUSED}
        backend.stands = False
        watch.sample()
        assert watch.states == {"node-1": MemberState.NOT_READY}


def test_a_node_that_answers_costs_no_question_to_the_backend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.watch.get", lambda url, timeout_s: (200, b""))
    backend = OneNode()
    with Journal(tmp_path / "members.jsonl") as journal:
        watch = MemberWatch(backend, journal)  # type: ignore[arg-type]
        watch.sample()
        watch.sample()
        assert watch.states == {"node-1": MemberState.READY}
    assert backend.asked == 0
