"""Large good histories, made at once as columns: what the checking benchmark judges.

Bots talk in rooms; everybody gets everything live, and two nodes serve it all in the final reads. A share of
the bots is cut off in the middle, comes back and gets what it missed by resume; every bot sees a user list.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from harness.records.bots import CLIENT_QUIT
from harness.records.history import (
    EVENT,
    FLAG_COMPLETE,
    FLAG_FROM_HISTORY,
    FLAG_RECOVERED,
    HistoryFile,
    Op,
    canonical,
    read_history,
)
from harness.records.journal import MemberEntry, MemberState
from harness.records.meta import Meta
from harness.records.plan import BotPlan, ClusterPlan, Expectation, Limits, PhasePlan, Plan, wire_name
from harness.records.token import Token, make_text

RUN_ID = "0a1b2c3d"
ZERO_NS = 10**12
STEP_NS = 200_000  # between two messages of a room
NODES = ("node-1", "node-2")


def make_plan(*, rooms: int, users: int, checks: tuple[str, ...]) -> Plan:
    """Return the plan of a run with so many users in each of so many rooms."""
    names = tuple(f"room-{number}" for number in range(1, rooms + 1))
    return Plan(
        scenario="checking",
        description="A history for the checking benchmark.",
        seed=1,
        cluster=ClusterPlan(nodes=NODES, delivery="durable", appendfsync="always"),
        rooms=names,
        bots=tuple(
            BotPlan(
                ordinal=1 + room * users + user,
                name=f"bot-{1 + room * users + user:05}",
                rooms=(names[room],),
                first_node=NODES[user % 2],
                start_at_s=0.0,
                messages_per_second=1.0,
                seed=user,
            )
            for room in range(rooms)
            for user in range(users)
        ),
        messages_per_second=1.0,
        phases=(PhasePlan(name="steady", start_s=0.0, end_s=60.0),),
        faults=(),
        checks=checks,
        checks_named=False,
        limits=Limits(),
        expect=Expectation(),
    )


def make_meta(ended_ns: int) -> Meta:
    """Return the meta data of the run."""
    return Meta(
        run_id=RUN_ID, backend="process", backend_reason="a benchmark", command="", load_began_ns=ZERO_NS,
        began=datetime(2026, 1, 1, tzinfo=UTC), began_ns=ZERO_NS - 10**9, load_ended_ns=ended_ns,
        ended_ns=ended_ns,
    )  # fmt: skip


def make_members() -> tuple[MemberEntry, ...]:
    """Return who was ready before the load began."""
    return tuple(
        MemberEntry(
            t_ns=ZERO_NS - 1000,
            member=member,
            role="redis" if member == "redis" else "node",
            state=MemberState.READY,
            identity=f"pid {number} started {number}",
        )
        for number, member in enumerate(("redis", *NODES), 1)
    )


class _Strings:
    def __init__(self) -> None:
        self.ids: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self.ids.setdefault(text, len(self.ids) + 1)


def write_history(folder: Path, plan: Plan, messages: int) -> int:
    """Write a history in which so many messages are sent in every room; returns the number of deliveries."""
    folder.mkdir(parents=True)
    strings, reader = _Strings(), _Strings()
    blocks = [_room(plan, room, messages, strings) for room in range(len(plan.rooms))]
    deliveries = sum(int(np.count_nonzero(block["op"] == Op.DELIVERY)) for block in blocks)
    _write(folder / "bots-1", blocks, strings)
    ended = max(int(block["t_ns"].max()) for block in blocks)
    reads = [_reads(plan, room, messages, reader, ended) for room in range(len(plan.rooms))]
    _write(folder / "reader", reads, reader)
    return deliveries


def _write(path: Path, blocks: list[np.ndarray], strings: _Strings) -> None:
    with path.with_suffix(".strings").open("wb") as file:
        file.writelines(json.dumps(text).encode() + b"\n" for text in strings.ids)
    with path.with_suffix(".events").open("wb") as file:
        for block in blocks:
            block.tofile(file)


def _text(bot: int, key: int) -> str:
    return make_text(Token(RUN_ID, bot, key), "signal quorum lease epoch cursor harbor lantern meadow")


def _away(users: int) -> np.ndarray:
    """Return which of a room's users are cut off in the middle; these only listen."""
    return np.arange(users)[:: max(2, users // 10)]


def _sender(room: int, index: int, users: int) -> tuple[int, int]:
    """Return who sends a room's message, and which of its messages that is."""
    speakers = np.setdiff1d(np.arange(users), _away(users))
    turn, speaker = divmod(index, len(speakers))
    return 1 + room * users + int(speakers[speaker]), 1 + turn


def _content(plan: Plan, room: int, index: int, users: int) -> dict[str, object]:
    bot, key = _sender(room, index, users)
    name = plan.bots[bot - 1].name
    return {
        "room": wire_name(plan.rooms[room], RUN_ID),
        "text": _text(bot, key),
        "producer": name,
        "n": key,
    }


def _message(plan: Plan, room: int, index: int, users: int) -> str:
    sent = _content(plan, room, index, users)
    user = wire_name(str(sent["producer"]), RUN_ID)
    return canonical(
        {**sent, "epoch": "e1", "seq": index + 1, "user": user, "sent_at": 1.5, "node": NODES[index % 2]}
    )


def _room(plan: Plan, room: int, messages: int, strings: _Strings) -> np.ndarray:
    """Per message: its send, its deliveries, its acknowledgement. Before and after: joins and leaves."""
    users = len(plan.bots) // len(plan.rooms)
    bots = 1 + room * users + np.arange(users)
    begin = _joins(plan, room, bots, strings)
    block = np.zeros((messages, users + 2), EVENT)
    index = np.arange(messages)
    block["t_ns"] = (ZERO_NS + 10**7 + (index + 1) * STEP_NS)[:, None] + np.arange(users + 2)
    block["conn"] = 1
    sender, key = np.array([_sender(room, i, users) for i in range(messages)]).T
    block["bot"][:, 0] = block["bot"][:, -1] = sender
    block["op"][:, 0], block["op"][:, -1] = Op.SEND, Op.SEND_OK
    block["a"][:, 0] = [strings(canonical(_content(plan, room, i, users))) for i in range(messages)]
    block["b"][:, 0] = block["b"][:, -1] = 1
    block["c"][:, 0] = block["a"][:, -1] = key
    block["c"][:, -1], block["d"][:, -1] = strings("e1"), index + 1
    block["op"][:, 1:-1] = Op.DELIVERY
    block["bot"][:, 1:-1] = bots
    block["a"][:, 1:-1] = np.array([strings(_message(plan, room, i, users)) for i in range(messages)])[
        :, None
    ]
    middle, missed = messages // 2, min(messages // 4, 100)
    away = bots[_away(users)]
    late = np.isin(block["bot"][:, 1:-1], away) & (index >= middle)[:, None]
    gone = late & (index < middle + missed)[:, None]
    block["conn"][:, 1:-1][late] = 2
    kept = np.ones((messages, users + 2), np.bool_)
    kept[:, 1:-1] = ~gone
    first, second = block[:middle][kept[:middle]], block[middle + missed :][kept[middle + missed :]]
    while_away = block[middle : middle + missed][kept[middle : middle + missed]]
    back = _resumes(plan, room, away, middle, missed, int(block["t_ns"][middle + missed - 1, -1]), strings)
    end_ns = int(block["t_ns"][-1, -1])
    leaves = _leaves(bots, away, end_ns, strings)
    return np.concatenate([begin, first, while_away, back, second, leaves])


def _event(t_ns: int, op: Op, bot: int, conn: int, **operands: int) -> tuple[int, ...]:
    flags = operands.pop("flags", 0)
    a, b, c, d = (operands.get(name, 0) for name in "abcd")
    return (t_ns, int(op), flags, bot, conn, a, b, c, d)


def _joins(plan: Plan, room: int, bots: np.ndarray, strings: _Strings) -> np.ndarray:
    wire, epoch = strings(wire_name(plan.rooms[room], RUN_ID)), strings("e1")
    listed = strings(_user_list(plan, room, bots))
    rows = []
    for number, bot in enumerate(bots.tolist()):
        t_ns = ZERO_NS + number * 10
        rows += [
            _event(t_ns, Op.CONNECT, bot, 1, a=strings(NODES[number % 2])),
            _event(t_ns + 1, Op.JOIN, bot, 1, a=wire),
            _event(t_ns + 2, Op.HISTORY, bot, 1, a=wire, b=epoch),
            _event(t_ns + 3, Op.JOIN_OK, bot, 1, a=wire, b=epoch),
        ]
    t_ns = ZERO_NS + len(bots) * 10
    rows += [_event(t_ns, Op.USER_LIST, bot, 1, a=listed) for bot in bots.tolist()]
    return np.array(rows, EVENT)


def _user_list(plan: Plan, room: int, bots: np.ndarray) -> str:
    users = [
        {"user": wire_name(plan.bots[bot - 1].name, RUN_ID), "node": NODES[0], "state": "online"}
        for bot in bots.tolist()
    ]
    return canonical(
        {"room": wire_name(plan.rooms[room], RUN_ID), "epoch": "e1", "version": 1, "users": users}
    )


def _resumes(
    plan: Plan, room: int, away: np.ndarray, cursor: int, missed: int, t_ns: int, strings: _Strings
) -> np.ndarray:
    users = len(plan.bots) // len(plan.rooms)
    wire, epoch = strings(wire_name(plan.rooms[room], RUN_ID)), strings("e1")
    listed = strings(_user_list(plan, room, 1 + room * users + np.arange(users)))
    contents = [strings(_message(plan, room, i, users)) for i in range(cursor, cursor + missed)]
    rows = []
    for bot in away.tolist():
        rows += [
            _event(t_ns, Op.DISCONNECT, bot, 1, a=strings("transport: connection reset")),
            _event(t_ns, Op.CONNECT, bot, 2, a=strings(NODES[0])),
            _event(t_ns, Op.JOIN, bot, 2, a=wire, b=epoch, c=cursor + 1),
            _event(t_ns, Op.HISTORY, bot, 2, flags=FLAG_RECOVERED, a=wire, b=epoch, c=missed),
            *(_event(t_ns, Op.DELIVERY, bot, 2, flags=FLAG_FROM_HISTORY, a=content) for content in contents),
            _event(t_ns, Op.JOIN_OK, bot, 2, flags=FLAG_RECOVERED, a=wire, b=epoch, c=cursor + missed),
            _event(t_ns, Op.USER_LIST, bot, 2, a=listed),
        ]
    return np.array(rows, EVENT)


def _leaves(bots: np.ndarray, away: np.ndarray, t_ns: int, strings: _Strings) -> np.ndarray:
    wish, last = strings(CLIENT_QUIT), set(away.tolist())
    rows = [_event(t_ns + 10**9, Op.DISCONNECT, bot, 1 + (bot in last), a=wish) for bot in bots.tolist()]
    return np.array(rows, EVENT)


def _reads(plan: Plan, room: int, messages: int, strings: _Strings, t_ns: int) -> np.ndarray:
    users = len(plan.bots) // len(plan.rooms)
    contents = np.array([strings(_message(plan, room, i, users)) for i in range(messages)])
    wire = strings(wire_name(plan.rooms[room], RUN_ID))
    rounds = []
    for number in (1, 2):
        for node in NODES:
            for source in ("store", "tail"):
                block = np.zeros(messages + 1, EVENT)
                block["t_ns"] = t_ns + number
                block["op"][:-1], block["op"][-1] = Op.FINAL_READ, Op.FINAL_READ_END
                block["a"][:-1], block["a"][-1] = contents, wire
                block["b"], block["c"], block["d"] = strings(node), strings(source), number
                block["flags"][-1] = FLAG_COMPLETE
                rounds.append(block)
    return np.concatenate(rounds)


def load(folder: Path) -> tuple[HistoryFile, ...]:
    """Read the history that `write_history` wrote."""
    return read_history(folder)
