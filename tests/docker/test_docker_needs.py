"""Clocks, Redis's disk and limits on containers: each bites, is seen to, ends, and lasts over restarts."""

import dataclasses
import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
import redis

from harness.backends import docker_clock
from harness.backends.docker import DockerBackend
from harness.backends.docker_engine import MEMBER_LABEL, RUN_LABEL
from harness.backends.docker_helper import HELPER_LABEL
from harness.backends.images import cluster_source
from harness.clock import utc_now
from harness.errors import HarnessError
from harness.http_get import get
from harness.records.plan import ClusterPlan

pytestmark = pytest.mark.docker

PLAN = ClusterPlan(nodes=("node-1",), delivery="durable", appendfsync="always", needs=("clock", "disk"))
NEAR_S = 1.0  # Between reading a clock inside and ours lies a request, on a busy machine.
MIB = 2**20

# Tells both its clocks and what it was told to hold; `/burn` uses all the CPU it gets, `/hold/N` N bytes.
TELLS = """
import http.server, json, os, threading, time

held = []

def burn():
    while True:
        pass

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/burn":
            threading.Thread(target=burn, daemon=True).start()
        if self.path.startswith("/hold/"):
            held.append(b"x" * int(self.path.rpartition("/")[2]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps([time.time(), time.monotonic()]).encode())

    def log_message(self, *args):
        pass

http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["WORDAROUND_PORT"])), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def run() -> str:
    return secrets.token_hex(4)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("node")
    for name in ("Dockerfile", "requirements.txt"):
        shutil.copy(cluster_source() / name, folder / name)
    (folder / "__init__.py").write_text("")
    (folder / "__main__.py").write_text(TELLS)
    return folder


@pytest.fixture(scope="module")
def cluster(run: str, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerBackend]:
    """One cluster for all tests of this module: each leaves it as it was."""
    backend = DockerBackend(node_source=source, grace_s=0)
    try:
        backend.start(PLAN, run_id=run, logs=tmp_path_factory.mktemp("logs"))
        yield backend
    finally:
        backend.close()


@pytest.fixture
def store(cluster: DockerBackend) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(cluster.members()[0].url or "", socket_timeout=5.0) as store:
        yield store


def tell(cluster: DockerBackend, path: str = "/") -> tuple[float, float]:
    """Return the node's wall clock and its monotonic one."""
    status, body = get(f"{cluster.members()[1].url}{path}", timeout_s=10)
    assert status == 200
    wall, monotonic = json.loads(body)
    return wall, monotonic


def again(cluster: DockerBackend, member: str) -> None:
    if cluster.identity(member) is not None:
        cluster.kill(member)
    cluster.restart(member)
    cluster.wait_ready(member, timeout_s=20)


# --- clocks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset_s", [3600.0, -90.5])
def test_a_shifted_clock_is_wrong_by_the_offset_and_right_again_after_it(
    cluster: DockerBackend, offset_s: float
) -> None:
    _, before = tell(cluster)
    cluster.clock.shift("node-1", offset_s)
    shifted = cluster.clock.offset("node-1")
    wall, monotonic = tell(cluster)
    cluster.clock.shift("node-1", 0.0)
    assert shifted == pytest.approx(offset_s, abs=NEAR_S)
    assert wall - utc_now().timestamp() == pytest.approx(offset_s, abs=NEAR_S)
    assert 0 <= monotonic - before < 30
    assert cluster.clock.offset("node-1") == pytest.approx(0.0, abs=NEAR_S)


def test_one_members_clock_is_nobody_elses(cluster: DockerBackend, store: redis.Redis) -> None:
    cluster.clock.shift("redis", 600.0)
    told = store.time()[0]
    others = cluster.clock.offset("node-1")
    cluster.clock.shift("redis", 0.0)
    assert told - utc_now().timestamp() == pytest.approx(600.0, abs=2 * NEAR_S)
    assert others == pytest.approx(0.0, abs=NEAR_S)


def test_a_shift_lasts_over_a_restart(cluster: DockerBackend) -> None:
    cluster.clock.shift("node-1", 120.0)
    again(cluster, "node-1")
    shifted = cluster.clock.offset("node-1")
    cluster.clock.shift("node-1", 0.0)
    assert shifted == pytest.approx(120.0, abs=NEAR_S)


# Two threads that hand over to each other; prints the seconds.
HAND_OVER = """
import threading, time
ping, pong = threading.Lock(), threading.Lock()
ping.acquire(), pong.acquire()

def answer():
    for _ in range(200):
        ping.acquire()
        pong.release()

threading.Thread(target=answer).start()
began = time.monotonic()
for _ in range(200):
    ping.release()
    pong.acquire()
print(time.monotonic() - began)
"""


def test_threads_of_a_member_whose_clock_can_be_shifted_are_not_held_up(
    cluster: DockerBackend, engine: docker.DockerClient, run: str
) -> None:
    assert cluster.identity("node-1") is not None
    label = {"label": [f"{RUN_LABEL}={run}", f"{MEMBER_LABEL}=node-1"]}
    (node,) = engine.containers.list(filters=label)
    code, output = node.exec_run(["python", "-c", HAND_OVER])
    assert code == 0, output
    assert float(output) < 4.0  # With all that libfaketime does by default it is 20 to 40.


def test_the_clock_of_a_member_that_is_down_cannot_be_read(cluster: DockerBackend) -> None:
    cluster.kill("node-1")
    with pytest.raises(HarnessError, match="could not read the clock of node-1"):
        cluster.clock.offset("node-1")
    again(cluster, "node-1")


def test_a_member_whose_image_cannot_load_the_library_runs_and_says_why_it_cannot_be_shifted(
    source: Path, logs: Path, make_backend: Callable[..., DockerBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_clock, "LIBRARY", "libfaketime-of-another-c-library.so.1")
    backend = make_backend(node_source=source, grace_s=0)
    backend.start(dataclasses.replace(PLAN, needs=("clock",)), run_id=secrets.token_hex(4), logs=logs)
    with pytest.raises(HarnessError, match=r"clock of redis cannot be shifted: programs of its image .*"):
        backend.clock.shift("redis", 60.0)
    with pytest.raises(HarnessError, match="disk cannot be filled: it has none of its own"):
        backend.disk.fill()


# --- the disk --------------------------------------------------------------------------------------------


def test_redis_ends_when_its_disk_is_full_and_has_everything_when_it_is_free_again(
    cluster: DockerBackend, store: redis.Redis
) -> None:
    store.set("kept", "1")
    evidence = cluster.disk.fill()
    with pytest.raises(redis.ConnectionError):
        store.set("lost", "x" * 100_000)
    wait_for(lambda: cluster.identity("redis") is None)
    cluster.disk.free()
    cluster.disk.free()
    again(cluster, "redis")
    assert evidence["left"] == "0 KiB"
    assert store.get("kept") == b"1"
    assert store.set("more", "1")


def test_half_a_log_is_half_of_what_was_written_first(cluster: DockerBackend, store: redis.Redis) -> None:
    store.flushall()
    for number in range(100):
        store.set(f"key-{number}", "x" * 1000)
    with pytest.raises(HarnessError, match="Redis runs"):
        cluster.disk.truncate_log(keep=0.5)
    cluster.kill("redis")
    evidence = cluster.disk.truncate_log(keep=0.5)
    again(cluster, "redis")
    assert int(evidence["kept"].split()[0]) < int(evidence["log"].split()[0])
    assert 0 < store.dbsize() < 100
    assert store.exists("key-0")
    assert not store.exists("key-99")
    store.bgrewriteaof()  # What is left is Redis's own: it can put another log in its place.
    wait_for(lambda: not store.info("persistence")["aof_rewrite_in_progress"])
    assert store.info("persistence")["aof_last_bgrewrite_status"] == "ok"


def test_nothing_of_a_log_is_an_empty_redis_that_works(cluster: DockerBackend, store: redis.Redis) -> None:
    store.set("gone", "1")
    cluster.kill("redis")
    assert cluster.disk.truncate_log(keep=0.0)["kept"] == "0 bytes"
    again(cluster, "redis")
    assert store.dbsize() == 0
    assert store.set("new", "1")


# --- limits ----------------------------------------------------------------------------------------------


def used_s(cluster: DockerBackend, during_s: float) -> float:
    """Return the cores that node-1 uses while some time goes by, as the kernel counts both."""
    (before, _), began = cluster.resources.usage("node-1"), time.monotonic()
    time.sleep(during_s)  # The measurement itself.
    (after, _), ended = cluster.resources.usage("node-1"), time.monotonic()
    return (after - before) / (ended - began)


def test_a_member_gets_no_more_cores_than_it_may_until_the_limit_ends(cluster: DockerBackend) -> None:
    tell(cluster, "/burn")
    cluster.resources.limit_cpu("node-1", 0.1)
    limited = used_s(cluster, 1.0)
    cluster.resources.limit_cpu("node-1", None)
    wait_for(lambda: used_s(cluster, 0.5) > 0.2)
    again(cluster, "node-1")
    assert limited < 0.15


def test_a_member_that_wants_more_memory_than_it_may_have_is_ended_by_the_kernel(
    cluster: DockerBackend, engine: docker.DockerClient, run: str
) -> None:
    _, before = cluster.resources.usage("node-1")
    tell(cluster, f"/hold/{30 * MIB}")
    _, held = cluster.resources.usage("node-1")
    cluster.resources.limit_memory("node-1", held + 20 * MIB)
    with pytest.raises(OSError, match=r".*"):
        tell(cluster, f"/hold/{100 * MIB}")
    wait_for(lambda: cluster.identity("node-1") is None)
    label = {"label": [f"{RUN_LABEL}={run}", f"{MEMBER_LABEL}=node-1"]}
    (found,) = engine.api.containers(all=True, filters=label)
    ended = engine.api.inspect_container(found["Id"])["State"]
    cluster.resources.limit_memory("node-1", None)
    again(cluster, "node-1")
    tell(cluster, f"/hold/{100 * MIB}")
    again(cluster, "node-1")
    assert 25 * MIB < held - before < 60 * MIB
    assert ended["OOMKilled"] is True


def test_a_member_that_is_down_uses_nothing(cluster: DockerBackend) -> None:
    cluster.kill("node-1")
    with pytest.raises(HarnessError, match="node-1 uses nothing: it is down"):
        cluster.resources.usage("node-1")
    again(cluster, "node-1")


def test_nothing_is_there_beside_members_where_the_plan_needs_nothing(
    source: Path,
    logs: Path,
    engine: docker.DockerClient,
    make_backend: Callable[..., DockerBackend],
    left_behind: Callable[[str], list[str]],
) -> None:
    run_id = secrets.token_hex(4)
    backend = make_backend(node_source=source, grace_s=0)
    backend.start(dataclasses.replace(PLAN, needs=()), run_id=run_id, logs=logs)
    label = {"label": [f"{RUN_LABEL}={run_id}", HELPER_LABEL]}
    assert engine.containers.list(all=True, filters=label) == []
    (node,) = engine.containers.list(filters={"label": [f"{RUN_LABEL}={run_id}", f"{MEMBER_LABEL}=node-1"]})
    assert not any("LD_PRELOAD" in setting for setting in node.attrs["Config"]["Env"])
    for ability in ("links", "clock"):
        with pytest.raises(HarnessError, match="not prepared"):
            getattr(backend, ability)
    backend.kill("redis")
    backend.disk.truncate_log(keep=0.0)
    assert len(engine.containers.list(all=True, filters=label)) == 1
    backend.close()
    assert left_behind(run_id) == []


def wait_for(holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
