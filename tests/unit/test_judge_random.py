"""Random runs: what a right cluster may do passes, and a random break is caught by the right checker."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from harness.records.history import FLAG_FROM_HISTORY, Op

Action = tuple[str, int, int]

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "send", "send", "send", "resend", "late", "lands unanswered", "rejected", "refused first",
                "expired", "lose", "lose in a join", "come back", "leave", "join", "overlap join",
                "overlap leave", "kill", "restart",
            ]
        ),
        st.integers(1, 4),
        st.integers(1, 2),
    ),
    min_size=15,
    max_size=50,
)  # fmt: skip

RANDOM = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _play(made: ModuleType, actions: list[Action], delivery: str) -> Any:
    """Let a right cluster live through the actions that are possible, and end the run in order.

    The pub/sub cluster loses by design what is sent to whoever is away, so there nobody is ever away.
    """
    world = made.World(bots=4, rooms=2, delivery=delivery, faults=[made.CRASH])
    world.start()
    world.talk(8)
    for kind, bot, number in actions:
        _act(world, kind, bot, f"room-{number}", away=delivery == "durable")
    if world.down:
        world.restart()
    world.everyone_back()
    world.wait(6)  # Whoever has no answer by now was not served.
    world.talk(8)
    world.finish()
    return world


def _act(world: Any, kind: str, bot: int, room: str, *, away: bool) -> None:
    me = world.bots[bot]
    other = world.bots[bot % 4 + 1]
    match kind:
        case "send" if room in me.joined:
            world.send(bot, room)
        case "resend" if room in me.joined and away:
            sent = world.send(bot, room, answer="lost", lands=bot % 2 == 0)
            world.attempt(sent)
        case "late" if room in me.joined:
            world.send(bot, room, answer="late")
        case "lands unanswered" if room in me.joined:
            world.send(bot, room, answer="lost")
        case "rejected" if room in me.joined:
            world.send(bot, room, answer="definite")
        case "refused first" if room in me.joined:
            world.attempt(world.send(bot, room, answer="definite"))
        case "expired" if room in me.joined:
            world.send(bot, room, answer="indefinite")
        case "lose" if me.node is not None and away:
            world.lose(bot)
        case "lose in a join" if me.node is not None and away:
            world.lose(bot)
            world.connect(bot)
            world.join(bot, room, acknowledged=False)
            world.lose(bot)
        case "come back" if me.node is None:
            world.come_back(bot)
        case "leave" if room in me.joined:
            world.leave(bot, room)
        case "join" if me.node is not None and room not in me.joined:
            world.join(bot, room)
        case "overlap join" if room in me.joined and other.node is not None and room not in other.joined:
            world.send(bot, room, before_commit=lambda: world.join(other.ordinal, room))
        case "overlap leave" if room in me.joined and room in other.joined:
            world.send(bot, room, before_answer=lambda: world.leave(other.ordinal, room))
        case "kill" if not world.faults and away:
            world.kill()
        case "restart" if world.down:
            world.restart()


@RANDOM
@given(actions=ACTIONS, delivery=st.sampled_from(["durable", "pubsub"]))
def test_what_a_right_cluster_may_do_passes(made: ModuleType, actions: list[Action], delivery: str) -> None:
    world = _play(made, actions, delivery)
    verdict = world.judge()
    words = {prop.name: (prop.verdict, prop.reason, prop.witnesses) for prop in verdict.properties}
    available, _, _ = words.pop("availability")
    assert {word for word, _, _ in words.values()} <= {"pass", "n/a"}, words
    assert (available == "fail") == bool(_given_up(world))


def _given_up(world: Any) -> set[tuple[int, int]]:
    """Messages that were neither acknowledged nor refused for what they are, in the end or ever."""
    acked = {(e.bot, e.a) for e in world.find(Op.SEND_OK)}
    refused = {(e.bot, e.a) for e in world.find(Op.SEND_FAILED, lambda e: e.flags)}
    return world.sent.keys() - acked - refused


# Breaks: each returns whether it found something to break.


def _owed(world: Any, pick: int) -> Any:
    """An acknowledged live delivery to its own sender's fellow, of one who was in the room all along."""
    acked = {(e.bot, e.a) for e in world.find(Op.SEND_OK)}
    owed = {world.sent[key].text for key in acked}
    steady = _steady(world)
    live = world.find(
        Op.DELIVERY, lambda e: not e.flags and (e.bot, e.a["room"]) in steady and e.a["text"] in owed
    )
    return live[pick % len(live)] if live else None


def _steady(world: Any) -> set[tuple[int, str]]:
    """Bots and rooms with one join, never left."""
    joins = [(e.bot, e.a) for e in world.find(Op.JOIN)]
    left = {(e.bot, e.a) for e in world.find(Op.LEAVE)}
    return {stay for stay in joins if joins.count(stay) == 1 and stay not in left}


def _drop_delivery(world: Any, pick: int) -> bool:
    entry = _owed(world, pick)
    if entry is not None:
        world.drop([entry])
    return entry is not None


def _repeat_delivery(world: Any, pick: int) -> bool:
    entry = _owed(world, pick)
    if entry is not None:
        world.insert_after(entry)
    return entry is not None


def _alter_text(world: Any, pick: int) -> bool:
    live = world.find(Op.DELIVERY)
    live[pick % len(live)].a["text"] += "?"
    return True


def _alter_sender(world: Any, pick: int) -> bool:
    live = world.find(Op.DELIVERY)
    live[pick % len(live)].a["user"] = "bot-09.0a1b2c3d"
    return True


def _unlist(world: Any, pick: int) -> bool:
    acked = sorted({(e.bot, e.a) for e in world.find(Op.SEND_OK)})
    world.drop(world.listed(world.sent[acked[pick % len(acked)]], "node-1", "store"))
    return True


def _list_twice(world: Any, pick: int) -> bool:
    listed = {e.a["text"]: e.a for e in world.find(Op.FINAL_READ)}
    text = sorted(listed)[pick % len(listed)]
    for entry in world.find(Op.FINAL_READ, lambda e: e.a["text"] == text and e.b == "node-3"):
        world.insert_after(entry)
    return True


def _move(world: Any, pick: int) -> bool:
    entry = _owed(world, pick)
    if entry is None or not world.durable:
        return False
    entry.a["seq"] = entry.a["seq"] - 1 or 2
    return True


def _misnumber_ack(world: Any, pick: int) -> bool:
    acks = world.find(Op.SEND_OK)
    entry = acks[pick % len(acks)]
    if not world.durable:
        return False
    entry.d += 1
    return True


def _thin_resume(world: Any, pick: int) -> bool:
    accepted = {(e.bot, e.conn, e.a): e for e in world.find(Op.JOIN_OK, lambda e: e.flags)}
    missed = [
        e
        for e in world.find(Op.DELIVERY, lambda e: e.flags & FLAG_FROM_HISTORY)
        if (e.bot, e.conn, e.a["room"]) in accepted and e.t_ns < accepted[e.bot, e.conn, e.a["room"]].t_ns
    ]
    if missed:
        world.drop([missed[pick % len(missed)]])
    return bool(missed)


def _never_back(world: Any, pick: int) -> bool:
    bot = pick % 4 + 1
    world.drop(e for e in world.entries if e.bot == bot and e.conn == world.bots[bot].conn)
    return world.bots[bot].conn > 1


BREAKS: list[tuple[Callable[[Any, int], bool], str]] = [
    (_drop_delivery, "complete-delivery"),
    (_repeat_delivery, "no-duplicates"),
    (_alter_text, "integrity"),
    (_alter_sender, "integrity"),
    (_unlist, "acked-durable"),
    (_list_twice, "no-duplicates"),
    (_move, "total-order"),
    (_misnumber_ack, "total-order"),
    (_thin_resume, "gapless-resume"),
    (_never_back, "reconnection"),
]


@settings(RANDOM, max_examples=60)
@given(
    actions=ACTIONS,
    delivery=st.sampled_from(["durable", "durable", "pubsub"]),
    broken=st.sampled_from(BREAKS),
    pick=st.integers(0, 10_000),
)
def test_a_random_break_is_caught_by_the_right_checker(
    made: ModuleType,
    actions: list[Action],
    delivery: str,
    broken: tuple[Callable[[Any, int], bool], str],
    pick: int,
) -> None:
    world = _play(made, actions, delivery)
    do_break, guarantee = broken
    assume(do_break(world, pick))
    assert guarantee in made.failed(world.judge())
