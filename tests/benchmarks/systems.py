"""The systems that are compared, each started the way its own documentation says."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.backends.readiness import free_port
from tests.benchmarks import cpu, node_packages
from tests.benchmarks.members import (
    Member,
    accepts,
    answers_ping,
    http_ok,
    python_member,
    redis_member,
    running,
    workplace,
)

SERVERS = Path(__file__).parent / "servers"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """What was started."""

    redis: Member
    nodes: tuple[Member, ...]
    folder: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """One system: how to start a node of it. `contiguous`: it promises a `seq` without holes."""

    name: str
    title: str
    durable: bool
    contiguous: bool

    def node(self, name: str, redis_url: str, *, folder: Path, core: int | None) -> Member:
        """Return a node that is not started."""
        raise NotImplementedError

    def is_ready(self, node: Member) -> bool:
        """Tell whether a node takes clients."""
        return accepts(node.port)

    def missing(self) -> str | None:
        """Return why the system cannot run here, `None` when it can."""
        return None

    @contextlib.contextmanager
    def cluster(
        self, nodes: int, *, pinned: bool = True, via: Callable[[int], int] | None = None
    ) -> Iterator[Cluster]:
        """Start Redis and nodes, and end them.

        `pinned`: nodes on one core, Redis on the other. `via` is given Redis' port and returns the one by
        which nodes are to reach it.
        """
        node_core, other_core = cpu.split_cores() if pinned else (None, None)
        with workplace() as folder, contextlib.ExitStack() as stack:
            redis = stack.enter_context(running(redis_member(folder, core=other_core, durable=self.durable)))
            redis.wait_for(lambda: answers_ping(redis.port))
            url = f"redis://127.0.0.1:{via(redis.port) if via else redis.port}/0"
            started = tuple(
                stack.enter_context(running(self.node(f"node-{i}", url, folder=folder, core=node_core)))
                for i in range(1, nodes + 1)
            )
            for node in started:
                node.wait_for(lambda node=node: self.is_ready(node))
            yield Cluster(redis=redis, nodes=started, folder=folder)


@dataclass(frozen=True, kw_only=True, slots=True)
class WordAround(System):
    """WordAround chat of the current directory, durable."""

    name: str = "wordaround"
    title: str = "WordAround chat, durable commits (fsync always)"
    durable: bool = True
    contiguous: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)

    def node(self, name: str, redis_url: str, *, folder: Path, core: int | None) -> Member:
        """Return a chat node."""
        member = python_member(name, ("-m", "cluster"), folder=folder, core=core, environment={})
        member.environment = {
            **member.environment,
            "WORDAROUND_SERVER_ID": name,
            "WORDAROUND_PORT": str(member.port),
            "WORDAROUND_REDIS_URL": redis_url,
            **{f"WORDAROUND_{key}": value for key, value in self.settings.items()},
        }
        return member

    def is_ready(self, node: Member) -> bool:
        """Ready as the node itself says."""
        return http_ok(f"{node.url}/ready")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stock(System):
    """Flask-SocketIO with a Redis message queue."""

    name: str = "stock"
    title: str = "Flask-SocketIO + Redis message_queue (gevent, simple-websocket)"
    durable: bool = False
    contiguous: bool = False
    ping_s: int | None = None  # 25 s where it is not set

    def node(self, name: str, redis_url: str, *, folder: Path, core: int | None) -> Member:
        """Return a stock server."""
        program = str(SERVERS / "stock_flask_socketio.py")
        return python_member(
            name,
            (program, "{port}", redis_url, name, *([str(self.ping_s)] if self.ping_s else [])),
            folder=folder,
            core=core,
            environment={"PATH": os.environ["PATH"]},
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SocketIO(System):
    """socket.io on Node.js with one of its Redis adapters."""

    adapter: str
    durable: bool = False
    contiguous: bool = False

    def node(self, name: str, redis_url: str, *, folder: Path, core: int | None) -> Member:
        """Return a socket.io server."""
        port = free_port()
        program = str(node_packages.installed() / "server.js")
        return Member(
            name=name,
            command=("node", program, str(port), redis_url, name, self.adapter),
            port=port,
            folder=folder,
            environment={**os.environ, "NODE_ENV": "production"},
            core=core,
        )

    def missing(self) -> str | None:
        """It needs Node.js and npm."""
        return node_packages.missing()


def all_systems(settings: Mapping[str, str]) -> dict[str, System]:
    """Return the systems by name; `settings` are for WordAround's nodes, without their prefix."""
    systems: tuple[System, ...] = (
        WordAround(settings=settings),
        Stock(),
        SocketIO(name="socketio-redis", title="socket.io 4.8 + @socket.io/redis-adapter", adapter="redis"),
        SocketIO(
            name="socketio-streams",
            title="socket.io 4.8 + @socket.io/redis-streams-adapter",
            adapter="streams",
        ),
    )
    return {system.name: system for system in systems}
