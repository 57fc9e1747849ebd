"""Members as containers, started, killed, restarted, closed: addresses, ports, identity and logs."""

import http.client
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import docker
import pytest
import redis

from harness.backends.base import Member
from harness.backends.docker import DockerBackend
from harness.backends.docker_engine import MEMBER_LABEL, RUN_LABEL
from harness.errors import HarnessError
from harness.records.plan import ClusterPlan, Role

pytestmark = pytest.mark.docker

MakeBackend = Callable[..., DockerBackend]
MakePlan = Callable[[int], ClusterPlan]
LeftBehind = Callable[[str], list[str]]


def ask(member: Member) -> int:
    parts = urlsplit(member.url or "")
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    finally:
        connection.close()


def inspect(engine: docker.DockerClient, run_id: str, member: str) -> dict:
    label = {"label": [f"{RUN_LABEL}={run_id}", f"{MEMBER_LABEL}={member}"]}
    (found,) = engine.api.containers(all=True, filters=label)
    return engine.api.inspect_container(found["Id"])


def test_a_started_cluster_has_fixed_addresses_and_is_published_on_loopback_only(
    engine: docker.DockerClient,
    make_backend: MakeBackend,
    plan: MakePlan,
    stand_in: Path,
    logs: Path,
    run_id: str,
) -> None:
    backend = make_backend(node_source=stand_in)
    members = backend.start(plan(2), run_id=run_id, logs=logs)

    assert [member.name for member in members] == ["redis", "node-1", "node-2"]
    assert [member.role for member in members] == [Role.REDIS, Role.NODE, Role.NODE]
    assert members == backend.members()
    addresses = []
    for member in members:
        found = inspect(engine, run_id, member.name)
        (bindings,) = found["NetworkSettings"]["Ports"].values()
        assert [(b["HostIp"], int(b["HostPort"])) for b in bindings] == [
            ("127.0.0.1", urlsplit(member.url or "").port)
        ]
        (network,) = found["NetworkSettings"]["Networks"].values()
        addresses.append(int(network["IPAddress"].rpartition(".")[2]))
    assert addresses == [10, 11, 12]
    (data,) = inspect(engine, run_id, "redis")["Mounts"]
    assert (data["Destination"], data["Name"]) == ("/data", f"wordaround-{run_id}-redis")
    assert [ask(member) for member in members[1:]] == [200, 200]
    versions = backend.versions()
    assert versions["docker engine"] == engine.version()["Version"]
    assert int(versions["redis"].split(".")[0]) >= 7


def test_a_killed_node_is_gone_and_comes_back_as_another_incarnation_at_the_same_place(
    engine: docker.DockerClient,
    make_backend: MakeBackend,
    plan: MakePlan,
    stand_in: Path,
    logs: Path,
    run_id: str,
) -> None:
    backend = make_backend(node_source=stand_in)
    _, node = backend.start(plan(1), run_id=run_id, logs=logs)
    before, address = backend.identity("node-1"), _address(engine, run_id, "node-1")
    assert before is not None
    assert before == backend.identity("node-1")
    state = inspect(engine, run_id, "node-1")["State"]
    assert (before.kind, before.host_pid, before.started) == ("container", state["Pid"], state["StartedAt"])

    backend.kill("node-1")
    assert backend.identity("node-1") is None
    with pytest.raises(OSError):  # noqa: PT011 # Refused or reset: whatever the port says, nobody serves.
        ask(node)
    with pytest.raises(HarnessError, match="down already"):
        backend.kill("node-1")

    backend.restart("node-1")
    backend.wait_ready("node-1", timeout_s=20)
    after = backend.identity("node-1")
    assert after is not None
    assert after.container == before.container
    assert after.host_pid != before.host_pid
    assert after.started > before.started
    assert ask(node) == 200
    assert _address(engine, run_id, "node-1") == address
    with pytest.raises(HarnessError, match="alive"):
        backend.restart("node-1")


def test_members_are_paused_resumed_and_asked_to_end_and_closed_while_they_stand_still(
    engine: docker.DockerClient,
    make_backend: MakeBackend,
    plan: MakePlan,
    stand_in: Path,
    logs: Path,
    run_id: str,
    left_behind: LeftBehind,
) -> None:
    backend = make_backend(node_source=stand_in)
    node = backend.start(plan(3), run_id=run_id, logs=logs)[1]
    before = backend.identity("node-1")

    backend.pause("node-1")
    assert backend.paused("node-1")
    assert inspect(engine, run_id, "node-1")["State"]["Paused"] is True
    assert backend.identity("node-1") == before
    backend.resume("node-1")
    assert not backend.paused("node-1")
    assert ask(node) == 200

    for name in ("node-1", "node-2", "node-3", "redis"):
        backend.pause(name)
    backend.terminate("node-1", timeout_s=10)
    assert backend.identity("node-1") is None
    assert backend.log_tail("node-1", 1) == ("goodbye",)
    backend.resume("node-1")
    with pytest.raises(HarnessError, match="node-1 cannot be asked to end: it is down already"):
        backend.terminate("node-1", timeout_s=10)
    backend.kill("node-2")
    assert backend.identity("node-2") is None

    backend.close()
    assert left_behind(run_id) == []
    assert logs.joinpath("node-3.log").read_text().endswith("goodbye\n")


def _address(engine: docker.DockerClient, run_id: str, member: str) -> str:
    (network,) = inspect(engine, run_id, member)["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


def test_what_redis_acknowledged_survives_its_kill(
    make_backend: MakeBackend, plan: MakePlan, stand_in: Path, logs: Path, run_id: str
) -> None:
    backend = make_backend(node_source=stand_in)
    store, _ = backend.start(plan(1), run_id=run_id, logs=logs)
    with redis.Redis.from_url(store.url) as client:
        client.set("kept", "yes")
    backend.kill("redis")
    backend.restart("redis")
    backend.wait_ready("redis", timeout_s=20)
    with redis.Redis.from_url(store.url) as client:
        assert client.get("kept") == b"yes"


def test_after_close_nothing_is_left_and_closing_again_is_fine(
    make_backend: MakeBackend,
    plan: MakePlan,
    stand_in: Path,
    logs: Path,
    run_id: str,
    left_behind: LeftBehind,
) -> None:
    backend = make_backend(node_source=stand_in)
    backend.start(plan(2), run_id=run_id, logs=logs)
    assert len(left_behind(run_id)) == 5  # Three containers, a network, a volume.
    backend.kill("node-2")  # A dead member is removed like a living one.
    backend.close()
    assert left_behind(run_id) == []
    backend.close()
    assert backend.identity("node-1") is None
    assert backend.log_tail("node-1", 1) == ("goodbye",)


def test_what_others_made_is_left_alone(
    engine: docker.DockerClient,
    make_backend: MakeBackend,
    plan: MakePlan,
    stand_in: Path,
    logs: Path,
    run_id: str,
    left_behind: LeftBehind,
) -> None:
    other = f"{run_id}-other"
    volume = engine.volumes.create(f"wordaround-{other}", labels={"wordaround": "1", RUN_LABEL: other})
    try:
        backend = make_backend(node_source=stand_in)
        backend.start(plan(1), run_id=run_id, logs=logs)
        backend.close()
        assert left_behind(other) == [volume.name]
    finally:
        volume.remove()


def test_a_log_is_complete_over_kill_and_restart(
    engine: docker.DockerClient,
    make_backend: MakeBackend,
    plan: MakePlan,
    stand_in: Path,
    logs: Path,
    run_id: str,
) -> None:
    backend = make_backend(node_source=stand_in)
    backend.start(plan(1), run_id=run_id, logs=logs)
    for incarnation in (2, 3):
        backend.kill("node-1")
        backend.restart("node-1")
        backend.wait_ready("node-1", timeout_s=20)
        _wait_for_line(logs / "node-1.log", "serving", times=incarnation)  # It is followed while it runs.
    whole = engine.api.logs(inspect(engine, run_id, "node-1")["Id"])
    assert backend.log_tail("node-1", 2) == tuple(whole.decode().splitlines()[-2:])
    backend.close()

    lines = (logs / "node-1.log").read_text().splitlines()
    assert lines.count("serving") == 3
    assert sum(line.startswith("line ") for line in lines) == 3 * 2000
    assert (logs / "node-1.log").read_bytes() == whole + b"goodbye\n"


def _wait_for_line(path: Path, line: str, *, times: int) -> None:
    deadline = time.monotonic() + 10
    while path.read_text().splitlines().count(line) < times:
        assert time.monotonic() < deadline, f"{path.name} has not {times} lines {line!r}"
        time.sleep(0.02)
