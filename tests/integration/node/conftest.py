"""A real Redis, real nodes as processes, and a client that knows in which order things came."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import engineio
import pytest
import socketio
from engineio.packet import MESSAGE
from socketio.packet import ACK, EVENT, Packet

from harness.backends.redis_binary import RedisBinary, find_redis_binary

HOST = "127.0.0.1"
PATIENCE_S = 20.0


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> Any:
    """Poll a condition; fail the test with `what` when it does not come true in time."""
    until = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            pytest.fail(f"not within {timeout_s} s: {what}")
        time.sleep(0.02)  # Between two looks at another process there is nothing to wait for.


@dataclass
class Process:
    """A process in a group of its own, with its log in a file."""

    command: list[str]
    env: dict[str, str]
    log: Path
    popen: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.popen = subprocess.Popen(
                self.command,
                env=self.env,
                stdout=out,
                stderr=out,
                start_new_session=True,
                cwd=self.log.parent,
            )

    def signal(self, number: int) -> None:
        assert self.popen is not None
        os.killpg(self.popen.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.popen is not None and self.popen.poll() is None:
            self.signal(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        assert self.popen is not None
        return self.popen.wait(PATIENCE_S)

    def lines(self) -> list[dict[str, Any]]:
        """Return the log; fails where a line is no JSON object."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


class Redis:
    """A Redis as the harness starts it: AOF, fsync always, no snapshots."""

    def __init__(self, folder: Path, binary: RedisBinary) -> None:
        self.port = free_port()
        self.url = f"redis://{HOST}:{self.port}/0"
        command = binary.command(port=self.port, data=folder, appendfsync="always")
        self.process = Process(list(command), dict(os.environ), folder / "redis.log")

    def start(self) -> None:
        self.process.start()
        wait_until(self._answers, "Redis answers")

    def call(self, *command: object) -> Any:
        """Run a command through redis-py."""
        import redis

        with redis.Redis.from_url(self.url, socket_timeout=5) as client:
            return client.execute_command(*command)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), timeout=0.5) as sock:
            sock.sendall(b"PING\r\n")
            return sock.recv(64).startswith(b"+PONG")
        return False


class Node:
    """One chat node as a process."""

    def __init__(self, redis: Redis, folder: Path, name: str, **settings: str) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        env = {k: v for k, v in os.environ.items() if not k.startswith("WORDAROUND_")} | {
            "WORDAROUND_SERVER_ID": name,
            "WORDAROUND_PORT": str(self.port),
            "WORDAROUND_REDIS_URL": redis.url,
            "WORDAROUND_LOG_LEVEL": "debug",
        }
        env |= {f"WORDAROUND_{setting}": value for setting, value in settings.items()}
        self.process = Process([sys.executable, "-m", "cluster"], env, folder / f"{name}-{self.port}.log")

    def start(self, *, ready: bool = True) -> "Node":
        self.process.start()
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        wait_until(lambda: self.get("/ready")[0] == 200, f"{self.name} is ready")

    def get(self, path: str) -> tuple[int, Any]:
        """Return status and JSON; status 0 where nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError:
            return 0, None

    def messages(self, room: str, query: str = "after=0&limit=1000") -> list[dict[str, Any]]:
        status, page = self.get(f"/rooms/{room}/messages?{query}")
        assert status == 200, page
        return list(page["messages"])


class _OrderedEngine(engineio.Client):
    """Notes every message in the reader itself: python-socketio runs handlers concurrently."""

    note: Callable[[str], None]

    def _receive_packet(self, pkt: Any) -> None:
        if pkt.packet_type == MESSAGE:
            self.note(pkt.data)
        super()._receive_packet(pkt)


class _OrderedSocketIO(socketio.Client):
    def _engineio_client_class(self) -> type:
        return _OrderedEngine


@dataclass
class Client:
    """A chat client; `seen` is all that came, in order: (event name or "ack", payload)."""

    node: Node
    user: str | None = "ann"
    seen: list[tuple[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self.hold = threading.Event()  # while it is cleared, nothing is read from the socket
        self.hold.set()
        self.io = _OrderedSocketIO(reconnection=False)
        self.io.eio.note = self._note

    def connect(self) -> "Client":
        auth = {} if self.user is None else {"user": self.user}
        self.io.connect(self.node.url, transports=["websocket"], auth=auth, wait_timeout=10)
        self._websocket, self._reader = self.io.eio.ws, self.io.eio.read_loop_task
        return self

    def call(self, event: str, payload: Any) -> dict[str, Any]:
        answer = self.io.call(event, payload, timeout=15)
        assert isinstance(answer, dict)
        return answer

    def join(self, room: str, cursor: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self.call("join", {"room": room} | ({"cursor": cursor} if cursor else {}))
        assert answer["ok"], answer
        return answer

    def send(self, room: str, text: str, **more: Any) -> dict[str, Any]:
        return self.call("send_message", {"room": room, "text": text, **more})

    def payloads(self, event: str) -> list[Any]:
        with self._changed:
            return [payload for name, payload in self.seen if name == event]

    def live(self, room: str) -> list[dict[str, Any]]:
        return [message for message in self.payloads("message") if message["room"] == room]

    def received(self, room: str) -> list[int]:
        """Return the seq of every message that came, from history or live, in order."""
        found = []
        with self._changed:
            for name, payload in self.seen:
                if name == "message" and payload["room"] == room:
                    found.append(payload["seq"])
                elif name == "message_history" and payload["room"] == room:
                    found += [message["seq"] for message in payload["messages"]]
        return found

    def wait_for(self, condition: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> Any:
        with self._changed:
            assert self._changed.wait_for(condition, timeout_s), f"{what}; seen: {self.seen[-5:]}"
        return condition()

    def close(self) -> None:
        """Disconnect, and leave neither a thread nor a socket behind, which engineio's client may."""
        self.hold.set()
        self.io.disconnect()
        self._reader.join(PATIENCE_S)
        self._websocket.shutdown()

    def _note(self, data: str) -> None:
        assert self.hold.wait(PATIENCE_S)
        packet = Packet(encoded_packet=data)
        with self._changed:
            if packet.packet_type == EVENT:
                self.seen.append((packet.data[0], packet.data[1]))
            elif packet.packet_type == ACK:
                self.seen.append(("ack", packet.data[0]))
            self._changed.notify_all()


@dataclass
class World:
    """Starts Redis, nodes and clients for a test, and ends them after it."""

    folder: Path
    redis: Redis
    stack: contextlib.ExitStack

    def node(self, name: str, *, ready: bool = True, **settings: str) -> Node:
        node = Node(self.redis, self.folder, name, **settings)
        self.stack.callback(node.process.kill)
        return node.start(ready=ready)

    def client(self, node: Node, user: str | None = "ann") -> Client:
        client = Client(node, user)
        self.stack.callback(client.close)
        return client.connect()


@contextlib.contextmanager
def _redis(folder: Path, binary: RedisBinary) -> Iterator[Redis]:
    redis = Redis(folder, binary)
    redis.start()
    try:
        yield redis
    finally:
        redis.process.kill()


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """One Redis for all tests that leave it as they found it; rooms keep them apart."""
    with _redis(tmp_path_factory.mktemp("redis"), find_redis_binary()) as redis:
        yield redis


@pytest.fixture(scope="session")
def pair(shared_redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Node]]:
    """Two durable nodes that live for the whole session."""
    with contextlib.ExitStack() as stack:
        nodes = [Node(shared_redis, tmp_path_factory.mktemp("nodes"), f"node-{i}") for i in (1, 2)]
        for node in nodes:
            stack.callback(node.process.kill)
            node.start(ready=False)
        for node in nodes:
            node.wait_ready()
        yield nodes[0], nodes[1]


@pytest.fixture
def world(shared_redis: Redis, tmp_path: Path) -> Iterator[World]:
    """A maker of clients, and of more nodes, on the shared Redis."""
    with contextlib.ExitStack() as stack:
        yield World(tmp_path, shared_redis, stack)


@pytest.fixture
def own_world(tmp_path: Path, redis_binary: RedisBinary) -> Iterator[World]:
    """The same with a Redis of its own, to be stopped and spoilt: once with each that the product runs on."""
    with _redis(tmp_path, redis_binary) as redis, contextlib.ExitStack() as stack:
        yield World(tmp_path, redis, stack)


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    """A room that no other test uses."""
    return f"room-{abs(hash(request.node.nodeid)) % 10**12}.{time.monotonic_ns()}"


@pytest.fixture
def until() -> Callable[..., Any]:
    """`wait_until`, for tests that import nothing from here."""
    return wait_until
