"""A real Redis, real nodes as processes, and a client that knows in which order things came."""

import contextlib
import importlib.util
import json
import os
import random
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


FIXED_PORTS = range(12_000, 32_000)  # below those from which systems take the local ports of connections


def free_port() -> int:
    """Return a port that nobody uses now, and that no connection will be given meanwhile."""
    while True:
        port = random.SystemRandom().choice(FIXED_PORTS)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            return port


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

    def peers(self) -> dict[str, str]:
        """Return the states of the others, by name."""
        peers = (self.get("/peers")[1] or {"peers": []})["peers"]
        return {peer["server_id"]: peer["state"] for peer in peers}

    def messages(self, room: str, query: str = "after=0&limit=1000") -> list[dict[str, Any]]:
        status, page = self.get(f"/rooms/{room}/messages?{query}")
        assert status == 200, page
        return list(page["messages"])


class Proxy:
    """A TCP proxy before Redis, so that one node alone can be cut off.

    `cut(silent=True)` swallows what is sent and keeps connections open; else they are reset, and new ones are
    closed at once. `heal` ends that, and every connection that was cut.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server((HOST, 0))
        self.url = f"redis://{HOST}:{self._listener.getsockname()[1]}/0"
        self._sockets: list[socket.socket] = []
        self._open = threading.Event()
        self._open.set()
        self._silent = False
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self, *, silent: bool) -> None:
        self._silent = silent
        self._open.clear()
        if not silent:
            self._drop_all()

    def heal(self) -> None:
        self._drop_all()
        self._open.set()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._drop_all()
        self._open.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def _drop_all(self) -> None:
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._open.is_set() and not self._silent:
                near.close()
                continue
            far = socket.create_connection((HOST, self._target), timeout=5)
            far.settimeout(None)
            self._sockets += (near, far)
            for source, target in ((near, far), (far, near)):
                pump = threading.Thread(target=self._pump, args=(source, target))
                self._threads.append(pump)
                pump.start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                target.sendall(data)
        for sock in (source, target):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        source.close()


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

    def be_patient(self) -> "Client":
        """Stay connected to a node that is silent, where others would look for another one after 4 s."""
        self._websocket.settimeout(60.0)
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

    def users(self, room: str) -> dict[str, str]:
        """Return the states of the users in the last list of a room."""
        lists = [payload for payload in self.payloads("user_list") if payload["room"] == room]
        return {user["user"]: user["state"] for user in lists[-1]["users"]} if lists else {}

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

    def proxy(self) -> Proxy:
        """A way of its own to this Redis, for one node: `world.node("n", REDIS_URL=proxy.url)`."""
        proxy = Proxy(self.redis.port)
        self.stack.callback(proxy.close)
        return proxy

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


@pytest.fixture(scope="module")
def lone_node(shared_redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that one module of tests has for itself, logging as in production."""
    node = Node(shared_redis, tmp_path_factory.mktemp("lone"), "lone", LOG_LEVEL="info")
    try:
        yield node.start()
    finally:
        node.process.kill()


@pytest.fixture
def world(shared_redis: Redis, tmp_path: Path) -> Iterator[World]:
    """A maker of clients, and of more nodes, on the shared Redis."""
    with contextlib.ExitStack() as stack:
        yield World(tmp_path, shared_redis, stack)


@contextlib.contextmanager
def _own_world(folder: Path, binary: RedisBinary) -> Iterator[World]:
    with _redis(folder, binary) as redis, contextlib.ExitStack() as stack:
        yield World(folder, redis, stack)


@pytest.fixture
def own_world(tmp_path: Path, redis_binary: RedisBinary) -> Iterator[World]:
    """The same with a Redis of its own, to be stopped and spoilt: once with each that the product runs on."""
    with _own_world(tmp_path, redis_binary) as world:
        yield world


@pytest.fixture
def other_world(tmp_path: Path, redis_binary: RedisBinary) -> Iterator[World]:
    """Another such world, for what takes its time in two ways."""
    folder = tmp_path / "other"
    folder.mkdir()
    with _own_world(folder, redis_binary) as world:
        yield world


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    """A room that no other test uses."""
    return f"room-{abs(hash(request.node.nodeid)) % 10**12}.{time.monotonic_ns()}"


@pytest.fixture
def until() -> Callable[..., Any]:
    """`wait_until`, for tests that import nothing from here."""
    return wait_until


@pytest.fixture(scope="session")
def raw() -> Any:
    """The module `raw_client`, for tests that speak in bytes."""
    path = Path(__file__).with_name("raw_client.py")
    spec = importlib.util.spec_from_file_location("node_raw_client", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
