"""Docker tests: a client of the engine, small stand-in nodes, and a look at what was left behind."""

import secrets
import shutil
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import socketio

from harness.backends.docker import DockerBackend
from harness.backends.docker_engine import RUN_LABEL, connect
from harness.backends.images import Images, cluster_source, ensure_images
from harness.records.plan import ClusterPlan

# Answers like a node, as far as a backend can see; counts its requests in Redis; says goodbye.
STAND_IN = """
import http.server, os, signal, sys
import redis

store = redis.Redis.from_url(os.environ["WORDAROUND_REDIS_URL"])

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        store.incr("requests")
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass

def goodbye(*_):
    print("goodbye", flush=True)
    sys.exit(0)

signal.signal(signal.SIGTERM, goodbye)
for number in range(2000):
    print(f"line {number} of {os.getpid()}", file=sys.stdout if number % 2 else sys.stderr)
print("serving", flush=True)
address = os.environ["WORDAROUND_HOST"], int(os.environ["WORDAROUND_PORT"])
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
"""


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """A client of the engine."""
    client = connect()
    yield client
    client.close()


@pytest.fixture(scope="session")
def images(engine: docker.DockerClient) -> Images:
    """The real images; made when they are not there."""
    return ensure_images(engine, say=lambda line: None)


@pytest.fixture
def run_id() -> str:
    return secrets.token_hex(4)


@pytest.fixture
def node_source(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a build context like the real one, with another program as node."""

    def make(program: str) -> Path:
        folder = tmp_path / "node"
        folder.mkdir(exist_ok=True)
        for name in ("Dockerfile", "requirements.txt"):
            shutil.copy(cluster_source() / name, folder / name)
        (folder / "__init__.py").write_text("")
        (folder / "__main__.py").write_text(textwrap.dedent(program))
        return folder

    return make


@pytest.fixture
def stand_in(node_source: Callable[[str], Path]) -> Path:
    return node_source(STAND_IN)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def make_backend(engine: docker.DockerClient) -> Iterator[Callable[..., DockerBackend]]:
    """Makes backends and closes them at the end, however the test ends."""
    made: list[DockerBackend] = []

    def make(**options: Any) -> DockerBackend:
        made.append(DockerBackend(**options))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def left_behind(engine: docker.DockerClient) -> Callable[[str], list[str]]:
    """Names everything in the engine that carries a run's label."""

    def look(run_id: str) -> list[str]:
        label = {"label": f"{RUN_LABEL}={run_id}"}
        containers = [container["Names"][0] for container in engine.api.containers(all=True, filters=label)]
        networks = [network["Name"] for network in engine.api.networks(filters=label)]
        volumes = [volume["Name"] for volume in engine.api.volumes(filters=label)["Volumes"] or ()]
        return [*containers, *networks, *volumes]

    return look


@pytest.fixture
def plan() -> Callable[[int], ClusterPlan]:
    """Makes the plan of a durable cluster with so many nodes."""

    def make(nodes: int) -> ClusterPlan:
        names = tuple(f"node-{ordinal}" for ordinal in range(1, nodes + 1))
        return ClusterPlan(nodes=names, delivery="durable", appendfsync="always")

    return make


@pytest.fixture
def say_hello() -> Callable[[str, str, str], str]:
    """Has one client join a room at `listen_at` and another send there from `send_at`; returns the text."""

    def talk(send_at: str, listen_at: str, room: str) -> str:
        text = f"hello {secrets.token_hex(4)}"
        with socketio.SimpleClient() as listener, socketio.SimpleClient() as sender:
            for client, url, user in ((listener, listen_at, "listener"), (sender, send_at, "sender")):
                client.connect(url, auth={"user": user}, transports=["websocket"])
                assert client.call("join", {"room": room}, timeout=10)["ok"] is True
            assert sender.call("send_message", {"room": room, "text": text}, timeout=10)["ok"] is True
            while (event := listener.receive(timeout=10))[0] != "message":
                pass
        assert event[1]["text"] == text
        assert event[1]["user"] == "sender"
        return text

    return talk
