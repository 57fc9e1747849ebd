"""Two people on two nodes, while nodes and Redis die, freeze and leave: nothing is lost, or comes twice."""

import signal
import time

import pytest

from tests.browser.chat_world import ChatWorld, Person, talking
from tests.browser.page import Page

pytestmark = [pytest.mark.browser, pytest.mark.process]

ELSEWHERE = ("Connected to node-2", "Connected to node-3")
LEFT_WITHIN_S = 15.0  # A frozen node: about 4 s of silence are borne, then another one is found.


@pytest.fixture
def ann(page: Page, world: ChatWorld, room: str) -> Person:
    """Ann, on node-1."""
    person = Person(page, "ann")
    person.enter(world.nodes[0], room)
    return person


@pytest.fixture
def bob(second_page: Page, world: ChatWorld, room: str) -> Person:
    """Bob, on node-2."""
    person = Person(second_page, "bob")
    person.enter(world.nodes[1], room)
    return person


def all_is_well(world: ChatWorld, room: str, *people: Person) -> None:
    """Wait until everybody has been shown everything, and check what they were shown on the way."""
    sent = sorted(text for person in people for text in person.sent)
    for person in people:
        person.page.until(lambda p=person: p.has_all(len(sent)), f"{person.user} has all")
    log = world.texts(room)
    assert sorted(log) == sent, "the log has each message once, and no other"
    for person in people:
        assert person.delivered() == log, f"{person.user} sees the log"
        own = [text for text in log if text in set(person.sent)]
        assert own == person.sent, f"{person.user}'s messages are in the order of sending"
        seen = person.seen
        assert (seen["twice"], seen["moved"], seen["failed"]) == ([], [], [])
        places = {text: place for place, text in enumerate(log, 1)}
        assert seen["committed"] == places, "what was once shown as committed stayed where it was"


def wait_sent(*people: Person, count: int) -> None:
    for person in people:
        goal = len(person.sent) + count
        deadline = time.monotonic() + 30
        while len(person.sent) < goal:
            assert time.monotonic() < deadline, f"{person.user} cannot write"
            time.sleep(0.02)


def test_failover__the_node_of_one_is_killed_while_both_write__nothing_lost_nothing_twice(
    world: ChatWorld, room: str, ann: Person, bob: Person
) -> None:
    first = world.nodes[0]
    world.expect_gone(ann, bob, nodes=[first])
    with talking(ann, bob):
        wait_sent(ann, bob, count=8)
        first.process.kill()
        wait_sent(ann, bob, count=8)
    ann.page.until(lambda: ann.connection in ELSEWHERE, "ann has moved")
    all_is_well(world, room, ann, bob)
    assert {message["node"] for message in world.nodes[-1].messages(room)} >= {"node-1", "node-2"}


def test_failover__what_one_writes_while_no_node_serves_one__is_sent_later_and_the_draft_stays(
    world: ChatWorld, room: str, ann: Person, bob: Person
) -> None:
    ann.say("before")
    bob.page.until(lambda: bob.delivered() == ["before"], "bob has it")
    ann.page.until(lambda: not ann.pending(), "ann has it")
    world.expect_gone(ann, nodes=[world.nodes[0]])
    world.nodes[0].process.signal(signal.SIGSTOP)  # It takes what is sent, and answers nothing.
    for number in range(1, 4):
        ann.say(f"into the silence {number}")
    ann.write("half a tho")
    assert ann.pending() == ann.sent[1:]
    world.nodes[0].process.kill()
    all_is_well(world, room, ann)
    assert ann.page.one("#chat .composer textarea").get_property("value") == "half a tho"
    bob.page.until(lambda: bob.delivered() == ann.sent, "bob has all")


def test_redis_restarts__what_was_pending_is_committed_once(
    world: ChatWorld, room: str, ann: Person, bob: Person
) -> None:
    with talking(ann, bob):
        wait_sent(ann, bob, count=4)
        world.redis.process.kill()
        wait_sent(ann, bob, count=4)
        ann.page.until(lambda: ann.pending(), "ann's wait")
        world.redis.start()
        wait_sent(ann, bob, count=4)
    all_is_well(world, room, ann, bob)
    assert ann.connection == "Connected to node-1", "nobody moves when all nodes have lost Redis"


def test_drain__a_node_that_stops_in_order__is_left_without_a_visible_error(
    world: ChatWorld, room: str, ann: Person, bob: Person
) -> None:
    first = world.nodes[0]
    world.expect_gone(ann, nodes=[first])
    with talking(ann, bob):
        wait_sent(ann, bob, count=4)
        first.process.signal(signal.SIGTERM)
        assert first.process.wait() == 0
        wait_sent(ann, bob, count=4)
    ann.page.until(lambda: ann.connection in ELSEWHERE, "ann has moved")
    all_is_well(world, room, ann, bob)
    assert "offline" not in ann.seen["connection"]


def test_a_frozen_node__is_left_within_seconds(world: ChatWorld, room: str, ann: Person, bob: Person) -> None:
    world.expect_gone(ann, bob, nodes=[world.nodes[0]])
    ann.say("one")
    bob.page.until(lambda: bob.delivered() == ["one"], "bob has it")
    world.nodes[0].process.signal(signal.SIGSTOP)
    ann.say("two")
    bob.say("three")
    ann.page.until(
        lambda: ann.connection in ELSEWHERE,
        "ann has moved",
        timeout_s=LEFT_WITHIN_S,
    )
    all_is_well(world, room, ann, bob)
