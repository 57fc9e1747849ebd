"""What the proxies of the process backend cost: requests and bytes through them, and past them.

Client and server are threads of this process; the proxies are the process that a run has. One core serves
both sides, so the ratio is what is of use.
"""

import contextlib
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness.backends.process_links import LinkPorts, ProcessLinks
from harness.backends.readiness import LOOPBACK, free_port
from harness.records.plan import ClusterPlan
from tests.benchmarks import cpu
from tests.benchmarks.members import BenchmarkError

REQUEST = 200  # bytes; a chat message with what is around it
BLOCK = 1 << 16


def measure(*, seconds: float, connections: int = 8) -> dict[str, Any]:
    """Return figures of both ways: requests of one connection and of several, and a stream of bytes."""
    with _server() as port, _proxied(port) as (proxied, pid):
        measured: dict[str, Any] = {"connections": connections}
        for way, to in (("direct", port), ("proxied", proxied)):
            measured[way] = {
                "one": _requests(to, pid, seconds, 1),
                "many": _requests(to, pid, seconds, connections),
                "stream": _stream(to, pid, seconds),
            }
        return measured


@contextlib.contextmanager
def _server() -> Iterator[int]:
    """A server that echoes requests, and swallows a connection that begins with another byte."""
    listener = socket.create_server((LOOPBACK, free_port()), backlog=64)
    threading.Thread(target=_accept, args=(listener,), daemon=True).start()
    with listener:
        yield listener.getsockname()[1]


def _accept(listener: socket.socket) -> None:
    while True:
        try:
            sock = listener.accept()[0]
        except OSError:
            return
        threading.Thread(target=_serve, args=(sock,), daemon=True).start()


def _serve(sock: socket.socket) -> None:
    with sock, contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        first = sock.recv(1)
        while data := sock.recv(BLOCK):
            if first == b"e":
                sock.sendall(data)


@contextlib.contextmanager
def _proxied(port: int) -> Iterator[tuple[int, int]]:
    """The proxies of a cluster whose only node is the server: the clients' port and the process's id."""
    cluster = ClusterPlan(nodes=("node-1",), delivery="durable", appendfsync="no", needs=("links",))
    ports = LinkPorts.chosen(cluster)
    with tempfile.TemporaryDirectory() as folder:
        links = ProcessLinks(
            cluster,
            ports,
            folder=Path(folder),
            log=Path(folder, "links.log"),
            run_id=secrets.token_hex(4),
        )
        try:
            links.listen({"node-1": port, "redis": port})
            links.wait_serving(timeout_s=10)
            yield ports["node-1"].clients, links.pid
        finally:
            links.close()


def _requests(port: int, pid: int, seconds: float, connections: int) -> dict[str, float]:
    counts = [0] * connections

    def ask(number: int, end: float) -> None:
        with _connected(port, b"e") as sock:
            while time.monotonic() < end:
                sock.sendall(bytes(REQUEST))
                left = REQUEST
                while left:
                    left -= len(sock.recv(left)) or _hung_up()
                counts[number] += 1

    elapsed, used = _timed([lambda end, n=n: ask(n, end) for n in range(connections)], pid, seconds)  # type: ignore[misc]
    return {"per_s": sum(counts) / elapsed, "cpu_us_each": used / max(1, sum(counts)) * 1e6}


def _stream(port: int, pid: int, seconds: float) -> dict[str, float]:
    sent = 0

    def pour(end: float) -> None:
        nonlocal sent
        with _connected(port, b"s") as sock:
            while time.monotonic() < end:
                sock.sendall(bytes(BLOCK))
                sent += BLOCK

    elapsed, used = _timed([pour], pid, seconds)
    megabytes = sent / 1e6
    return {"mb_per_s": megabytes / elapsed, "cpu_ms_per_mb": used / megabytes * 1e3}


def _timed(work: list[Callable[[float], None]], pid: int, seconds: float) -> tuple[float, float]:
    """Do it all at once for so long; return the seconds that it took, and the proxies' CPU."""
    used, began = cpu.used_s([pid]), time.monotonic()
    threads = [threading.Thread(target=each, args=(began + seconds,)) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - began, cpu.used_s([pid]) - used


def _connected(port: int, first: bytes) -> socket.socket:
    sock = socket.create_connection((LOOPBACK, port), timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(first)
    return sock


def _hung_up() -> int:
    raise BenchmarkError(f"process {os.getpid()}: the proxies closed a connection")
