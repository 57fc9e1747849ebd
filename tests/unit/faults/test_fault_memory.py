"""memory: by what it is proven, and that an error at one target keeps nothing from the others."""

from typing import Any

import pytest

from harness.errors import HarnessError
from harness.faults import memory
from harness.faults.base import NotProven
from harness.records.plan import FaultPlan


class Resources:
    """Limits that end whoever gets one, at once."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.stuck: set[str] = set()  # whose limit cannot be lifted
        self.lifted: list[str] = []
        self.otherwise: set[str] = set()  # whose end nothing says that it was for memory

    def usage(self, member: str) -> tuple[float, int]:
        return 1.0, 2**20

    def ended_for_memory(self, member: str) -> str | None:
        return None if member in self.otherwise else f"{member}: killed for 2 bytes"

    def limit_memory(self, member: str, bytes_: int | None) -> dict[str, str]:
        if bytes_ is not None:
            self._backend.kill(member)
        elif member in self.stuck:
            raise HarnessError(f"the limit of {member} cannot be lifted")
        else:
            self.lifted.append(member)
        return {}


@pytest.fixture
def resources(run: Any) -> Resources:
    found = run.backend._resources = Resources(run.backend)
    return found


def hit(run: Any, *targets: str) -> memory.Memory:
    plan = FaultPlan(id="m", fault="memory", at_s=0.0, targets=targets, restart_after_s=1.0)
    fault = memory.Memory(plan, run.backend)
    fault.inject()
    return fault


def test_a_limit_that_cannot_be_lifted_keeps_no_other_target_down_or_limited(run, resources):
    fault = hit(run, "node-1", "node-2", "node-3")
    resources.stuck.add("node-1")

    with pytest.raises(HarnessError, match="the limit of node-1 cannot be lifted"):
        fault.heal()

    assert sorted(resources.lifted) == ["node-2", "node-3"]
    assert run.backend.identity("node-2") is not None
    assert run.backend.identity("node-3") is not None
    resources.stuck.clear()
    assert fault.heal() is not None


def test_the_proof_has_what_ended_each_target(run, resources):
    assert hit(run, "node-1").prove()["ended by"] == "node-1: killed for 2 bytes"


def test_an_end_that_nothing_says_was_for_memory_proves_nothing(run, resources):
    resources.otherwise.add("node-2")
    with pytest.raises(
        NotProven, match="node-2 is down, but nothing says that it was killed for what it held"
    ):
        hit(run, "node-1", "node-2").prove()
