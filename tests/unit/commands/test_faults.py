"""`wordaround faults`: what this machine cannot do is not claimed, and each "no" has its reason."""

import json
from collections.abc import Callable, Iterator

import pytest

from harness.errors import BackendUnavailable
from harness.faults import availability
from harness.faults.clock_skew import ClockSkew
from harness.faults.registry import FAULTS

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """What was found out is remembered by the process; these tests want it found out again."""
    availability.ability.cache_clear()
    yield
    availability.ability.cache_clear()


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that can do everything."""
    monkeypatch.setattr("harness.backends.docker.lacking", lambda: None)
    monkeypatch.setattr("harness.backends.docker_iptables.links_lacking", lambda: None)
    monkeypatch.setattr("harness.backends.docker_resources.limit_lacking", lambda limit: None)
    for path in ("process_clock", "private_mounts"):
        monkeypatch.setattr(f"harness.backends.{path}.lacking", lambda: None)
    monkeypatch.setattr("harness.backends.process.find_redis_binary", lambda: "a Redis")


def missing(command: Command) -> dict[tuple[str, str], str]:
    """Return why what has a mechanism cannot be had."""
    code, out, _ = command("faults", "--json")
    assert code == 0
    rows = json.loads(out)
    assert {(row["fault"], row["backend"]) for row in rows} == {
        (fault, backend) for fault in FAULTS for backend in availability.BACKENDS
    }
    assert all(row["missing"] for row in rows if row["mechanism"] is None)
    return {(r["fault"], r["backend"]): r["missing"] for r in rows if r["mechanism"] and r["missing"]}


def claimed(backend: str) -> set[tuple[str, str]]:
    return {(name, backend) for name, kind in FAULTS.items() if backend in kind.spec.mechanisms}


def test_a_machine_that_can_do_everything_lacks_nothing(command: Command) -> None:
    assert missing(command) == {}


def test_without_an_engine_no_fault_can_be_had_with_docker(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.backends.docker.lacking", lambda: "no engine answers")
    assert missing(command) == dict.fromkeys(claimed("docker"), "no engine answers")


def test_without_a_redis_no_fault_can_be_had_with_processes(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> None:
        raise BackendUnavailable("no Redis to run")

    monkeypatch.setattr("harness.backends.process.find_redis_binary", none)
    assert missing(command) == dict.fromkeys(claimed("process"), "no Redis to run")


def test_where_links_of_containers_cannot_be_had_no_fault_that_needs_them_can(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.backends.docker_iptables.links_lacking", lambda: "no NFQUEUE")
    need_links = {(name, "docker") for name, kind in FAULTS.items() if "links" in kind.spec.needs}
    assert missing(command) == dict.fromkeys(need_links, "no NFQUEUE")


def test_where_the_engine_has_no_limits_no_fault_that_limits_containers_can_be_had(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.backends.docker_resources.limit_lacking", lambda limit: f"no {limit}")
    assert missing(command) == {
        ("cpu", "docker"): "no CpuCfsQuota",
        ("memory", "docker"): "no MemoryLimit",
    }


def test_what_a_try_shows_is_told_beside_the_fault(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClockSkew, "available", classmethod(lambda cls, backend: f"no clock for {backend}"))
    code, out, _ = command("faults", "clock-skew", "kill")
    assert code == 0
    assert "✘ process  no: no clock for process" in out
    assert "✔ process  SIGKILL to the process group" in out
    assert "✘ attach   no: the members of an attached cluster are not ours to end" in out
