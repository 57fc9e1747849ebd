"""Ports, node settings, log tails, and waiting: ready, not ready in time, ended."""

import contextlib
import http.server
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.backends import readiness
from harness.backends.readiness import (
    NotReady,
    free_port,
    node_environment,
    tail_lines,
    wait_http_ready,
    wait_redis_ready,
)
from harness.records.plan import ClusterPlan

Answers = Callable[[], tuple[int, bytes]]


@pytest.fixture
def serve() -> Iterator[Callable[[Answers], str]]:
    """Return a function that serves HTTP answers on a free port and returns the URL."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(answers: Answers) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answers()
                with contextlib.suppress(ConnectionError):  # Who asked has lost patience.
                    self.send_response(status)
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/ready"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def speak() -> Iterator[Callable[[list[bytes]], int]]:
    """Return a function that answers one line of Redis protocol after the other; returns the port."""
    servers: list[socketserver.ThreadingTCPServer] = []

    def start(answers: list[bytes]) -> int:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                assert self.rfile.readline() == b"PING\r\n"
                self.wfile.write(answers.pop(0) if len(answers) > 1 else answers[0])

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return int(server.server_address[1])

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def yes() -> bool:
    return True


def test_a_node_is_ready_when_it_answers_200(serve):
    answers = [(503, b"no tail yet"), (503, b"no tail yet"), (200, b"{}")]
    wait_http_ready(serve(lambda: answers.pop(0)), timeout_s=5, alive=yes)
    assert answers == []


def test_a_node_that_keeps_saying_no_is_quoted(serve):
    url = serve(lambda: (503, b"no tail yet"))
    with pytest.raises(NotReady) as caught:
        wait_http_ready(url, timeout_s=0.2, alive=yes)
    assert caught.value.reason == f"it was not ready within 0.2 s (GET {url}: 503 no tail yet)"


def test_nobody_listening_is_said_so():
    with pytest.raises(NotReady, match="Connection refused"):
        wait_http_ready(f"http://127.0.0.1:{free_port()}/ready", timeout_s=0.1, alive=yes)


def test_a_member_that_hangs_is_asked_again(monkeypatch, serve):
    monkeypatch.setattr(readiness, "_PATIENCE_S", 0.1)
    delays = [0.5, 0.5, 0.0]

    def answer() -> tuple[int, bytes]:
        time.sleep(delays.pop(0))
        return 200, b""

    wait_http_ready(serve(answer), timeout_s=5, alive=yes)
    assert delays == []


def test_the_wait_ends_when_the_member_has(serve):
    lives = [True, True, False]
    began = time.monotonic()
    with pytest.raises(NotReady, match="ended before it was ready"):
        wait_http_ready(serve(lambda: (503, b"")), timeout_s=30, alive=lambda: lives.pop(0))
    assert time.monotonic() - began < 5


def test_somebody_else_answering_for_a_dead_member_does_not_count(serve):
    with pytest.raises(NotReady, match="ended"):
        wait_http_ready(serve(lambda: (200, b"")), timeout_s=5, alive=lambda: False)


def test_a_proxy_of_the_environment_is_not_asked(serve, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    wait_http_ready(serve(lambda: (200, b"")), timeout_s=1, alive=yes)


def test_redis_is_ready_when_it_says_pong(speak):
    answers = [b"-LOADING Redis is loading the dataset in memory\r\n", b"", b"+PONG\r\n"]
    wait_redis_ready("127.0.0.1", speak(answers), timeout_s=5, alive=yes)
    assert answers == [b"+PONG\r\n"]


def test_a_redis_that_loads_for_too_long_is_quoted(speak):
    with pytest.raises(NotReady, match=r"within 0\.2 s .*LOADING"):
        wait_redis_ready("127.0.0.1", speak([b"-LOADING\r\n"]), timeout_s=0.2, alive=yes)


def test_a_redis_that_ended_is_not_waited_for():
    with pytest.raises(NotReady, match="ended"):
        wait_redis_ready("127.0.0.1", free_port(), timeout_s=30, alive=lambda: False)


def test_ports_are_free_and_given_out_once(monkeypatch):
    few = tuple(free_port() for _ in range(5))
    for port in few:
        with socket.create_server(("127.0.0.1", port)):
            pass
    monkeypatch.setattr(readiness, "_fixed_ports", lambda: few)
    monkeypatch.setattr(readiness, "_given_out", set())

    assert {free_port() for _ in few} == set(few)
    with pytest.raises(readiness.HarnessError, match="no free TCP port"):
        free_port()


def test_ports_lie_where_no_connection_takes_its_own_end():
    with socket.create_server(("127.0.0.1", 0)) as server:
        low, high = readiness.ephemeral_ports()
        assert low <= server.getsockname()[1] <= high
    assert all(not low <= free_port() <= high for _ in range(50))


def test_a_port_in_use_is_not_given_out(monkeypatch):
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        assert not readiness.is_free(port)
        other = free_port()
        monkeypatch.setattr(readiness, "_fixed_ports", lambda: (port, other))
        monkeypatch.setattr(readiness, "_given_out", set())
        assert free_port() == other


def test_no_free_port_is_an_error_that_says_where(monkeypatch):
    monkeypatch.setattr(readiness, "is_free", lambda port: False)
    with pytest.raises(readiness.HarnessError, match="no free TCP port was found"):
        free_port()


@pytest.mark.parametrize(
    ("span", "chosen"),
    [((32768, 60999), range(10240, 32768)), ((1024, 40000), range(40001, 65536)), ((1024, 65535), None)],
)
def test_ports_come_from_outside_the_ephemeral_range(monkeypatch, span, chosen):
    monkeypatch.setattr(readiness, "ephemeral_ports", lambda: span)
    assert readiness._fixed_ports() == (chosen or range(10240, 65536))


def test_the_last_lines_of_a_log(tmp_path: Path):
    log = tmp_path / "node-1.log"
    assert tail_lines(log, 3) == ()
    log.write_text("")
    assert tail_lines(log, 3) == ()
    log.write_text("one\ntwo")
    assert tail_lines(log, 3) == ("one", "two")
    log.write_text("".join(f"line {n} {'é' * 50}\n" for n in range(1000)))
    assert tail_lines(log, 2) == (f"line 998 {'é' * 50}", f"line 999 {'é' * 50}")
    assert len(tail_lines(log, 900)) == 900
    assert len(tail_lines(log, 2000)) == 1000
    assert tail_lines(log, 0) == ()
    log.write_bytes(b"\xff\xfe broken\n")
    assert tail_lines(log, 1)[0].endswith("broken")


def test_a_very_long_line_is_not_lost(tmp_path: Path):
    log = tmp_path / "node-1.log"
    log.write_text("first\n" + "x" * 50_000 + "\nlast\n")
    assert tail_lines(log, 2) == ("x" * 50_000, "last")


def test_a_node_is_configured_by_its_environment_alone():
    cluster = ClusterPlan(nodes=("node-1",), delivery="pubsub", appendfsync="always")
    environment = node_environment(
        cluster,
        name="node-1",
        host="127.0.0.1",
        port=5001,
        public_url="http://127.0.0.1:5001",
        redis_url="redis://127.0.0.1:6379/0",
        sync_url="http://10.0.0.11:5000",
    )
    assert environment == {
        "WORDAROUND_SERVER_ID": "node-1",
        "WORDAROUND_HOST": "127.0.0.1",
        "WORDAROUND_PORT": "5001",
        "WORDAROUND_PUBLIC_URL": "http://127.0.0.1:5001",
        "WORDAROUND_SYNC_URL": "http://10.0.0.11:5000",
        "WORDAROUND_REDIS_URL": "redis://127.0.0.1:6379/0",
        "WORDAROUND_DELIVERY": "pubsub",
    }
