"""Reaching the engine, removing by label, following logs: against engines that misbehave."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from docker.errors import APIError, NotFound
from hypothesis import given
from hypothesis import strategies as st

from harness.backends import docker as docker_backend
from harness.backends.docker import DockerBackend
from harness.backends.docker_engine import Leavings
from harness.backends.docker_log import ContainerLog
from harness.backends.gate import Gate
from harness.errors import BackendUnavailable, HarnessError
from harness.records.plan import ClusterPlan


def test_without_an_engine_the_reason_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    began = time.monotonic()
    reason = docker_backend.available()
    assert reason is not None
    assert "no Docker engine answers" in reason
    assert "\n" not in reason
    assert time.monotonic() - began < 3


def test_an_engine_that_never_answers_is_given_up_soon(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/s")
        began = time.monotonic()
        assert "no Docker engine answers" in (docker_backend.available() or "")
        assert time.monotonic() - began < 3


def test_an_engine_on_another_machine_is_refused_without_asking_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.77:2375")
    began = time.monotonic()
    assert "on another machine (192.0.2.77)" in (docker_backend.available() or "")
    assert time.monotonic() - began < 1


def test_start_without_an_engine_raises_and_close_after_it_is_fine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    backend = DockerBackend()
    plan = ClusterPlan(nodes=("node-1",), delivery="durable", appendfsync="always")
    with pytest.raises(BackendUnavailable, match="--backend process"):
        backend.start(plan, run_id="00000000", logs=tmp_path)
    backend.close()
    backend.close()
    with pytest.raises(HarnessError, match="started already"):
        backend.start(plan, run_id="00000000", logs=tmp_path)


# --- pausing ---------------------------------------------------------------------------------------------


class FreezingEngine:
    """Freezes a container after some tries, as an older kernel's freezer may."""

    def __init__(self, *refusals: str) -> None:
        self.refusals = list(refusals)
        self.frozen = False

    def pause(self, container: str) -> None:
        if self.refusals:
            response = requests.Response()
            response.status_code = 500
            raise APIError("500", response=response, explanation=self.refusals.pop(0))
        self.frozen = True


@pytest.fixture
def freezing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[DockerBackend, FreezingEngine]]:
    def made(*refusals: str) -> tuple[DockerBackend, FreezingEngine]:
        engine, backend = FreezingEngine(*refusals), DockerBackend()
        monkeypatch.setattr(DockerBackend, "_api", property(lambda backend: engine))
        monkeypatch.setattr(backend, "_living", lambda member, done: "id")
        monkeypatch.setattr(backend, "paused", lambda member: engine.frozen)
        return backend, engine

    return made


def test_a_freezer_that_was_not_able_to_is_asked_again(
    freezing: Callable[..., tuple[DockerBackend, FreezingEngine]],
) -> None:
    backend, engine = freezing(*2 * ["OCI runtime pause failed: unable to freeze: unknown"])
    backend.pause("node-1")
    assert engine.frozen


def test_any_other_refusal_to_pause_is_an_error_at_once(
    freezing: Callable[..., tuple[DockerBackend, FreezingEngine]],
) -> None:
    backend, engine = freezing("OCI runtime pause failed: freezer not supported")
    with pytest.raises(HarnessError, match=r"Docker could not pause node-1: .*freezer not supported"):
        backend.pause("node-1")
    assert not engine.frozen


class ThawingEngine:
    """Has thawed a container by itself, or cannot, when it is told to."""

    def __init__(self, *, by_itself: bool) -> None:
        self.by_itself = by_itself
        self.frozen = True

    def unpause(self, container: str) -> None:
        self.frozen = not self.by_itself
        response = requests.Response()
        response.status_code = 500
        raise APIError("500", response=response, explanation="Container id is not paused")


@pytest.mark.parametrize("by_itself", [True, False])
def test_who_thawed_by_itself_is_resumed_and_who_stays_frozen_is_an_error(
    monkeypatch: pytest.MonkeyPatch, by_itself: bool
) -> None:
    """An engine that sends a frozen container a signal thaws it a moment later, without being asked to."""
    engine, backend = ThawingEngine(by_itself=by_itself), DockerBackend()
    monkeypatch.setattr(DockerBackend, "_api", property(lambda backend: engine))
    monkeypatch.setattr(backend, "paused", lambda member: engine.frozen)
    monkeypatch.setattr(backend, "_slot", lambda member: SimpleNamespace(container="id"))
    if by_itself:
        backend.resume("node-1")
    else:
        with pytest.raises(HarnessError, match="Docker could not unpause node-1"):
            backend.resume("node-1")


# --- removing --------------------------------------------------------------------------------------------


class FakeEngine:
    """Holds containers by id, each with its label; refuses to remove those named in `stuck`."""

    def __init__(self, containers: dict[str, str], *, stuck: tuple[str, ...] = ()) -> None:
        self.held = containers
        self.stuck = stuck

    def containers(self, *, all: bool, filters: dict[str, str]) -> list[dict[str, Any]]:
        return [
            {"Id": name, "Names": [f"/{name}"], "State": "running", "Labels": {}}
            for name, label in self.held.items()
            if filters["label"] == f"wordaround.run={label}"
        ]

    def remove_container(self, container: str, *, v: bool, force: bool) -> None:
        assert v, "a container's volumes are removed with it"
        assert force
        if container in self.stuck:
            response = requests.Response()
            response.status_code = 500
            raise APIError("500", response=response, explanation="device or resource busy")
        del self.held[container]

    def volumes(self, *, filters: dict[str, str]) -> dict[str, Any]:
        return {"Volumes": None}

    def networks(self, *, filters: dict[str, str]) -> list[dict[str, Any]]:
        return []


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as made:
        yield made


def test_only_the_runs_own_containers_are_removed(pool: ThreadPoolExecutor) -> None:
    engine = FakeEngine({"a": "mine", "b": "other", "c": "mine"})
    leavings = Leavings(engine, "mine", pool)  # type: ignore[arg-type]
    leavings.remove()
    assert engine.held == {"b": "other"}
    assert leavings.errors == []


def test_what_cannot_be_removed_is_told_and_does_not_keep_the_rest(pool: ThreadPoolExecutor) -> None:
    engine = FakeEngine({"a": "mine", "b": "mine"}, stuck=("a",))
    leavings = Leavings(engine, "mine", pool)  # type: ignore[arg-type]
    leavings.remove()
    assert engine.held == {"a": "mine"}
    assert leavings.errors == ["could not remove a: device or resource busy", "still there: a"]


def test_what_is_gone_already_is_no_error(pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine({"a": "mine"})

    def gone(container: str, **options: bool) -> None:
        del engine.held[container]
        response = requests.Response()
        response.status_code = 404
        raise NotFound("404", response=response, explanation="No such container")

    monkeypatch.setattr(engine, "remove_container", gone)
    leavings = Leavings(engine, "mine", pool)  # type: ignore[arg-type]
    leavings.remove()
    assert leavings.errors == []


# --- logs ------------------------------------------------------------------------------------------------


class LoggingEngine:
    """Hands out a log: as a stream cut into pieces, which may break off, and as a whole."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.cuts: list[int] = []
        self.breaks = False

    def logs(self, container: str, *, stream: bool = False, **options: bool) -> Any:
        return self._pieces() if stream else self.content

    def _pieces(self) -> Iterator[bytes]:
        bounds = [0, *sorted({cut % (len(self.content) + 1) for cut in self.cuts})]
        for begin, end in pairwise(bounds):
            yield self.content[begin:end]
        if self.breaks:
            raise OSError("connection reset")


@given(
    content=st.binary(max_size=60),
    followed=st.lists(st.tuples(st.lists(st.integers(0, 100), max_size=5), st.booleans()), max_size=3),
)
def test_the_file_is_the_log_however_often_and_wherever_following_broke_off(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, followed: list[tuple[list[int], bool]]
) -> None:
    path = tmp_path_factory.mktemp("log") / "node-1.log"
    engine = LoggingEngine(content)
    log = ContainerLog(engine, "id", path)  # type: ignore[arg-type]
    for engine.cuts, engine.breaks in followed:
        log.follow()
    log.complete()
    assert path.read_bytes() == content


def test_a_log_that_the_engine_does_not_hand_out_is_an_error(tmp_path: Path) -> None:
    class Broken(LoggingEngine):
        def logs(self, container: str, *, stream: bool = False, **options: bool) -> Any:
            raise OSError("no space left on device")

    log = ContainerLog(Broken(b""), "id", tmp_path / "node-1.log")  # type: ignore[arg-type]
    log.follow()
    with pytest.raises(HarnessError, match=r"log of node-1.*broke off.*no space left"):
        log.complete()


# --- the gate --------------------------------------------------------------------------------------------


def test_a_shut_gate_lets_nobody_in() -> None:
    gate = Gate()
    with gate.step():
        gate.check()
    assert gate.shut(1.0)
    with pytest.raises(HarnessError, match="being closed"):
        gate.check()


def test_shutting_waits_for_who_is_inside() -> None:
    gate, inside, leave = Gate(), threading.Event(), threading.Event()

    def step() -> None:
        with gate.step():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=step)
    thread.start()
    assert inside.wait(10)
    assert not gate.shut(0.05)
    leave.set()
    assert gate.shut(10)
    thread.join()
