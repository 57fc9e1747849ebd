"""What goes wrong at the start is a sentence with the member's last words, and leaves nothing behind."""

import _thread
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest

from harness.backends import docker as docker_backend
from harness.backends import docker_container
from harness.backends.docker import DockerBackend
from harness.backends.docker_engine import RUN_LABEL
from harness.errors import BackendUnavailable, HarnessError, MemberError
from harness.records.plan import ClusterPlan

pytestmark = pytest.mark.docker

MakeBackend = Callable[..., DockerBackend]
MakePlan = Callable[[int], ClusterPlan]
LeftBehind = Callable[[str], list[str]]
NodeSource = Callable[[str], Path]

NEVER_READY = """
import http.server, signal, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(503)

    def log_message(self, *args):
        pass

signal.signal(signal.SIGTERM, lambda *_: sys.exit())
print("waiting for what never comes", flush=True)
http.server.ThreadingHTTPServer(("0.0.0.0", 5000), Handler).serve_forever()
"""


def test_a_node_that_dies_at_the_start_is_named_with_its_last_words(
    make_backend: MakeBackend,
    plan: MakePlan,
    node_source: NodeSource,
    logs: Path,
    run_id: str,
    left_behind: LeftBehind,
) -> None:
    backend = make_backend(node_source=node_source("raise SystemExit('no luck today')"))
    with pytest.raises(MemberError, match="ended before it was ready") as error:
        backend.start(plan(2), run_id=run_id, logs=logs)
    assert error.value.member in {"node-1", "node-2"}
    assert error.value.log_tail == ("no luck today",)
    backend.close()
    assert left_behind(run_id) == []
    assert (logs / "node-1.log").read_text() == "no luck today\n"


def test_a_node_that_is_never_ready_is_named_with_its_last_answer(
    make_backend: MakeBackend,
    plan: MakePlan,
    node_source: NodeSource,
    logs: Path,
    run_id: str,
    left_behind: LeftBehind,
) -> None:
    backend = make_backend(node_source=node_source(NEVER_READY), ready_timeout_s=3.0)
    with pytest.raises(MemberError, match="503") as error:
        backend.start(plan(1), run_id=run_id, logs=logs)
    assert error.value.log_tail == ("waiting for what never comes",)
    backend.close()
    assert left_behind(run_id) == []


def test_a_port_that_is_taken_is_named(
    make_backend: MakeBackend,
    plan: MakePlan,
    stand_in: Path,
    logs: Path,
    run_id: str,
    left_behind: LeftBehind,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(docker_container, "free_port", lambda: port)
        backend = make_backend(node_source=stand_in)
        with pytest.raises(MemberError, match=f"took port {port} of 127.0.0.1") as error:
            backend.start(plan(1), run_id=run_id, logs=logs)
        assert error.value.member == "redis"
        backend.close()
    assert left_behind(run_id) == []


def test_an_image_that_cannot_be_had_is_named_with_the_way_to_mend_it(
    make_backend: MakeBackend,
    plan: MakePlan,
    logs: Path,
    run_id: str,
    left_behind: LeftBehind,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORDAROUND_REDIS_IMAGE", "wordaround/no-such-image:1")
    reason = docker_backend.available()
    assert reason is not None
    assert "wordaround/no-such-image:1" in reason
    with pytest.raises(BackendUnavailable, match=r"wordaround/no-such-image:1.*\.ci/base-images"):
        make_backend().start(plan(1), run_id=run_id, logs=logs)
    assert left_behind(run_id) == []


@contextmanager
def as_soon_as(done: Callable[[], bool], act: Callable[[], None]) -> Iterator[None]:
    """Do something in a thread as soon as a condition holds, while the block runs."""
    failed: list[BaseException] = []

    def wait() -> None:
        deadline = time.monotonic() + 60
        while not done():
            if time.monotonic() > deadline:
                raise TimeoutError("what the test waits for did not come")
            time.sleep(0.005)

    def watch() -> None:
        try:
            wait()
            act()
        except Exception as error:  # noqa: BLE001 # Raised again in the test's own thread.
            failed.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        if failed:
            raise failed[0]


@pytest.fixture
def moments(engine: docker.DockerClient, run_id: str) -> dict[str, Callable[[], bool]]:
    label = {"label": f"{RUN_LABEL}={run_id}"}
    return {
        "the network is there": lambda: bool(engine.api.networks(filters=label)),
        "a container is there": lambda: bool(engine.api.containers(all=True, filters=label)),
        "redis runs": lambda: bool(engine.api.containers(filters=label)),
        "a node runs": lambda: len(engine.api.containers(filters=label)) > 1,
    }


MOMENTS = ("the network is there", "a container is there", "redis runs", "a node runs")


@pytest.mark.parametrize("moment", MOMENTS)
def test_closed_in_the_middle_of_the_start_nothing_is_left(
    moment: str,
    moments: dict[str, Callable[[], bool]],
    make_backend: MakeBackend,
    plan: MakePlan,
    node_source: NodeSource,
    logs: Path,
    run_id: str,
    left_behind: LeftBehind,
) -> None:
    backend = make_backend(node_source=node_source(NEVER_READY), ready_timeout_s=60.0)
    left: list[str] = []

    def close() -> None:
        backend.close()
        left.extend(left_behind(run_id))

    with as_soon_as(moments[moment], close), pytest.raises(HarnessError):
        backend.start(plan(3), run_id=run_id, logs=logs)
    assert left == []
    assert left_behind(run_id) == []


@pytest.mark.interrupts_itself
@pytest.mark.parametrize("moment", MOMENTS)
def test_interrupted_in_the_middle_of_the_start_nothing_is_left_after_close(
    moment: str,
    moments: dict[str, Callable[[], bool]],
    make_backend: MakeBackend,
    plan: MakePlan,
    node_source: NodeSource,
    logs: Path,
    run_id: str,
    left_behind: LeftBehind,
) -> None:
    backend = make_backend(node_source=node_source(NEVER_READY), ready_timeout_s=60.0)
    with (
        as_soon_as(moments[moment], _thread.interrupt_main),
        pytest.raises(KeyboardInterrupt),
    ):
        backend.start(plan(3), run_id=run_id, logs=logs)
    backend.close()
    assert left_behind(run_id) == []
