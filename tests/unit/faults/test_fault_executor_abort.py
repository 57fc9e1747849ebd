"""Aborting: what would outlast the cluster is healed first, the youngest first; the rest goes with it."""

import threading
from collections.abc import Iterator

import pytest

from harness.faults.base import Undo
from harness.faults.kill import Kill
from harness.faults.registry import FAULTS

from .test_fault_executor import ALL, until


class Outlasting(Kill):
    """A kill that claims to have changed something outside the cluster, where its id says so."""

    gate = threading.Event()
    broken = False

    def __init__(self, plan, backend) -> None:
        super().__init__(plan, backend)
        self._id = plan.id

    def undo(self) -> Undo:
        commands = (("true",),) if self._id.startswith("out") else ()
        return Undo(evidence={}, commands=commands)

    def heal(self):
        assert self.gate.wait(10)
        if self.broken:
            raise OSError("the tunnel has collapsed")
        return super().heal()


@pytest.fixture(autouse=True)
def kind(monkeypatch) -> Iterator[type[Outlasting]]:
    Outlasting.gate.set()
    monkeypatch.setitem(FAULTS, "kill", Outlasting)
    yield Outlasting
    Outlasting.gate.set()


def _three(run, kill):
    executor = run.start(
        kill("out-1", "node-1", back=60.0),
        kill("in", "node-2", at=0.05, back=60.0),
        kill("out-2", "node-3", at=0.1, back=60.0),
    )
    until(lambda: all(run.steps(fault)[-1:] == ["proved"] for fault in ("out-1", "in", "out-2")))
    return executor


def test_only_what_outlasts_the_cluster_is_healed_the_youngest_first(run, kill):
    executor = _three(run, kill)
    assert set(executor.outlasting) == {"out-1", "out-2"}
    assert executor.abort() == ()
    assert run.steps("out-1") == run.steps("out-2") == ALL
    assert run.steps("in") == ALL[:3]
    assert [member for call, member in run.backend.calls if call == "restart"] == ["node-3", "node-1"]
    assert executor.outlasting == ()


def test_what_could_not_be_healed_is_named(run, kill, kind, monkeypatch):
    executor = _three(run, kill)
    monkeypatch.setattr(kind, "broken", True)
    assert set(executor.abort()) == {"out-1", "out-2"}
    assert run.entries("out-2")[-1].evidence["error"] == "the tunnel has collapsed"


def test_a_heal_that_hangs_is_given_up_at_the_deadline(run, kill, kind):
    executor = _three(run, kill)
    kind.gate.clear()
    assert set(executor.abort(timeout_s=0.3)) == {"out-1", "out-2"}


def test_an_abort_follows_a_stop_that_was_cut_short(run, kill, kind, monkeypatch):
    executor = _three(run, kill)
    interrupted = pytest.raises(KeyboardInterrupt)
    with monkeypatch.context() as during, interrupted:
        during.setattr(executor, "_heal_open", _interrupt)
        executor.stop()
    assert executor.abort() == ()
    assert run.steps("out-1") == run.steps("out-2") == ALL


def _interrupt(deadline: int) -> None:
    raise KeyboardInterrupt
