"""Two people on two nodes, while nodes and Redis die, freeze and leave: nothing is lost, or comes twice."""

import random
import signal
import time

import pytest

from tests.browser.chat_world import ChatWorld, Person, storeless, talking
from tests.browser.page import Page
from tests.integration.node.conftest import Node

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
        person.wait_for_all(len(sent))
    log = world.texts(room)
    assert sorted(log) == sent, "the log has each message once, and no other"
    for person in people:
        assert person.delivered() == log, f"{person.user} sees the log"
        own = [text for text in log if text in set(person.sent)]
        assert own == person.sent, f"{person.user}'s messages are in the order of sending"
        seen = person.seen
        assert (seen["twice"], seen["moved"], seen["failed"], seen["gaps"]) == ([], [], [], 0)
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


def test_redis_restarts__what_was_pending_is_committed_once(
    world: ChatWorld, room: str, ann: Person, bob: Person
) -> None:
    for person in (ann, bob):
        person.page.expect(storeless)
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


def test_a_frozen_node__is_left_within_seconds_and_what_was_said_into_its_silence_is_not_lost(
    world: ChatWorld, room: str, ann: Person, bob: Person
) -> None:
    world.expect_gone(ann, bob, nodes=[world.nodes[0]])
    ann.say("before")
    bob.page.until(lambda: bob.delivered() == ["before"], "bob has it")
    ann.page.until(lambda: not ann.pending(), "ann has it")
    world.nodes[0].process.signal(signal.SIGSTOP)  # It takes what is sent, and answers nothing.
    for number in range(1, 4):
        ann.say(f"into the silence {number}")
    ann.write("half a tho")
    assert ann.pending() == ann.sent[1:]
    ann.page.until(lambda: ann.connection in ELSEWHERE, "ann has moved", timeout_s=LEFT_WITHIN_S)
    bob.say("meanwhile")
    all_is_well(world, room, ann, bob)
    assert ann.page.one("#chat .composer textarea").get_property("value") == "half a tho"


class Chaos:
    """Does one thing after the other to nodes and Redis, and lets it be for a while."""

    def __init__(self, world: ChatWorld, seed: int) -> None:
        self._world = world
        self._random = random.Random(seed)
        self.done: list[str] = []

    def strike(self) -> None:
        """Hurt one member, and mend it; at least one node is well at any time."""
        node = self._random.choice(self._world.nodes)
        hurt = self._random.choice((self._kill, self._freeze, self._leave, self._redis))
        self.done.append(f"{hurt.__name__} {node.name}")
        hurt(node)

    def _kill(self, node: Node) -> None:
        node.process.kill()
        self._let_be()
        node.start()

    def _freeze(self, node: Node) -> None:
        node.process.signal(signal.SIGSTOP)
        self._let_be(most_s=8.0)
        node.process.signal(signal.SIGCONT)

    def _leave(self, node: Node) -> None:
        node.process.signal(signal.SIGTERM)
        assert node.process.wait() == 0
        node.start()

    def _redis(self, node: Node) -> None:
        self._world.redis.process.kill()
        self._let_be()
        self._world.redis.start()

    def _let_be(self, most_s: float = 3.0) -> None:
        time.sleep(self._random.uniform(0.0, most_s))  # Of all lengths: that is what is tried.


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_chaos__whatever_happens_while_both_write__nothing_lost_nothing_twice(
    seed: int, world: ChatWorld, room: str, ann: Person, bob: Person
) -> None:
    world.expect_gone(ann, bob, nodes=world.nodes)
    for person in (ann, bob):
        person.page.expect(storeless)
    chaos = Chaos(world, seed)
    with talking(ann, bob, pause_s=0.4):  # Of more than 300 messages the page shows a part.
        for _ in range(8):
            chaos.strike()
    world.heal()
    print(chaos.done)  # noqa: T201 - shown where it fails
    all_is_well(world, room, ann, bob)
