"""What the backends share: fixed ports, a node's environment, waiting until a member is ready, log tails."""

import random
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from harness.clock import deadline_ns, left_s
from harness.errors import HarnessError
from harness.http_get import get
from harness.records.plan import ClusterPlan

LOOPBACK = "127.0.0.1"

_POLL_S = 0.03  # How often a starting member is asked.
_PATIENCE_S = 1.0  # One request; a member that hangs is asked anew until the deadline.
_TAIL_BLOCK = 8192  # Bytes that `tail_lines` reads at once from the end of a file.

_LOWEST_PORT = 10240
_HIGHEST_PORT = 65535
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL_DEFAULT = (49152, 65535)  # RFC 6335, and what macOS does; Linux says its own range.

_given_out: set[int] = set()
_given_out_lock = threading.Lock()


class NotReady(HarnessError):
    """A member is not ready: it ended, or the deadline passed. `reason` says which and what was seen last."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def wait_http_ready(url: str, *, timeout_s: float, alive: Callable[[], bool]) -> None:
    """Wait until `GET url` answers 200. Proxies of the environment are never used.

    Raises:
        NotReady: `alive` said no, or `timeout_s` passed; the reason has the last answer.
    """
    _wait(lambda: _ask_http(url), f"GET {url}", timeout_s=timeout_s, alive=alive)


def wait_redis_ready(host: str, port: int, *, timeout_s: float, alive: Callable[[], bool]) -> None:
    """Wait until Redis answers PING with PONG (while it loads its data it answers otherwise).

    Raises:
        NotReady: `alive` said no, or `timeout_s` passed; the reason has the last answer.
    """
    _wait(lambda: _ask_redis(host, port), f"PING to {host}:{port}", timeout_s=timeout_s, alive=alive)


def _wait(ask: Callable[[], str], question: str, *, timeout_s: float, alive: Callable[[], bool]) -> None:
    """Ask until the answer is empty, which means ready; any other answer says what is missing."""
    deadline = deadline_ns(timeout_s)
    while True:
        answer = ask()
        # Asked after the answer: whoever answers on the port of a dead member is not that member.
        if not alive():
            raise NotReady("it ended before it was ready")
        if not answer:
            return
        if left_s(deadline) == 0:
            raise NotReady(f"it was not ready within {timeout_s:g} s ({question}: {answer})")
        time.sleep(min(_POLL_S, left_s(deadline)))


def _ask_http(url: str) -> str:
    try:
        status, body = get(url, timeout_s=_PATIENCE_S)
    except OSError as error:
        return _spoken(error)
    return "" if status == 200 else f"{status} {body[:200].decode('utf-8', 'replace')}".strip()


def _ask_redis(host: str, port: int) -> str:
    try:
        with socket.create_connection((host, port), timeout=_PATIENCE_S) as connection:
            connection.sendall(b"PING\r\n")
            with connection.makefile("rb") as reader:
                answer = reader.readline(200).decode("utf-8", "replace").strip()
    except OSError as error:
        return _spoken(error)
    return "" if answer == "+PONG" else answer or "the connection was closed"


def _spoken(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_PATIENCE_S:g} s"
    return error.strerror or str(error)


def tail_lines(path: Path, lines: int) -> tuple[str, ...]:
    """Return a text file's last lines, without their ends; nothing when there is no such file yet."""
    if lines <= 0 or not path.exists():
        return ()
    data = b""
    with path.open("rb") as file:
        at = file.seek(0, 2)
        while at > 0 and data.count(b"\n") <= lines:
            step = min(at, _TAIL_BLOCK)
            at -= step
            file.seek(at)
            data = file.read(step) + data
    return tuple(data.decode("utf-8", "replace").splitlines()[-lines:])


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is free now and that this process was not given before.

    The port lies outside the range from which the kernel takes the local ports of connections. Inside
    it, a client of this very test could hold the port of a node that is down, and the node could not
    come back; a client that dials a dead node could even connect to itself.

    Raises:
        HarnessError: no port is free.
    """
    ports = _fixed_ports()
    choice = random.SystemRandom()  # Ports are no part of the plan: runs at the same time must differ.
    with _given_out_lock:
        for _ in range(1000):
            port = choice.choice(ports)
            if port not in _given_out and is_free(port):
                _given_out.add(port)
                return port
    raise HarnessError(
        f"no free TCP port was found on {LOOPBACK} in 1000 tries between {ports[0]} and {ports[-1]}; "
        "end programs that hold ports there, then try again"
    )


def is_free(port: int) -> bool:
    """Return whether nobody uses the port of 127.0.0.1, not even a connection that is closing."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _fixed_ports() -> range:
    first, last = ephemeral_ports()
    below, above = range(_LOWEST_PORT, first), range(last + 1, _HIGHEST_PORT + 1)
    widest = max(below, above, key=len)
    return widest if len(widest) >= 1000 else range(_LOWEST_PORT, _HIGHEST_PORT + 1)


def ephemeral_ports() -> tuple[int, int]:
    """Return the first and the last port that the kernel gives to connections."""
    if not _EPHEMERAL.exists():
        return _EPHEMERAL_DEFAULT
    first, last = _EPHEMERAL.read_text().split()
    return int(first), int(last)


def node_environment(
    cluster: ClusterPlan,
    *,
    name: str,
    host: str,
    port: int,
    public_url: str,
    redis_url: str,
    sync_url: str | None = None,
) -> dict[str, str]:
    """Return the variables that configure a node, and only these.

    `host` and `port` are what it listens on, `public_url` is where clients reach it, `sync_url` where the
    other nodes do (`None`: there as well), and `redis_url` is where it reaches Redis.
    """
    return {
        "WORDAROUND_SERVER_ID": name,
        "WORDAROUND_HOST": host,
        "WORDAROUND_PORT": str(port),
        "WORDAROUND_PUBLIC_URL": public_url,
        "WORDAROUND_SYNC_URL": sync_url or public_url,
        "WORDAROUND_REDIS_URL": redis_url,
        "WORDAROUND_DELIVERY": cluster.delivery,
    }
