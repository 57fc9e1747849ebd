"""A cluster in memory for faults and their executor: identities change as those of real members do."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.backends.base import Identity, Member
from harness.backends.prepared import Prepared
from harness.clock import now_ns
from harness.errors import HarnessError, MemberError
from harness.faults.executor import FaultExecutor
from harness.records.journal import FaultEntry, Journal, read_journal
from harness.records.plan import ClusterPlan, FaultPlan, Role


class MemoryBackend(Prepared):
    """Members are numbers; each start of one takes the next number as its pid."""

    name = "process"

    def __init__(self, *members: str) -> None:
        self.calls: list[tuple[str, str]] = []
        self.immortal: set[str] = set()  # whose kill does nothing
        self.restless: set[str] = set()  # whose pause does nothing
        self.stuck: set[str] = set()  # whose resume does nothing
        self.barren: set[str] = set()  # who do not become ready
        self.ready = threading.Event()  # cleared: `wait_ready` waits
        self.ready.set()
        self._pids = iter(range(100, 1000))
        self._alive = {member: next(self._pids) for member in members}
        self._known = set(members)
        self._still: set[str] = set()

    def members(self) -> tuple[Member, ...]:
        return tuple(Member(name=name, role=Role.NODE, url=None) for name in sorted(self._known))

    def identity(self, member: str) -> Identity | None:
        pid = self._alive.get(member)
        return None if pid is None else Identity(kind="process", host_pid=pid, started=f"t{pid}")

    def kill(self, member: str) -> None:
        self.calls.append(("kill", member))
        if member not in self._alive:
            raise HarnessError(f"{member} is down already")
        if member not in self.immortal:
            del self._alive[member]
            self._still.discard(member)

    def terminate(self, member: str, *, timeout_s: float) -> None:
        self.calls.append(("terminate", member))
        if member not in self._alive:
            raise HarnessError(f"{member} is down already")
        if member in self.immortal:
            raise HarnessError(f"{member} is still alive {timeout_s:g} s after SIGTERM")
        del self._alive[member]
        self._still.discard(member)

    def pause(self, member: str) -> None:
        self.calls.append(("pause", member))
        if member not in self._alive:
            raise HarnessError(f"{member} is down already")
        if member not in self.restless:
            self._still.add(member)

    def resume(self, member: str) -> None:
        self.calls.append(("resume", member))
        if member not in self.stuck:
            self._still.discard(member)

    def paused(self, member: str) -> bool:
        return member in self._still

    def restart(self, member: str) -> None:
        self.calls.append(("restart", member))
        if member in self._alive:
            raise HarnessError(f"{member} is alive")
        self._alive[member] = next(self._pids)

    def start(self, cluster: ClusterPlan, *, run_id: str, logs: Path) -> tuple[Member, ...]:
        raise NotImplementedError  # It is alive from the beginning.

    def log_tail(self, member: str, lines: int = 15) -> tuple[str, ...]:
        return ()

    def versions(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        pass

    def wait_ready(self, member: str, *, timeout_s: float) -> None:
        assert self.ready.wait(timeout_s)
        if member in self.barren or member not in self._alive:
            raise MemberError(f"{member} did not become ready", member=member, log_tail=("its last words",))


class Run:
    """An executor over a memory backend, and what it journaled."""

    def __init__(self, folder: Path) -> None:
        self.backend = MemoryBackend("node-1", "node-2", "node-3")
        self.events: list[FaultEntry] = []
        self.on_event: Callable[[FaultEntry], None] = self.events.append
        self.path = folder / "faults.jsonl"
        self.journal = Journal(self.path)
        self.began_ns = 0
        self._executors: list[FaultExecutor] = []

    def start(self, *faults: FaultPlan) -> FaultExecutor:
        self.began_ns = now_ns()
        executor = FaultExecutor(
            faults, self.backend, self.journal, self.began_ns, lambda entry: self.on_event(entry)
        )
        self._executors.append(executor)
        executor.start()
        return executor

    def entries(self, fault_id: str | None = None) -> list[FaultEntry]:
        return [e for e in read_journal(FaultEntry, self.path) if fault_id in (None, e.fault_id)]

    def steps(self, fault_id: str) -> list[str]:
        return [entry.step for entry in self.entries(fault_id)]

    def close(self) -> None:
        self.backend.ready.set()
        for executor in self._executors:
            executor.abort()
        self.journal.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    run.close()


@pytest.fixture
def kill() -> Callable[..., FaultPlan]:
    """Return a maker of planned kills: `kill("a", "node-1", at=0.1, back=0.2)`."""

    def planned(fault_id: str, *targets: str, at: float = 0.0, back: float | None = None) -> FaultPlan:
        return FaultPlan(
            id=fault_id, fault="kill", at_s=at, targets=targets, restart_after_s=back, traits=("takes-down",)
        )

    return planned
