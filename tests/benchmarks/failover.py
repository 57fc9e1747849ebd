"""Failover: from the SIGKILL of a node until its clients have resumed on others; from Redis' return until
messages are delivered again.

Clients and their sends run in this process; nothing is pinned.
"""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.loader import percentiles_ms
from tests.benchmarks.members import (
    BenchmarkError,
    Member,
    accepts,
    answers_ping,
    python_member,
    running,
    workplace,
)
from tests.benchmarks.report import note
from tests.benchmarks.resumer import Resumer, staying
from tests.benchmarks.systems import Cluster, System

NODES, CLIENTS, ROOMS = 3, 300, 10
SEND_EVERY_S = 0.1
PROBE_EVERY_S = 0.04
DEADLINE_S = 30.0
SETTLE_S = 2.0
DOWN_S = 3.0  # Redis killed; long enough for every node to have noticed and backed off
SILENT_S = 6.0  # above every read timeout of a node
BITES_WITHIN_S = 0.5  # what is sent this long after an outage began must not arrive before its end
SEED = 4711
SPREAD_S = 3.0  # Outages differ in length by up to this, so that they end at all phases of a node's timeouts.
Outage = Callable[[float], Awaitable[float]]  # so much longer -> the moment from which it could work again


def node_kills(system: System, kills: int) -> dict[str, Any]:
    """Return how long clients took from the SIGKILL of their node to the acknowledgement of their join."""
    with system.cluster(NODES, pinned=False) as cluster:
        clients = _clients(cluster)
        took_s = asyncio.run(_kill_one_by_one(cluster, system, clients, kills))
    problems = [problem for client in clients for problem in client.problems]
    figures = {
        "kills": kills,
        "clients": CLIENTS,
        "resumed_ms": percentiles_ms(took_s),
        "problems": problems[:5],
    }
    note(f"node kills: {figures}")
    return figures


def redis_resets(system: System, times: int) -> dict[str, Any]:
    """Return how long it took from Redis answering again, after a SIGKILL, to a delivery at every node."""

    with system.cluster(NODES, pinned=False) as cluster:

        async def reset(longer_s: float) -> float:
            cluster.redis.kill()
            await asyncio.sleep(DOWN_S + longer_s)
            cluster.redis.start()
            await _until(lambda: answers_ping(cluster.redis.port), "Redis answers")
            return time.monotonic()

        return _figures("Redis resets", asyncio.run(_outages(cluster, times, reset)))


def redis_silences(system: System, times: int) -> dict[str, Any]:
    """Return how long it took from the end of a silence to a delivery at every node."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(workplace())
        proxies: list[Member] = []

        def via(redis_port: int) -> int:
            proxies.append(stack.enter_context(running(_proxy(folder, redis_port))))
            proxies[0].wait_for(lambda: accepts(proxies[0].port))
            return proxies[0].port

        async def silence(longer_s: float) -> float:
            proxies[0].signal(signal.SIGUSR1)
            await asyncio.sleep(SILENT_S + longer_s)
            proxies[0].signal(signal.SIGUSR2)
            return time.monotonic()

        with system.cluster(NODES, pinned=False, via=via) as cluster:
            return _figures("Redis silences", asyncio.run(_outages(cluster, times, silence)))


def _proxy(folder: Path, redis_port: int) -> Member:
    words = ("-m", "tests.benchmarks.silent_proxy", "{port}", str(redis_port))
    return python_member("proxy", words, folder=folder, core=None, environment={})


def _figures(what: str, took_s: list[float]) -> dict[str, Any]:
    figures = {"times": len(took_s), "delivered_s": [round(value, 3) for value in took_s]}
    note(f"{what}: {figures}")
    return figures


def _clients(cluster: Cluster) -> list[Resumer]:
    ports = [node.port for node in cluster.nodes]
    return [
        Resumer(
            ports=ports,
            room=f"failover-{i % ROOMS}",
            user=f"user-{i}",
            at=ports[i // ROOMS % len(ports)],
            rng=random.Random(f"{SEED}.{i}"),
        )
        for i in range(CLIENTS)
    ]


async def _kill_one_by_one(
    cluster: Cluster, system: System, clients: list[Resumer], kills: int
) -> list[float]:
    took_s: list[float] = []
    async with staying(clients), _talking(clients[:ROOMS], SEND_EVERY_S):
        await _until(lambda: all(client.resumed_s for client in clients), "all clients are joined")
        for kill in range(kills):
            node = cluster.nodes[kill % NODES]
            await asyncio.sleep(SETTLE_S)
            took_s += await _kill(node, [client for client in clients if client.at == node.port])
            node.start()
            await _until(lambda node=node: system.is_ready(node), f"{node.name} is back")
    return took_s


async def _kill(node: Member, clients: list[Resumer]) -> list[float]:
    before = {client: client.resumes for client in clients}
    killed_s = time.monotonic()
    node.kill()
    await _until(
        lambda: all(client.resumed_s and client.resumes > before[client] for client in clients),
        f"all clients of {node.name} have resumed",
    )
    return [client.resumed_s - killed_s for client in clients if client.resumed_s]


async def _outages(cluster: Cluster, times: int, outage: Outage) -> list[float]:
    """Return for each outage the seconds until every node has delivered a message sent since it began."""
    probes = Probes(tuple(node.port for node in cluster.nodes))
    took_s = []
    async with staying(probes.clients), _talking(probes.clients, PROBE_EVERY_S):
        for number in range(times):
            await _until(lambda: probes.all_since(0.0), "every node delivers")
            await asyncio.sleep(SETTLE_S)
            took_s.append(await _outage(probes, outage, SPREAD_S * number / times))
    return took_s


async def _outage(probes: "Probes", outage: Outage, longer_s: float) -> float:
    began_s = time.monotonic()
    back_s = await outage(longer_s)
    if probes.newest_sent_s > began_s + BITES_WITHIN_S:
        raise BenchmarkError("messages were delivered during the outage: it was none")
    probes.forget()
    await _until(lambda: probes.all_since(began_s), "every node delivers again")
    return probes.last_came_s() - back_s


class Probes:
    """A client at each node, all in one room, and what came through each node first."""

    def __init__(self, ports: tuple[int, ...]) -> None:
        self._ports = ports
        self._first: dict[int, tuple[float, float]] = {}  # port -> (when it was sent, when it came)
        self.newest_sent_s = 0.0
        self.clients = [
            Resumer(ports, "probe", f"prober-{port}", port, random.Random(port), on_message=self._came)
            for port in ports
        ]

    def forget(self) -> None:
        """Look for first deliveries anew."""
        self._first.clear()

    def all_since(self, began_s: float) -> bool:
        """Tell whether every node has delivered something that was sent since then."""
        for port in [port for port, (sent_s, _) in self._first.items() if sent_s < began_s]:
            del self._first[port]  # It came late; the next one counts.
        return set(self._first) == set(self._ports)

    def last_came_s(self) -> float:
        """Return when the last node made its first delivery."""
        return max(came_s for _, came_s in self._first.values())

    def _came(self, client: Resumer, message: dict[str, Any], now_s: float) -> None:
        sent_s = float(message["text"].split()[0])
        self.newest_sent_s = max(self.newest_sent_s, sent_s)
        self._first.setdefault(client.at, (sent_s, now_s))


@contextlib.asynccontextmanager
async def _talking(clients: list[Resumer], every_s: float) -> AsyncIterator[None]:
    """Let clients send, each in turn; a text begins with the moment of its sending."""

    async def talk() -> None:
        while True:
            for client in clients:
                client.send(f"{time.monotonic():.6f} ")
                await asyncio.sleep(every_s / len(clients))

    task = asyncio.create_task(talk())
    try:
        yield
    finally:
        task.cancel()


async def _until(condition: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > until_s:
            raise BenchmarkError(f"not within {DEADLINE_S:.0f} s: {what}")
        await asyncio.sleep(0.002)
