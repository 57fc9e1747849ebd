"""The chat page: what one finds again, after a reload, hours away or a loss, and what is gone."""

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.chat_steps import FIELD, HEARD, ROWS, SOONER, entered, every_document, press, sees
from tests.browser.chat_world import ChatWorld, Person
from tests.browser.page import Page
from tests.integration.node.conftest import Client

pytestmark = [pytest.mark.browser, pytest.mark.process]


def test_reload__draft_and_pending_survive_it(ann: Person, world: ChatWorld) -> None:
    ann.say("before")
    sees(ann, "before")
    ann.page.expect(lambda line: "503 (SERVICE UNAVAILABLE)" in line)  # What nodes say without Redis.
    world.redis.process.kill()
    ann.say("while Redis is away")
    ann.page.until(lambda: ann.pending() == ["while Redis is away"], "it waits")
    ann.write("half a thought")
    ann.page.reload_until(lambda: ann.pending() == ["while Redis is away"], "it still waits")
    assert ann.page.one(FIELD).get_property("value") == "half a thought"
    world.redis.start()
    sees(ann, "before", "while Redis is away")
    assert not ann.pending()


def test_coming_back__tells_how_much_was_caught_up(ann: Person, cid: Client, room: str) -> None:
    cid.send(room, "seen")
    sees(ann, "seen")
    ann.page.open("about:blank")
    for number in range(7):
        cid.send(room, f"missed {number}")
    ann.page.chrome.back()
    ann.page.until(lambda: len(ann.delivered()) == 8, "all are there")
    assert ann.page.texts(".row.caught-up") == ["Caught up 7 messages"]
    order = ann.page.run(
        "return [...document.querySelectorAll('.row.caught-up ~ .message .text')].map(e => e.textContent)"
    )
    assert order == [f"missed {number}" for number in range(7)]
    ann.page.until(
        lambda: ann.page.texts("#announcer") == ["Caught up 7 messages."], "it is said, not read out"
    )


def test_lost_history__everything_is_gone__a_gap_says_so(ann: Person, world: ChatWorld) -> None:
    ann.say("one")
    ann.say("two")
    sees(ann, "one", "two")
    ann.page.expect(lambda line: "503 (SERVICE UNAVAILABLE)" in line)
    world.redis.process.kill()
    for file in world.redis.process.log.parent.glob("appendonlydir/*"):
        file.unlink()
    world.redis.start()
    ann.page.until(lambda: ann.page.all(".row.gap"), "the gap is said")
    assert ann.page.texts(".row.gap") == ["History gap: 2 messages cannot be shown here"]
    assert (ann.delivered(), ann.page.texts(".log-top")) == ([], ["The beginning of this room"])
    ann.say("three")
    sees(ann, "three")
    assert ann.page.texts(".rows > :not(.day)")[0].startswith("History gap"), "what comes stands behind it"


def test_offline__what_was_lost_and_when_the_next_try_is_are_said__and_leaving_asks_back(
    page: Page, world: ChatWorld, cid: Client, room: str
) -> None:
    with every_document(page, CUT_OFF), every_document(page, HEARD):
        page.open("about:blank")
        ann = entered(page, "ann", world.nodes[0], room)
    ann.say("before")
    sees(ann, "before")
    page.run("window.cutOff(true)")
    page.until(lambda: ann.connection == "Offline: no node answers", "she is offline")
    page.until(lambda: page.texts("#connection .aside")[0].startswith("next try in "), "when the next try is")
    ann.say("while away")
    page.until(lambda: ann.pending() == ["while away"], "it waits")
    page.one("[data-part=leave]").click()
    page.until(lambda: page.texts("dialog h2") == [f"Leave #{room}?"], "it asks back")
    assert page.texts("dialog p") == ["1 message of yours is not sent yet, and would be given up."]
    press(page, Keys.ENTER)
    page.until(lambda: not page.all("dialog"), "she stays")
    assert ann.pending() == ["while away"]
    for number in range(3):
        cid.send(room, f"missed {number}")
    page.run("window.heard = []; window.cutOff(false)")
    page.run("document.querySelector('#connection .link:not([hidden])')?.click()")  # Try now
    sees(ann, "before", "missed 0", "missed 1", "missed 2", "while away")
    assert ann.connection.startswith("Connected to node-")
    assert page.texts(".row.caught-up") == ["Caught up 3 messages"]
    assert page.run("return window.heard") == [], "what was caught up is not read out"


# Lets a test take a page's network away, and give it back; nothing of that is in the console.
CUT_OFF = """
const [Socket, ask, sockets] = [WebSocket, fetch, new Set()];
let cut = false;
window.cutOff = (wanted) => {
  cut = wanted;
  if (cut) for (const socket of sockets) socket.close();
};
window.WebSocket = class extends Socket {
  constructor(...args) {
    if (cut) throw new Error("cut off");
    super(...args);
    sockets.add(this);
  }
};
window.fetch = (...args) => (cut ? Promise.reject(new TypeError("cut off")) : ask(...args));
"""


def test_storage__full__the_page_works_and_says_what_a_reload_would_forget(
    page: Page, world: ChatWorld, room: str
) -> None:
    page.expect(lambda line: "would not survive a reload" in line)
    with every_document(page, FULL), every_document(page, SOONER):
        page.open("about:blank")
        ann = entered(page, "ann", world.nodes[0], room)
    ann.say("all the same")
    sees(ann, "all the same")
    forgets = ["A reload would forget what is not sent"]
    page.until(lambda: page.texts("#connection .forgets") == forgets, "what would be forgotten is said")


# A storage that takes nothing.
FULL = """
Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); };
"""


def test_what_a_dead_tab_left__claimed_by_another_tab__left_alone_until_that_one_is_gone(
    page: Page, world: ChatWorld, room: str
) -> None:
    url, home = world.nodes[0].url, page.chrome.current_window_handle
    page.expected = ("favicon.ico",)  # What the browser asks for where a page names no icon.
    page.forget(url)
    page.open(f"{url}/health")
    page.run(CLAIMED, room)
    page.chrome.switch_to.new_window("tab")
    with every_document(page, SOONER):
        page.open("about:blank")
        page.open_until(
            f"{url}/?user=ann#/room/{room}",
            lambda: page.all(".people-pane .person") and page.texts("#connection .sentence"),
            "ann is in the room",
        )
    looked = page.run("return performance.now()")
    page.until(lambda: page.run("return performance.now()") > looked + 1_000, "it looks several times")
    assert page.run("return localStorage.getItem('wordaround:ann:outbox:dead') !== null"), "it is there"
    assert page.texts(f"{ROWS} .text") == []
    chat = page.chrome.current_window_handle
    page.chrome.switch_to.window(home)
    page.open("about:blank")
    page.chrome.switch_to.window(chat)
    page.until(lambda: page.texts(f"{ROWS}.failed .text") == ["left"], "it is taken over")
    assert page.run("return localStorage.getItem('wordaround:ann:outbox:dead')") is None
    page.chrome.close()
    page.chrome.switch_to.window(home)


# A tab that has claimed what another one has left, and does nothing about it.
CLAIMED = """
const failed = {state: "failed", error: {code: "lost", message: "It was lost.", definite: true}};
const item = {key: "dead-1", room: arguments[0], text: "left", replyTo: null, at: Date.now(), ...failed};
const name = "wordaround:ann:outbox:dead";
localStorage.setItem(name, JSON.stringify({beat: Date.now(), over: true, items: [item]}));
navigator.locks.request(name, () => new Promise(() => {}));
"""
