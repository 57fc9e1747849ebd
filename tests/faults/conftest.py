"""Real clusters for the tests of faults: one for each backend and need, started lazily, shared, left healthy.

A test module names its fault, `FAULT = "kill"`, and whoever asks for `cluster` there gets one on each backend
that the fault claims. A fault that this machine cannot do is left out loudly, or fails where
`WORDAROUND_REQUIRE_FAULTS` is 1.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.backends.base import Backend, Member
from harness.backends.docker import DockerBackend
from harness.backends.process import ProcessBackend
from harness.errors import HarnessError
from harness.faults.base import Fault
from harness.faults.redis_console import Console, console
from harness.faults.registry import FAULTS
from harness.http_get import get
from harness.records.plan import ClusterPlan, FaultPlan, Need, Role, Setting

BACKENDS: dict[str, Callable[[], Backend]] = {"process": ProcessBackend, "docker": DockerBackend}
NODES = ("node-1", "node-2")


class Cluster:
    """Redis and two nodes, and what tests of faults do to them and ask them."""

    def __init__(self, backend_name: str, needs: tuple[Need, ...], logs: Path) -> None:
        self.backend = BACKENDS[backend_name]()
        self.plan = ClusterPlan(nodes=NODES, delivery="durable", appendfsync="always", needs=needs)
        self._logs = logs

    def start(self) -> None:
        """Start the cluster, unless it was."""
        if not self.backend.members():
            self.backend.start(self.plan, run_id=secrets.token_hex(4), logs=self._logs)

    def fault(
        self,
        name: str,
        *targets: str,
        duration: float | None = None,
        back: float | None = None,
        peers: tuple[str, ...] = (),
        **settings: Setting,
    ) -> Fault:
        """Return a fault as the executor would make it of a plan."""
        spec = FAULTS[name].spec
        plan = FaultPlan(
            id="f",
            fault=name,
            at_s=0.0,
            targets=targets,
            duration_s=duration,
            restart_after_s=back,
            peers=peers,
            settings={key.rstrip("_"): value for key, value in settings.items()},
            traits=spec.traits,
        )
        return FAULTS[name](plan, self.backend)

    def member(self, name: str) -> Member:
        return next(member for member in self.backend.members() if member.name == name)

    @contextlib.contextmanager
    def redis(self) -> Iterator[Console]:
        """A connection to Redis, as an operator would have one."""
        with console(self.backend, "redis") as connected:
            yield connected

    def round_trip(self, member: str, *, timeout_s: float = 1.0) -> float | None:
        """Return the seconds that a member needs to answer; `None`: it does not, or not within the time."""
        began = time.monotonic()
        try:
            if self.member(member).role is Role.NODE:
                get(self.member(member).ready_url, timeout_s=timeout_s)
            else:
                with console(self.backend, member, patience_s=timeout_s) as connected:
                    connected.ping()
        except (OSError, HarnessError):
            return None
        return time.monotonic() - began

    @staticmethod
    def until(condition: Callable[[], object], what: str, *, timeout_s: float = 15.0) -> None:
        """Wait until the condition comes true; fail with what was waited for."""
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, f"not within {timeout_s:g} s: {what}"
            time.sleep(0.02)

    def check_healthy(self) -> None:
        """Fail the test when it leaves a member down, standing still, or not ready."""
        for member in self.backend.members():
            assert self.backend.identity(member.name) is not None, f"{member.name} was left down"
            assert not self.backend.paused(member.name), f"{member.name} was left paused"
            self.backend.wait_ready(member.name, timeout_s=15.0)


class Clusters:
    """All clusters of a test session; one that a test broke is closed, and the next test gets another."""

    def __init__(self, logs: Callable[[], Path]) -> None:
        self._logs = logs
        self._clusters: dict[tuple[str, tuple[Need, ...]], Cluster] = {}

    @contextlib.contextmanager
    def borrow(self, backend: str, needs: tuple[Need, ...]) -> Iterator[Cluster]:
        key = backend, needs
        cluster = self._clusters.setdefault(key, Cluster(backend, needs, self._logs()))
        try:
            cluster.start()
            yield cluster
            cluster.check_healthy()
        except BaseException:
            del self._clusters[key]
            cluster.backend.close()
            raise

    def close(self) -> None:
        for cluster in self._clusters.values():
            cluster.backend.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run who asks for a cluster on each backend that the module's fault has."""
    if "cluster" in metafunc.fixturenames:
        backends = FAULTS[metafunc.module.FAULT].spec.mechanisms
        wanted = [
            pytest.param(name, marks=getattr(pytest.mark, name)) for name in BACKENDS if name in backends
        ]
        metafunc.parametrize("backend_name", wanted)


@pytest.fixture(scope="session")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clusters]:
    clusters = Clusters(lambda: tmp_path_factory.mktemp("logs"))
    yield clusters
    clusters.close()


@pytest.fixture
def cluster(request: pytest.FixtureRequest, backend_name: str, clusters: Clusters) -> Iterator[Cluster]:
    """A cluster on which the module's fault can be done."""
    kind = FAULTS[request.module.FAULT]
    if why := kind.available(backend_name):
        missing = f"{kind.spec.name} with {backend_name}: {why}"
        if os.environ.get("WORDAROUND_REQUIRE_FAULTS") == "1":
            pytest.fail(f"WORDAROUND_REQUIRE_FAULTS=1, but {missing}", pytrace=False)
        pytest.skip(missing)
    with clusters.borrow(backend_name, tuple(sorted(kind.spec.needs))) as cluster:
        yield cluster
