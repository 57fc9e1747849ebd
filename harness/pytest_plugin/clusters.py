"""A cluster for one test: owned by a supervisor that lives no longer than the test wants it."""

import contextlib
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from harness import clock
from harness.errors import HarnessError
from harness.pytest_plugin import HarnessFailed
from harness.records.codec import load_json
from harness.records.journal import MemberState
from harness.records.plan import ClusterPlan, Role
from harness.scenario.targets import node_names
from harness.supervisor.control import ask
from harness.supervisor.records import Access, ClusterStatus, MemberStatus, Order
from harness.supervisor.starting import lent

_ANSWER_S = 60.0
_POLL_S = 0.05
DELIVERIES = ("durable", "pubsub")


class Cluster:
    """Redis and its nodes, all ready when a test gets it. What a test breaks it need not mend.

    What cannot be done (a member that is down cannot be killed) raises `HarnessFailed`.
    """

    def __init__(self, status: ClusterStatus) -> None:
        self.backend = status.backend
        self.delivery = status.delivery
        self.logs = Path(status.logs)
        self.nodes = tuple(member.name for member in status.members if member.role == Role.NODE)
        self.urls: Mapping[str, str] = MappingProxyType(
            {member.name: member.url for member in status.members if member.url is not None}
        )
        self._access = load_json(Access, Path(status.access).read_bytes())

    def url(self, member: str) -> str:
        """Return where a node, or `redis`, is reached; the same over restarts."""
        return self.urls[member]

    def members(self) -> tuple[MemberStatus, ...]:
        """Look at every member, now: state, since when, process or container."""
        return self._status().members

    def state(self, member: str) -> str:
        """Return a member's state, now: `ready`, `not-ready`, `starting`, `paused` or `down`."""
        found = next((each for each in self.members() if each.name == member), None)
        if found is None:
            raise HarnessFailed(f"there is no member {member!r}; there are {', '.join(self.urls)}")
        return found.state.value

    def kill(self, member: str) -> None:
        """SIGKILL; returns when it is gone."""
        self._do("kill", member)

    def restart(self, member: str, *, timeout_s: float = 30.0) -> None:
        """Start a member that is down again, where it was; returns when it is ready."""
        self._do("restart", member)
        self.wait_ready(member, timeout_s=timeout_s)

    def pause(self, member: str) -> None:
        """Let a member stand still."""
        self._do("pause", member)

    def resume(self, member: str) -> None:
        """Let a paused member go on."""
        self._do("resume", member)

    def wait_ready(self, *members: str, timeout_s: float = 30.0) -> None:
        """Wait until these members are ready; without any, all of them."""
        __tracebackhide__ = True
        wanted = members or tuple(self.urls)
        deadline = clock.deadline_ns(timeout_s)
        while missing := [m for m in self.members() if m.name in wanted and m.state != MemberState.READY]:
            if not clock.left_s(deadline):
                states = ", ".join(f"{member.name} is {member.state.value}" for member in missing)
                pytest.fail(f"not ready within {timeout_s:g} s: {states}; their logs are in {self.logs}")
            time.sleep(_POLL_S)

    def _do(self, action: str, member: str) -> None:
        __tracebackhide__ = True
        with _failing():
            ask(self._access, action, member, timeout_s=_ANSWER_S)

    def _status(self) -> ClusterStatus:
        __tracebackhide__ = True
        with _failing():
            answer = ask(self._access, "status", timeout_s=_ANSWER_S)
        return load_json(ClusterStatus, json.dumps(answer["status"]))


@contextlib.contextmanager
def started(*, backend: str, nodes: int = 3, delivery: str = "durable") -> Iterator[Cluster]:
    """Start a cluster and end it after the block.

    Raises:
        HarnessFailed: it could not be started, or not be ended.
    """
    if delivery not in DELIVERIES:
        raise HarnessFailed(f"delivery={delivery!r}: it is one of {', '.join(DELIVERIES)}")
    order = Order(
        run_id=os.urandom(4).hex(),
        backend=backend,
        cluster=ClusterPlan(nodes=node_names(nodes), delivery=delivery, appendfsync="always"),  # type: ignore[arg-type]
        command=shlex.join(sys.argv),
    )
    with contextlib.ExitStack() as stack:
        with _failing():
            status = stack.enter_context(lent(order))
        yield Cluster(status)
        with _failing():
            stack.close()


@contextlib.contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except HarnessError as error:
        raise HarnessFailed(str(error)) from None
