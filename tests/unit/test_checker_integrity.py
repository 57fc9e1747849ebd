"""integrity: nobody receives what nobody sent, what was rejected, altered, or belongs elsewhere."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from harness.records.codec import dump_json
from harness.records.history import Op
from harness.records.token import Token, make_text


@pytest.mark.parametrize("delivery", ["durable", "pubsub"])
def test_as_sent_passes(made: ModuleType, delivery: str) -> None:
    found = made.found(made.quiet(delivery=delivery).judge(), "integrity")
    assert (found.verdict, found.checked) == ("pass", 90 + 180)


ALTERATIONS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "the text": (lambda m: m.update(text=m["text"] + " "), "whose text was altered, or which nobody sent"),
    "the body with its checksum": (
        lambda m: m.update(text=make_text(Token("0a1b2c3d", 1, 1), "another")),
        "whose text is not what its sender sent",
    ),
    "the sender": (lambda m: m.update(user="bot-02.0a1b2c3d"), "as a message of 'bot-02.0a1b2c3d'"),
    "the sender, to a stranger": (lambda m: m.update(user="mallory"), "as a message of 'mallory'"),
    "the producer": (lambda m: m.update(producer="bot-09"), "as message 1 of producer 'bot-09'"),
    "the number": (lambda m: m.update(n=7), "as message 7 of producer"),
    "the reply": (lambda m: m.update(reply_to={"epoch": "e1", "seq": 1}), "as a reply to"),
    "a message never sent": (
        lambda m: m.update(text=make_text(Token("0a1b2c3d", 2, 999), "ghost")),
        "which nobody sent",
    ),
    "a bot that is not there": (
        lambda m: m.update(text=make_text(Token("0a1b2c3d", 77, 1), "ghost")),
        "which nobody sent",
    ),
    "a seq that is text": (lambda m: m.update(seq="1"), "has no number from 1 as seq"),
    "a seq of zero": (lambda m: m.update(seq=0), "has no number from 1 as seq"),
    "a seq that is true": (lambda m: m.update(seq=True), "has no number from 1 as seq"),
    "no node": (lambda m: m.pop("node"), "has no text as node"),
    "no room": (lambda m: m.pop("room"), "has no text as room"),
    "no epoch": (lambda m: m.update(epoch=None), "has no text as epoch"),
    "no time": (lambda m: m.update(sent_at="now"), "has no number as sent_at"),
}


@pytest.mark.parametrize("what", ALTERATIONS)
def test_altered_on_the_way_to_one_bot_fails(made: ModuleType, what: str) -> None:
    alter, words = ALTERATIONS[what]
    world = made.quiet()
    alter(world.deliveries(world.sent[1, 1], bot=2)[0].a)
    verdict = world.judge()
    found = made.found(verdict, "integrity")
    assert (found.verdict, found.violations) == ("fail", 1)
    assert "bot-02 received" in found.witnesses[0].story
    assert words in found.witnesses[0].story
    # What is not the message is no receipt of it; nothing else may be blamed.
    assert made.failed(verdict) <= {"integrity", "complete-delivery"}


def test_a_position_that_is_none_is_taken_for_none(made: ModuleType) -> None:
    for seq in (True, 0, -1, 2.0, "2", None):
        world = made.quiet()
        world.deliveries(world.sent[2, 3], bot=1)[0].a["seq"] = seq
        assert made.failed(world.judge()) == {"integrity"}


def test_altered_for_everyone_shares_a_witness(made: ModuleType) -> None:
    world = made.quiet()
    for entry in [*world.deliveries(world.sent[1, 1]), *world.listed(world.sent[1, 1])]:
        entry.a["user"] = "bot-02.0a1b2c3d"
    found = made.found(world.judge(), "integrity")
    assert (found.violations, len(found.witnesses)) == (3 + 6, 1)
    assert (
        "bot-01, bot-02 and bot-03 received and the final read of node-1 (store)" in found.witnesses[0].story
    )


def test_rejected_but_delivered_fails(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    rejected = world.send(1, answer="definite")
    world.commit(rejected)
    world.finish()
    verdict = world.judge()
    assert made.failed(verdict) == {"integrity"}
    assert "definitely rejected" in made.found(verdict, "integrity").witnesses[0].story


def test_rejected_first_and_accepted_later_passes(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    world.attempt(world.send(1, answer="definite"))
    world.finish()
    assert world.judge().verdict == "pass"


def test_never_answered_but_delivered_passes(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    world.send(1, answer="lost")
    world.finish()
    verdict = world.judge()
    assert made.failed(verdict) == set()
    assert verdict.stats.sends.recovered == 1


def test_delivered_under_another_room_fails(made: ModuleType) -> None:
    world = made.quiet(rooms=2)
    for entry in world.deliveries(world.sent[1, 1], bot=2):
        entry.a["room"] = world.wire("room-2")
    verdict = world.judge()
    assert "integrity" in made.failed(verdict)
    assert "but it belongs to room-1.0a1b2c3d" in made.found(verdict, "integrity").witnesses[0].story


def test_delivered_under_another_runs_room_fails(made: ModuleType) -> None:
    world = made.quiet()
    for entry in world.deliveries(world.sent[1, 1], bot=2):
        entry.a["room"] = "room-1.ffffffff"
    assert "integrity" in made.failed(world.judge())


def test_listed_in_another_rooms_log_fails(made: ModuleType) -> None:
    world = made.quiet(rooms=2)
    end = world.find(Op.FINAL_READ_END, lambda e: e.a == world.wire("room-2") and e.c == "store")
    for entry in end:
        place = world.entries.index(entry)
        stray = world.listed(world.sent[1, 1], node=entry.b, source="store")[0]
        world.entries.insert(place, made.copy.copy(stray))
        world.entries[place].d = entry.d
    assert made.failed(world.judge()) == {"integrity"}


@pytest.mark.parametrize("delivery", ["durable", "pubsub"])
def test_live_after_the_leave_was_acknowledged_fails(made: ModuleType, delivery: str) -> None:
    world = made.World(delivery=delivery)
    world.start()
    world.talk(9)
    world.leave(3)
    world.receive(3, world.send(1).committed)
    world.finish()
    verdict = world.judge()
    assert made.failed(verdict) == {"integrity"}
    assert "had left it" in made.found(verdict, "integrity").witnesses[0].story


def test_live_between_leave_and_its_acknowledgement_passes(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    world.leave(3)
    (ok,) = world.find(Op.LEAVE_OK)
    world.drop([ok])
    world.receive(3, world.send(1).committed)
    world.entries.append(ok)
    world.finish()
    assert made.found(world.judge(), "integrity").verdict == "pass"


def test_live_without_a_join_fails(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.lose(2)
    world.connect(2)
    world.receive(2, world.send(1).committed)
    world.join(2)
    world.finish()
    assert "integrity" in made.failed(world.judge())


def test_null_producer_and_n_are_allowed_in_pubsub_only(made: ModuleType) -> None:
    for delivery, expected in (("pubsub", "pass"), ("durable", "fail")):
        world = made.quiet(delivery=delivery)
        for entry in [*world.deliveries(world.sent[1, 1]), *world.listed(world.sent[1, 1])]:
            entry.a.update(producer=None, n=None)
        assert made.found(world.judge(), "integrity").verdict == expected


def _message(**fields: str) -> str:
    """Return JSON of a message of this run, with fields as JSON text."""
    ours = {"room": '"room-1.0a1b2c3d"', "user": '"bot-01.0a1b2c3d"', "text": '"x"', **fields}
    return "{" + ", ".join(f'"{name}": {value}' for name, value in ours.items()) + "}"


HOSTILE = {
    "no JSON": "{oops",
    "a list": "[]",
    "a number": "12",
    "nothing": "",
    "a deep nest": "[" * 100_000,
    "a huge number": _message(seq="9" * 5000),
    "wrong types everywhere": '{"room": 1, "user": [], "text": {}, "epoch": 2.5, "seq": -1, "n": "x"}',
    "a lone surrogate": _message(text=r'"wa1.0a1b2c3d.1.1.00000000 \ud800"'),
    "a surrogate as user": _message(user=r'"\ud800.0a1b2c3d"'),
    "endless digits": _message(text=f'"wa1.0a1b2c3d.{"1" * 5000}.1.00000000 x"'),
    "not a number": _message(sent_at="NaN"),
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("delivery", ["durable", "pubsub"])
def test_hostile_content_is_a_violation_and_no_crash(made: ModuleType, what: str, delivery: str) -> None:
    world = made.quiet(delivery=delivery)
    world.insert_after(world.deliveries(world.sent[1, 1], bot=2)[0], a=HOSTILE[what])
    for entry in world.listed(world.sent[1, 2], node="node-1", source="store"):
        world.insert_after(entry, a=HOSTILE[what])
    verdict = world.judge()
    assert made.failed(verdict) == {"integrity"}
    assert dump_json(verdict)  # Its stories can be written down.


def test_other_people_are_none_of_our_business(made: ModuleType) -> None:
    world = made.quiet()
    stranger = {**world.sent[1, 1].committed, "room": "room-1.ffffffff", "user": "eve.ffffffff", "text": "hi"}
    world.insert_after(world.deliveries(world.sent[1, 1], bot=2)[0], a=stranger)
    verdict = world.judge()
    assert verdict.verdict == "pass"
    assert "1 contents of other runs" in made.finding(verdict, "history").evidence


def test_an_unknown_token_after_a_torn_history_is_unknown(made: ModuleType) -> None:
    world = made.quiet()
    world.drop(world.find(Op.SEND, lambda e: e.bot == 1 and e.c == 10))
    world.drop(world.find(Op.SEND_OK, lambda e: e.bot == 1 and e.a == 10))
    assert made.failed(world.judge()) == {"integrity"}
    world.torn = 17
    verdict = world.judge()
    assert (verdict.verdict, made.failed(verdict)) == ("unknown", set())


def test_a_violation_stands_while_the_generator_was_overloaded(made: ModuleType) -> None:
    world = made.quiet()
    world.deliveries(world.sent[1, 1], bot=2)[0].a["user"] = "mallory"
    world.lag_ms = 900.0
    assert made.found(world.judge(), "integrity").verdict == "fail"


def test_nothing_acknowledged_is_unknown(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.finish()
    assert made.found(world.judge(), "integrity").verdict == "unknown"
