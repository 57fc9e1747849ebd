"""Three nodes, forty clients that do whatever clients may do, and faults all the while: every promise holds.

`STRESS_S` and `STRESS_SEED` choose another length and another course.
"""

import asyncio
import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.node.stress import ROOMS, Client, Place

pytestmark = [pytest.mark.process, pytest.mark.slow]

LENGTH_S = float(os.environ.get("STRESS_S", "60"))
SEED = int(os.environ.get("STRESS_SEED", "4711"))
CLIENTS = 40
SETTLE_S = 60.0
FILES_MORE = 16  # a pool of connections to Redis, and some to peers; clients make thousands


class Faults:
    """Kills, stops and drains nodes, and Redis, one after the other; all is well again after each."""

    def __init__(self, redis: Any, nodes: list[Any]) -> None:
        self._random = random.Random(SEED)
        self._redis, self._nodes = redis, nodes

    async def run(self, until_s: float) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < until_s:
            await asyncio.sleep(self._random.uniform(0.5, 2.5))  # Quiet times belong to it, too.
            faults = (self._kill, self._stop, self._drain, self._redis_kill, self._redis_stop)
            await self._random.choice(faults)()

    async def _kill(self) -> None:
        node = self._random.choice(self._nodes)
        await asyncio.to_thread(node.process.kill)
        await asyncio.to_thread(node.start, ready=False)

    async def _stop(self) -> None:
        node = self._random.choice(self._nodes)
        node.process.signal(signal.SIGSTOP)
        await asyncio.sleep(self._random.choice((0.3, 2, 8)))  # 8 s: longer than a lease
        node.process.signal(signal.SIGCONT)

    async def _drain(self) -> None:
        node = self._random.choice(self._nodes)
        node.process.signal(signal.SIGTERM)
        code = await asyncio.to_thread(node.process.wait)
        assert code in (0, -signal.SIGTERM)  # The second: it had only just been started, and served nobody.
        await asyncio.to_thread(node.start, ready=False)

    async def _redis_kill(self) -> None:
        await asyncio.to_thread(self._redis.process.kill)
        await asyncio.sleep(self._random.choice((0, 1)))
        await asyncio.to_thread(self._redis.start)

    async def _redis_stop(self) -> None:
        self._redis.process.signal(signal.SIGSTOP)
        await asyncio.sleep(self._random.choice((0.2, 1, 4)))
        self._redis.process.signal(signal.SIGCONT)


async def course(redis: Any, nodes: list[Any], clients: list[Client]) -> list[bool]:
    until_s = asyncio.get_running_loop().time() + LENGTH_S
    await asyncio.gather(Faults(redis, nodes).run(until_s), *(client.live(until_s) for client in clients))
    until_s = asyncio.get_running_loop().time() + SETTLE_S
    return await asyncio.gather(*(client.settle(until_s) for client in clients))


def files(node: Any) -> int:
    return len(list(Path(f"/proc/{node.process.popen.pid}/fd").iterdir()))


def whole_log(node: Any, room: str) -> dict[Place, dict[str, Any]]:
    found: dict[Place, dict[str, Any]] = {}
    while page := node.messages(room, f"after={max([seq for _, seq in found], default=0)}&limit=1000"):
        found |= {(message["epoch"], message["seq"]): message for message in page}
    return found


def test_stress__faults_all_the_while__nothing_lost_doubled_or_left_behind(
    own_world: Any, until: Any
) -> None:
    nodes = [own_world.node(f"node-{i}", LOG_LEVEL="info", BUFFER_BYTES=str(2**20)) for i in (1, 2, 3)]
    before = [files(node) for node in nodes]
    clients = [Client(f"client-{i}", [node.port for node in nodes], SEED) for i in range(CLIENTS)]
    settled = asyncio.run(course(own_world.redis, nodes, clients))

    assert [breach for client in clients for breach in client.breaches] == []
    assert all(settled), f"not settled: {[c.name for c, s in zip(clients, settled, strict=True) if not s]}"
    for node in nodes:
        node.wait_ready()
    for room in ROOMS:
        log = whole_log(nodes[0], room)
        assert sorted(seq for _, seq in log) == list(range(1, len(log) + 1))
        assert all(whole_log(node, room) == log for node in nodes[1:])
        sent = [(message["producer"], message["n"]) for message in log.values()]
        assert len(sent) == len(set(sent)) == sum(len(client.stays[room].texts) for client in clients)
        for client in clients:
            stay = client.stays[room]
            assert {n: log[place]["text"] for n, place in stay.places.items()} == stay.texts
    for node, count in zip(nodes, before, strict=True):
        until(lambda node=node: node.get("/info")[1]["connections"] == 0, "nobody is connected")
        until(lambda node=node, count=count: files(node) <= count + FILES_MORE, "no socket is left")
        errors = [line for line in node.process.lines() if line["level"] == "error"]
        assert [line for line in errors if line["event"] != "commit_refused"] == []
