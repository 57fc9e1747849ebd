"""Redis alone: how many commits a second it takes when nothing but pipelines asks it.

The command that is repeated is one that a node of the checkout really sent, caught with MONITOR; so this
keeps measuring the commit script as it is. It has no key (`producer`, `n`), for with one only the first
would be a commit and the others duplicates. A commit without its key is a little cheaper: what comes out
is a ceiling.
"""

import ast
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.benchmarks.chat import FIRST_SEND_ACK, Chat, event, set_up
from tests.benchmarks.frames import TEXT, masked
from tests.benchmarks.members import BenchmarkError, answers_ping
from tests.benchmarks.report import note
from tests.benchmarks.systems import WordAround

PIPELINE, CONNECTIONS = 64, 3
ROOM, TOKEN = "bench-ceiling", "ceiling-text".ljust(64, "x")
CATCH_TIMEOUT_S = 10.0
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_CALLS = re.compile(rb"cmdstat_xadd:calls=(\d+)")


def redis_alone(system: WordAround, seconds: float) -> dict[str, Any]:
    """Return commits per second over three connections, each with one pipeline of 64 on its way."""
    with system.cluster(1, pinned=False) as cluster:
        command = _caught(cluster.redis.port, cluster.nodes[0].port)
        cluster.nodes[0].kill()
        with _connections(cluster.redis.port) as socks:
            per_s, xadds = _drive(socks, pack(command), seconds)
        if not answers_ping(cluster.redis.port):
            raise BenchmarkError("Redis did not survive the pipelines")
    note(f"Redis alone in pipelines of {PIPELINE}: {per_s:,.0f} commits/s ({xadds:.1f} XADD each)")
    return {"per_s": per_s, "pipeline": PIPELINE, "connections": CONNECTIONS, "xadds_each": xadds}


def pack(words: list[bytes]) -> bytes:
    """Return a command in Redis' protocol."""
    parts = [b"*%d\r\n" % len(words), *(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)]
    return b"".join(parts)


def monitored(line: bytes) -> list[bytes]:
    """Return the words of a command as MONITOR shows it."""
    return [ast.literal_eval(f'b"{word.decode("ascii")}"') for word in _WORD.findall(line)]


def _caught(redis_port: int, node_port: int) -> list[bytes]:
    """Send one message through a node, and return the command by which it went to Redis."""
    with socket.create_connection(("127.0.0.1", redis_port), CATCH_TIMEOUT_S) as monitor:
        monitor.sendall(pack([b"MONITOR"]))
        chat = Chat(port=node_port, room=ROOM, user="ann")
        try:
            set_up([chat])
            chat.write(masked(TEXT, event(FIRST_SEND_ACK, "send_message", {"room": ROOM, "text": TOKEN})))
            command = _first_with_token(monitor)
            # Only with the answer it is certain that Redis knows the script by now.
            if not (answer := chat.wait_for_answer(FIRST_SEND_ACK)).get("ok"):
                raise BenchmarkError(f"the message to be caught was refused: {answer}")
            return command
        finally:
            chat.close()


def _first_with_token(monitor: socket.socket) -> list[bytes]:
    seen = b""
    until_s = time.monotonic() + CATCH_TIMEOUT_S
    while time.monotonic() < until_s:
        *lines, seen = (seen + monitor.recv(1 << 16)).split(b"\r\n")
        for line in lines:
            if TOKEN.encode() in line and b" lua] " not in line:
                return monitored(line)
    raise BenchmarkError("the node's commit was not seen at Redis")


@contextmanager
def _connections(port: int) -> Iterator[list[socket.socket]]:
    socks = [socket.create_connection(("127.0.0.1", port), CATCH_TIMEOUT_S) for _ in range(CONNECTIONS)]
    try:
        yield socks
    finally:
        for sock in socks:
            sock.close()


def _drive(socks: list[socket.socket], command: bytes, seconds: float) -> tuple[float, float]:
    batch = command * PIPELINE + pack([b"PING"])
    xadds, start_s, commits = _xadds(socks[0]), time.monotonic(), 0
    while time.monotonic() < start_s + seconds:
        for sock in socks:
            sock.sendall(batch)
        for sock in socks:
            _read_to_pong(sock)
        commits += PIPELINE * len(socks)
    elapsed_s = time.monotonic() - start_s
    return commits / elapsed_s, (_xadds(socks[0]) - xadds) / commits


def _read_to_pong(sock: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"+PONG\r\n"):
        chunk = sock.recv(1 << 16)
        if not chunk:
            raise BenchmarkError("Redis closed the connection")
        data += chunk
    if data.startswith(b"-") or b"\r\n-" in data:
        raise BenchmarkError(f"Redis refused a commit: {data[:200]!r}")
    return data


def _xadds(sock: socket.socket) -> int:
    """Return how often XADD has run: proof that the commits were commits."""
    sock.sendall(pack([b"INFO", b"commandstats"]) + pack([b"PING"]))
    found = _CALLS.search(_read_to_pong(sock))
    if found is None:
        raise BenchmarkError("no commit has added to a log")
    return int(found[1])
