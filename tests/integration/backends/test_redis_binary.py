"""Both Redis binaries, as far as they are there: they start as told, keep what they acknowledged, and end."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.backends.process_group import ProcessGroup, spoken_end
from harness.backends.readiness import free_port, wait_redis_ready
from harness.backends.redis_binary import RedisBinary

pytestmark = pytest.mark.process


@pytest.fixture
def server(redis_binary, tmp_path) -> Iterator["Server"]:
    server = Server(redis_binary, tmp_path)
    yield server
    server.group.end()


class Server:
    def __init__(self, binary: RedisBinary, folder: Path) -> None:
        self.port = free_port()
        self.log = folder / "redis.log"
        self._folder = folder
        self._command = binary.command(port=self.port, data=folder, appendfsync="always")
        self.start()

    def start(self) -> None:
        self.group = ProcessGroup(self._command, folder=self._folder, environment={}, log=self.log)
        wait_redis_ready("127.0.0.1", self.port, timeout_s=15, alive=lambda: self.group.lives)

    def says(self, *words: str) -> str:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall((" ".join(words) + "\r\n").encode())
            return connection.recv(65536).decode()


def test_it_is_what_it_said_it_is(redis_binary, server):
    info = server.says("INFO", "server")
    assert f"_version:{redis_binary.version}\r\n" in info


def test_it_has_what_the_commit_script_needs(server):
    assert (
        server.says("EVAL", "\"return redis.call('XADD',KEYS[1],'1-0','a','b')\"", "1", "s")
        == "$3\r\n1-0\r\n"
    )
    assert server.says("XRANGE", "s", "-", "+").startswith("*1\r\n")


def test_it_serves_this_machine_alone(server):
    assert "127.0.0.1" in server.says("CONFIG", "GET", "bind")


def test_what_it_acknowledged_outlives_its_kill(server):
    for n in range(50):
        assert server.says("SET", f"key-{n}", str(n)) == "+OK\r\n"
    assert server.group.end() == -9
    server.start()
    assert server.says("DBSIZE") == ":50\r\n"


def test_it_ends_on_request(server):
    server.group.terminate()
    end = time.monotonic() + 10
    while server.group.lives and time.monotonic() < end:
        time.sleep(0.01)
    assert spoken_end(server.group.end()) == "ended with exit status 0"
