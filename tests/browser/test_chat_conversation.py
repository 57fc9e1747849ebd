"""The chat page: two people on two nodes, and rooms that lead to each other."""

import signal

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.chat_steps import FIELD, ROWS, come_as_stranger, open_room, sees
from tests.browser.chat_world import ChatWorld, Person
from tests.browser.page import Page
from tests.integration.node.conftest import Client

pytestmark = [pytest.mark.browser, pytest.mark.process]


def test_two_people_on_two_nodes__see_the_same_with_its_numbers(ann: Person, bob: Person) -> None:
    ann.say("Is it still raining?")
    sees(bob, "Is it still raining?")
    bob.say("No.")
    sees(ann, "Is it still raining?", "No.")
    sees(bob, "Is it still raining?", "No.")
    for person in (ann, bob):
        assert person.page.texts(f"{ROWS} .seq") == ["#1", "#2"]
        assert person.page.texts(f"{ROWS} .author") == ["ann", "bob"]
        people = "".join(person.page.texts(".people-pane .person .state"))
        assert people == "On node-1On node-2", "who is where"
    assert ann.seen["twice"] == []


def test_own_message__shown_at_once_and_numbered_when_it_is_in_the_log(ann: Person, world: ChatWorld) -> None:
    own = f"{ROWS}.own"
    world.redis.process.signal(signal.SIGSTOP)
    try:
        ann.say("first")
        ann.page.until(lambda: ann.page.texts(f"{own}.pending .meta") == ["Sending…"], "it is shown at once")
    finally:
        world.redis.process.signal(signal.SIGCONT)
    ann.page.until(lambda: ann.page.texts(f"{own} .meta") == ["Delivered#1"], "it is in the log")
    assert ann.page.texts(f"{own} .text") == ["first"]


def test_typing__is_told_to_others_and_ends(ann: Person, bob: Person) -> None:
    bob.write("hm")
    ann.page.until(lambda: ann.page.texts(".typing") == ["bob is writing…"], "ann sees that bob writes")
    bob.page.one(FIELD).send_keys(Keys.BACKSPACE * 2)
    ann.page.until(lambda: ann.page.texts(".typing") == [""], "ann sees that he has stopped")


def test_read_marks__show_who_has_read_how_far(ann: Person, bob: Person) -> None:
    ann.say("one")
    ann.say("two")
    sees(bob, "one", "two")
    readers = f"{ROWS}[data-seq='2'] .readers"
    ann.page.until(lambda: ann.page.all(readers), "bob's mark is at the second message")
    assert ann.page.one(readers).get_attribute("aria-label") == "Read up to here by bob"
    assert ann.page.texts(f"{ROWS} .ticks") == ["Read", "Read"]
    assert len(ann.page.all(".readers")) == 1, "one mark a person"


def test_direct_messages__begin_with_a_person_and_reach_them(ann: Person, bob: Person) -> None:
    ann.page.until(lambda: ann.page.all(".people-pane [data-user=bob]"), "ann sees bob")
    ann.page.one(".people-pane [data-user=bob]").click()
    ann.page.until(lambda: ann.page.texts("#room-title") == ["bob"], "the conversation is open")
    assert ann.page.run("return location.hash") == "#/with/bob"
    ann.say("Between us")
    link = ".rooms-pane [data-direct=ann]"
    bob.page.until(lambda: bob.page.texts(f"{link} .count [aria-hidden]") == ["1"], "bob is told")
    bob.page.one(link).click()
    sees(bob, "Between us")
    assert bob.page.texts("#room-title") == ["ann"]
    bob.page.until(lambda: not bob.page.all(f"{link} .count"), "it is read")


def test_people__whose_node_was_lost_may_be_back__and_are_said_so(
    ann: Person, cid: Client, world: ChatWorld
) -> None:
    ann.page.until(lambda: "On node-3" in ann.page.texts(".people-pane .state"), "cid is there")
    world.nodes[2].process.signal(signal.SIGSTOP)
    said = ["Lost with node-3, may be back"]
    ann.page.until(lambda: ann.page.texts(".people-pane .person.lost .state") == said, "the grace is said")


def test_unread__counted_while_elsewhere_and_marked_where_it_begins(
    ann: Person, cid: Client, room: str
) -> None:
    cid.send(room, "seen")
    sees(ann, "seen")
    open_room(ann.page, f"{room}-2")
    for text in ("new one", "new two"):
        cid.send(room, text)
    link = f".rooms-pane [data-room='{room}']"
    ann.page.until(lambda: ann.page.texts(f"{link} .count [aria-hidden]") == ["2"], "two are unread")
    assert ann.page.texts(f"{link} .count .visually-hidden") == ["2 unread messages"]
    assert ann.page.run("return document.title") == f"(2) #{room}-2 · WordAround"
    ann.page.one(link).click()
    sees(ann, "seen", "new one", "new two")
    following = ann.page.run("return document.querySelector('.row.fresh').nextElementSibling.textContent")
    assert "new one" in following
    ann.page.until(lambda: not ann.page.all(f"{link} .count"), "nothing is unread")
    ann.page.until(
        lambda: ann.page.run("return document.title") == f"#{room} · WordAround", "nor in the title"
    )


def test_address__a_link_leads_to_a_room_and_back_leads_back(page: Page, world: ChatWorld, room: str) -> None:
    come_as_stranger(page, world.nodes[0], room)
    page.until(lambda: page.all("#welcome input"), "a name is asked for")
    page.one("#welcome input").send_keys("  " + Keys.ENTER)
    assert page.texts("#welcome .wrong") == ["Please write a name."]
    page.one("#welcome input").send_keys("Zoë Ω" + Keys.ENTER)
    page.until(lambda: page.texts("#room-title") == [f"#{room}"], "the link's room is open")
    assert "user=Zo%C3%AB+%CE%A9" in page.run("return location.search")
    open_room(page, f"{room}-2")
    page.chrome.back()
    page.until(lambda: page.texts("#room-title") == [f"#{room}"], "back leads back")
    page.reload_until(lambda: page.texts("#room-title") == [f"#{room}"], "a reload stays there")
    assert page.texts("#me") == ["Zoë Ω"]
    page.one("#rename").click()
    page.one("dialog input").send_keys(Keys.CONTROL + "a")
    page.one("dialog input").send_keys("Zoe" + Keys.ENTER)
    page.until(lambda: page.texts("#me") == ["Zoe"], "the name is another one")
    page.until(lambda: page.texts("#room-title") == [f"#{room}"], "and the room the same")
