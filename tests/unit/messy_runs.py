"""Good runs with every legal mess: what a right cluster may do to its clients, and clients to themselves.

Each seed gives another run, always the same one. Nothing in it is a violation of anything, and the judge must
say so; where a part of the record is torn off, it must say that it does not know, and accuse nobody.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from harness.records.history import FLAG_RECOVERED, Op
from harness.records.plan import FaultPlan

World = Any
REDIS = FaultPlan(
    id="redis", fault="kill", at_s=9.0, targets=("redis",), restart_after_s=2.0, traits=("takes-down",)
)
LOSS = FaultPlan(
    id="loss",
    fault="redis-data-loss",
    at_s=9.0,
    targets=("redis",),
    traits=("comes-back", "destroys-log"),
)


def messy(made: Any, seed: int) -> World:
    """Return the run of a seed. Every third has an outage of Redis in it, every fifth loses the log's end."""
    draw = random.Random(f"messy:{seed}")
    faults = [made.CRASH, *([LOSS] if seed % 5 == 4 else [REDIS] if seed % 3 == 0 else [])]
    world = made.World(bots=5, rooms=2, faults=faults)
    world.start()
    world.talk(24)
    _mess(world, draw, 12)
    if not any(bot.node == "node-2" for bot in world.bots.values()):
        world.lose(1)
        world.connect(1, "node-2")
        world.join_all(1)
    world.kill()
    _mess(world, draw, 6, down=True)
    world.everyone_back()
    world.talk(26)
    world.restart()
    _mess(world, draw, 8)
    if seed % 5 == 4:
        _lose_log(world)
    elif seed % 3 == 0:
        _outage(world, draw)
    world.talk(30)
    world.everyone_back()
    world.wait(6 if draw.random() < 0.5 else 25)
    world.talk(24)
    world.finish()
    if seed % 7 == 6 and seed % 5 != 4:
        _trim(world, draw)
    if seed % 10 == 9:
        _tear(world, draw)
    return world


# What may happen at any time


def _send(world: World, bot: int, room: str, draw: random.Random) -> None:
    last = world.logs[room][-1] if world.logs[room] and draw.random() < 0.3 else None
    world.send(bot, room, answers=last)


def _retry(world: World, bot: int, room: str, draw: random.Random) -> None:
    sent = world.send(bot, room, answer="lost", lands=draw.random() < 0.5)
    if draw.random() < 0.3:
        world.attempt(sent, answer="lost")
    world.attempt(sent)


def _late(world: World, bot: int, room: str, draw: random.Random) -> None:
    world.send(bot, room, answer="late")


def _overtaken(world: World, bot: int, room: str, draw: random.Random) -> None:
    """A first attempt is answered after the second."""
    sent = world.send(bot, room, answer="none")
    world.attempt(sent)
    world.acknowledge(sent, duplicate=True)


def _rejected(world: World, bot: int, room: str, draw: random.Random) -> None:
    """A rejected n is used for another message, or the producer is abandoned."""
    world.send(bot, room, answer="definite")
    if draw.random() < 0.5:
        world.bots[bot].numbers[room] -= 1
    else:
        world.bots[bot].producers += 1
        world.bots[bot].numbers.clear()
    world.send(bot, room)


def _pipeline(world: World, bot: int, room: str, draw: random.Random) -> None:
    world.pipeline(bot, room)


def _roam(world: World, bot: int, room: str, draw: random.Random) -> None:
    world.leave(bot, room)
    if draw.random() < 0.7:
        world.talk(3)
        world.join(bot, room)


def _overlapping_leave(world: World, bot: int, room: str, draw: random.Random) -> None:
    other = bot % 5 + 1
    if room in world.bots[other].joined:
        world.send(bot, room, before_answer=lambda: world.leave(other, room))
        world.join(other, room)


def _overlapping_join(world: World, bot: int, room: str, draw: random.Random) -> None:
    other = bot % 5 + 1
    if room in world.bots[other].joined:
        world.leave(other, room)
        world.send(bot, room, before_commit=lambda: world.join(other, room))


def _lose(world: World, bot: int, room: str, draw: random.Random) -> None:
    world.lose(bot)
    world.talk(draw.randint(0, 4))
    if draw.random() < 0.3:
        world.connect(bot)
        world.join(bot, room, acknowledged=False)
        world.lose(bot)
    world.come_back(bot)


def _refused(world: World, bot: int, room: str, draw: random.Random) -> None:
    """A resume gets a snapshot, for its cursor is of an unknown epoch or past the end."""
    world.lose(bot)
    since = len(world.entries)
    world.come_back(bot)
    cause = draw.random() < 0.5
    for entry in world.entries[since:]:
        if entry.op is Op.JOIN:
            entry.b, entry.c = ("e0", entry.c) if cause else (entry.b, 10_000)
        elif entry.op in (Op.HISTORY, Op.JOIN_OK):
            entry.flags &= ~FLAG_RECOVERED


def _hang_up(world: World, bot: int, room: str, draw: random.Random) -> None:
    """A bot connects again without having noticed the end of its connection."""
    world.come_back(bot)


MESSES: tuple[Callable[[World, int, str, random.Random], None], ...] = (
    _send, _send, _send, _retry, _late, _overtaken, _rejected, _pipeline, _roam, _overlapping_leave,
    _overlapping_join, _lose, _refused, _hang_up,
)  # fmt: skip


def _mess(world: World, draw: random.Random, count: int, *, down: bool = False) -> None:
    for _ in range(count):
        room = draw.choice(world.rooms)
        inside = [bot.ordinal for bot in world.bots.values() if room in bot.joined]
        if inside:
            draw.choice(MESSES[:8] if down else MESSES)(world, draw.choice(inside), room, draw)


# What takes a fault


def _outage(world: World, draw: random.Random) -> None:
    """Redis is away: sends stay open, and some of them land late, unheard of by their senders."""
    world.kill("redis")
    late, lost, *again = [
        world.send(bot, room, answer="none", lands=False)
        for room in world.rooms
        for bot in world.bots
        if room in world.bots[bot].joined
        for _ in range(3)
    ]
    world.wait(draw.uniform(1, 12))
    world.restart("redis")
    world.commit(late)
    world.refused_for_good(late)
    world.refused_for_good(lost)
    for sent in again:
        world.attempt(sent)
    for bot in {late.bot, lost.bot}:
        world.bots[bot].producers += 1
        world.bots[bot].numbers.clear()


def _lose_log(world: World) -> None:
    """The end of both logs is lost, on purpose; everyone is told of a new epoch."""
    fault = next(fault for fault in world.plan.faults if fault.id == "loss")
    world._step(fault, "injected")
    world._step(fault, "proved", lost="the last messages")
    world.talk(24)
    for room in world.rooms:
        world.lose_end(room, 2, "e2")
    world._step(fault, "healed")
    world._step(fault, "heal_proved")


def _trim(world: World, draw: random.Random) -> None:
    """The cluster keeps the last messages of a room only, as it is configured to."""
    kept = min(len(world.logs[room]) for room in world.rooms) - draw.randint(1, 10)
    world.plan = replace(world.plan, cluster=replace(world.plan.cluster, retention=kept))
    heads = {world.wire(room): len(world.logs[room]) for room in world.rooms}
    world.drop(world.find(Op.FINAL_READ, lambda e: e.a["seq"] <= heads[e.a["room"]] - kept))


def _tear(world: World, draw: random.Random) -> None:
    """The bots' file breaks off in the middle of its last second, completions first."""
    bots = [entry for entry in world.entries if entry.bot]
    world.drop(bots[-draw.randint(1, 60) :])
    world.torn = draw.randint(1, 31)
