"""Makes the folder of a run with millions of events in a second or two: columns, not rows.

Bots in rooms of twenty send in turn for a minute and everybody receives everything. After twenty seconds a
node is killed: what is sent in the next half second by the bots on it is acknowledged late, at the second
attempt; some messages are refused for good and some are never answered.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.records.history import EVENT, FLAG_DEFINITE, Op
from harness.records.plan import BotPlan, Plan
from tests.unit.reports import report_runs as runs

ROOMS, USERS = 10, 20
KILLED_S, BACK_S, LOAD_S = 11.0, 11.5, 26.0
REFUSED, OPEN = 300, 200  # messages
_PER_MESSAGE = 2 + USERS  # a send, its answer, its deliveries


def large(folder: Path, *, events: int = 2_000_000, like: runs.Made | None = None) -> runs.Made:
    """Make a run folder with about so many events, its verdict that of a failing run."""
    made = like or runs.unexpected_failing(folder)
    plan = _plan(made.plan)
    runs.write_json(made.folder.plan, plan)
    for path in made.folder.history.iterdir():
        path.unlink()
    messages = events // _PER_MESSAGE
    rows = _rows(messages, np.random.default_rng(4711))
    path = made.folder.history / "bots-0"
    path.with_suffix(".strings").write_bytes(_strings(messages))
    rows[np.argsort(rows["t_ns"], kind="stable")].tofile(path.with_suffix(".events"))
    return replace(made, plan=plan, rows=())


def _plan(plan: Plan) -> Plan:
    rooms = tuple(f"room-{i}" for i in range(1, ROOMS + 1))
    bots = tuple(
        BotPlan(
            ordinal=i,
            name=f"bot-{i:03}",
            rooms=(rooms[i % ROOMS],),
            first_node=runs.NODES[i % 3],
            start_at_s=0.0,
            messages_per_second=17.0,
            seed=i,
        )
        for i in range(1, ROOMS * USERS + 1)
    )
    return replace(plan, rooms=rooms, bots=bots)


def _strings(messages: int) -> bytes:
    """Return the nodes' names, then for each message what was sent, and what was received of it."""
    lines = [*runs.NODES, "transport closed", "store_unavailable"]
    for i in range(messages):
        room, text = f"room-{i % ROOMS + 1}.{runs.RUN_ID}", f"wa1.{runs.RUN_ID}.{i} harbor lantern meadow"
        lines.append(json.dumps({"room": room, "text": text, "n": i}))
        lines.append(
            json.dumps({"room": room, "text": text, "n": i, "seq": i, "user": "x", "node": "node-1"})
        )
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _rows(messages: int, random: np.random.Generator) -> np.ndarray:
    index = np.arange(messages)
    bot = index % (ROOMS * USERS) + 1
    sent = runs.ZERO + (index * (LOAD_S * 1e9 / messages)).astype(np.int64)
    held = (sent >= runs.at(KILLED_S)) & (sent < runs.at(BACK_S)) & (bot % 3 == 1)
    again = np.where(held, runs.at(BACK_S), sent)
    acked = again + (1.5e6 + random.exponential(1.2e6, messages)).astype(np.int64)
    key = index // (ROOMS * USERS) + 1
    refused, never = index < REFUSED, (index >= REFUSED) & (index < REFUSED + OPEN)
    blocks = [_connects(), _block(sent, Op.SEND, bot=bot, a=6 + 2 * index, b=1, c=key)]
    blocks.append(_block(again[held], Op.SEND, bot=bot[held], a=6 + 2 * index[held], b=2, c=key[held]))
    answered = ~refused & ~never
    blocks.append(
        _block(acked[answered], Op.SEND_OK, bot=bot[answered], a=key[answered], b=1 + held[answered])
    )
    blocks.append(
        _block(
            acked[refused], Op.SEND_FAILED, bot=bot[refused], a=key[refused], b=1, c=5, flags=FLAG_DEFINITE
        )
    )
    for user in range(USERS):
        arrived = (acked + 0.4e6 + random.exponential(0.9e6, messages)).astype(np.int64)[answered]
        whom = (index % ROOMS + ROOMS * user + 1)[answered]
        blocks.append(_block(arrived, Op.DELIVERY, bot=whom, a=7 + 2 * index[answered]))
    return np.concatenate(blocks)


def _connects() -> np.ndarray:
    bot = np.arange(1, ROOMS * USERS + 1)
    lost = bot[bot % 3 == 1]
    away = lost.size
    return np.concatenate(
        [
            _block(
                np.full(bot.size, runs.at(-1.0)) + bot * 10**6, Op.CONNECT, bot=bot, conn=1, a=bot % 3 + 1
            ),
            _block(np.full(away, runs.at(KILLED_S)) + lost * 10**5, Op.DISCONNECT, bot=lost, conn=1, a=4),
            _block(np.full(away, runs.at(BACK_S)) - lost * 10**6, Op.CONNECT, bot=lost, conn=2, a=1),
        ]
    )


def _block(t_ns: np.ndarray, op: Op, **columns: np.ndarray | int) -> np.ndarray:
    rows = np.zeros(len(t_ns), EVENT)
    rows["t_ns"], rows["op"] = t_ns, int(op)
    for name, column in columns.items():
        rows[name] = column
    return rows
