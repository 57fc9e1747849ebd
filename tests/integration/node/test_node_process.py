"""The node as a process: how it starts, what it says when it cannot, how it ends."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

# One Redis: how it keeps what it is given makes no difference here.
pytestmark = [pytest.mark.process, pytest.mark.one_redis]


def test_settings_wrong__exit_2__every_problem_named(world: Any) -> None:
    node = world.node("node-1", ready=False, PORT="0", SHARDS="9", DELIVERY="maybe")
    assert node.process.wait() == 2
    problems = [line["problem"] for line in node.process.lines()]
    assert len(problems) == 3
    for name in ("WORDAROUND_PORT", "WORDAROUND_SHARDS", "WORDAROUND_DELIVERY"):
        assert any(problem.startswith(name) for problem in problems)


def test_port_taken__exit_1__the_port_is_named(world: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        node = world.node("node-1", ready=False, PORT=str(port))
        assert node.process.wait() == 1
    (line,) = node.process.lines()
    assert line["level"] == "error"
    assert f":{port}" in line["problem"]


def test_redis_missing__serves_but_is_not_ready__until_it_comes(own_world: Any, until: Any) -> None:
    own_world.redis.process.kill()
    node = own_world.node("node-1", ready=False)
    until(lambda: node.get("/health")[0] == 200, "alive")
    status, body = node.get("/ready")
    assert status == 503
    assert body["reason"]
    ann = own_world.client(node)
    assert ann.call("join", {"room": "r"})["error"]["code"] == "store_unavailable"
    own_world.redis.start()
    node.wait_ready()
    assert ann.join("r")["ok"]
    reasons = [line["reason"] for line in node.process.lines() if line["event"] == "redis_unreachable"]
    assert "refused" in reasons[0]
    # A Redis that is met while it loads its data says so: another reason than before.
    assert len(reasons) == len(set(reasons)), "said once, not at every attempt"
    assert all("refused" in reason or "loading" in reason for reason in reasons)


def test_other_number_of_shards__exit_1__says_which(own_world: Any) -> None:
    own_world.node("node-1")
    node = own_world.node("node-2", ready=False, SHARDS="8")
    assert node.process.wait() == 1
    assert "WORDAROUND_SHARDS=4" in node.process.log.read_text()


def test_sigterm__under_load__what_was_acknowledged_is_stored__exit_0(
    world: Any, pair: Any, room: str
) -> None:
    node = world.node("leaving")
    ann = world.client(node)
    ann.join(room)
    acked: list[int] = []
    refused: list[str] = []

    def send() -> None:
        for n in range(1, 100_000):
            try:
                answer = ann.send(room, f"{n}", producer="p", n=n)
            except Exception as error:  # noqa: BLE001  # Whatever the client calls a lost connection.
                refused.append(type(error).__name__)
                return
            if answer["ok"]:
                acked.append(answer["seq"])
            else:
                refused.append(answer["error"]["code"])
                return

    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(0.5)  # Some load before the signal.
    began = time.monotonic()
    node.process.signal(signal.SIGTERM)
    assert node.process.wait() == 0
    assert time.monotonic() - began < 8
    sender.join()
    assert acked
    assert refused
    stored = set()
    while page := pair[0].messages(room, f"after={max(stored, default=0)}&limit=1000"):
        stored |= {message["seq"] for message in page}
    assert stored >= set(acked)
    assert any(info["draining"] for info in ann.payloads("server_info"))
    assert pair[0].get(f"/rooms/{room}/users")[1]["users"] == []


def test_log__of_a_node_at_work__json_lines_without_an_error(pair: Any, world: Any, room: str) -> None:
    ann = world.client(pair[0])
    ann.join(room)
    ann.send(room, "x")
    ann.close()
    lines = pair[0].process.lines()
    assert lines
    assert all({"ts", "level", "node", "event"} <= line.keys() for line in lines)
    assert {line["node"] for line in lines} == {"node-1"}
    assert any(line["event"] == "serving" for line in lines)


def test_help__asked__every_setting_at_once_without_a_node() -> None:
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cluster", "--help"],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert ran.returncode == 0
    for variable in ("WORDAROUND_SERVER_ID", "WORDAROUND_PORT", "WORDAROUND_TOKEN", "WORDAROUND_LOG_LEVEL"):
        assert f"  {variable}  " in ran.stdout
    imported = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "cluster.settings" in imported
    assert not imported & {"gevent", "redis", "flask", "socketio"}, "help waits for nothing heavy"
    assert time.monotonic() - began < 5


def test_argument__unknown__exit_2_without_a_node() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "cluster", "--port", "5000"], capture_output=True, text=True, timeout=20
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "--port" in ran.stderr


def test_secrets__of_a_node_at_work__neither_logged_nor_shown(world: Any, until: Any) -> None:
    node = world.node("discreet", TOKEN="hush-token", SECRET="hush-secret-of-many")
    shown = [node.get(path)[1] for path in ("/info", "/health", "/peers", "/ready")]
    assert all(shown)
    assert "hush" not in f"{shown}{node.process.log.read_text()}"


def test_log_reader__stalls__the_node_serves_on_and_lines_stay_whole(world: Any, room: str) -> None:
    node = world.node("unread")
    node.process.kill()  # It writes to a file; this test wants a pipe.
    popen = subprocess.Popen(node.process.command, env=node.process.env, stderr=subprocess.PIPE)
    try:
        node.wait_ready()
        ann = world.client(node)
        ann.join(room)
        lines = 0
        while lines < 1000:  # Of which a pipe holds some 300: two for each message, at level debug.
            assert ann.send(room, "x" * 10)["ok"]
            lines += 2
        assert node.get("/health")[0] == 200
        ann.close()
        popen.send_signal(signal.SIGTERM)
        assert popen.stderr is not None
        read = popen.stderr.read().decode().splitlines()
        assert popen.wait(20) == 0
    finally:
        popen.kill()
        popen.communicate()
    events = [json.loads(line)["event"] for line in read]
    assert events.count("delivered") == 500
    assert events[-1] == "stopped"
