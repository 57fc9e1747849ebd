"""The chat page with real nodes: what people write, see and are told, by pointer, keyboard and on a phone."""

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import websocket
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from harness.backends.redis_binary import find_redis_binary
from tests.browser.chat_world import ChatWorld, Person
from tests.browser.page import Page
from tests.integration.node.conftest import Client, Node, Redis

pytestmark = [pytest.mark.browser, pytest.mark.process]

FIELD = "#chat .composer textarea"
ROWS = "#chat .row.message"
MANY = 10_000
HOSTILE = "<img src=x onerror=\"window.hurt='name'\">"
HOSTILE_TEXT = "<script>window.hurt = 'text'</script> <b>bold</b> javascript:alert(1) &amp; \u202egnol"


@pytest.fixture
def ann(page: Page, world: ChatWorld, room: str) -> Person:
    """Ann, on node-1."""
    return entered(page, "ann", world.nodes[0], room)


@pytest.fixture
def bob(second_page: Page, world: ChatWorld, room: str) -> Person:
    """Bob, on node-2, in a browser of his own."""
    return entered(second_page, "bob", world.nodes[1], room)


@pytest.fixture
def cid(world: ChatWorld, room: str) -> Iterator[Client]:
    """Cid, on node-3, who needs no page."""
    client = Client(world.nodes[2], "cid").connect()
    client.join(room)
    yield client
    client.close()


def entered(page: Page, user: str, node: Node, room: str) -> Person:
    page.resize(1280, 800)
    page.prefer(color_scheme="light", reduced_motion="reduce")
    person = Person(page, user)
    person.enter(node, room)
    page.until(lambda: page.one(".log-scroll").get_attribute("aria-busy") is None, "the log is filled")
    return person


def sees(person: Person, *texts: str) -> None:
    """Wait until these messages, and no others, are in the log as somebody sees it."""
    try:
        person.page.until(lambda: person.delivered() == list(texts), f"{person.user} sees {texts}")
    except AssertionError as error:
        there = f"{person.delivered()}, pending {person.page.texts(f'{ROWS}.pending')}, {person.connection}"
        raise AssertionError(f"{error}: {there}") from error


def come_as_stranger(page: Page, node: Node, room: str) -> None:
    """Follow a link to a room in a browser that knows no name yet."""
    page.forget(node.url)
    page.open(f"{node.url}/#/room/{room}")


def focused(page: Page) -> str:
    """What has the focus, as its label or its name."""
    return str(
        page.run(
            "const e = document.activeElement;"
            "return e.getAttribute('aria-label') ?? e.labels?.[0]?.textContent.trim() ?? e.textContent"
        )
    )


def press(page: Page, *keys: str) -> None:
    """Press keys one after the other, wherever the focus is; a tuple's keys together."""
    ActionChains(page.chrome).send_keys(*keys).perform()


def press_with(page: Page, modifier: str, key: str) -> None:
    ActionChains(page.chrome).key_down(modifier).send_keys(key).key_up(modifier).perform()


# Two people


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


# Rooms


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


def open_room(page: Page, room: str) -> None:
    """Join a room by the dialog."""
    page.until(
        lambda: page.one("[data-act=new]").click() or True, "the button, which may be drawn anew, is pressed"
    )
    page.one("dialog input").send_keys(room + Keys.ENTER)
    page.until(lambda: page.texts("#room-title") == [f"#{room}"], f"{room} is open")


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


# Messages


def test_markup__in_names_and_texts_is_shown_as_text(page: Page, world: ChatWorld, room: str) -> None:
    hostile = Client(world.nodes[1], HOSTILE).connect()
    hostile.join(room)
    first = hostile.send(room, HOSTILE_TEXT)
    answered = {"epoch": first["epoch"], "seq": first["seq"]}
    hostile.send(
        room, "see https://example.org/a?b=1&c=2. Or https://evil.example/\"onclick='x'", reply_to=answered
    )
    url = f"{world.nodes[0].url}/?user={quote(HOSTILE)}2#/room/{room}"
    page.open_until(url, lambda: len(page.all(ROWS)) == 2, "both are there")
    page.until(lambda: len(page.all(".people-pane .person")) == 2, "both people are there")
    hostile.call("typing", {"room": room, "typing": True})
    page.until(lambda: page.texts(".typing") != [""], "who writes is told")
    assert page.texts(f"{ROWS} .text")[0] == HOSTILE_TEXT
    assert page.texts(f"{ROWS} .author")[0] == HOSTILE
    assert page.texts(".quote .snippet")[0] == HOSTILE_TEXT[:140]
    assert page.texts(".people-pane .name") == [HOSTILE, f"{HOSTILE}2"]
    assert (
        page.run(
            "return document.querySelectorAll('#app img[onerror], #app .text b, #app .log script').length"
        )
        == 0
    )
    links = page.run(
        "return [...document.querySelectorAll('.text a')].map(a => [a.getAttribute('href'), a.rel])"
    )
    rel = "noopener noreferrer nofollow"
    assert links == [["https://example.org/a?b=1&c=2", rel], ["https://evil.example/", rel]]
    assert page.run("return window.hurt") is None
    assert all(url.startswith((world.nodes[0].url, *peers(world))) for url in page.requested())
    hostile.close()


def peers(world: ChatWorld) -> list[str]:
    """What pages may ask: the nodes, by either scheme."""
    return [url for node in world.nodes for url in (node.url, node.url.replace("http", "ws"))]


def test_reply__quotes_and_leads_to_a_message_that_was_not_loaded(
    ann: Person, cid: Client, room: str
) -> None:
    said(cid, room, 150)
    ann.page.until(lambda: ann.delivered()[-1:] == ["text 150"], "ann has the last one")
    first = cid.node.messages(room, "after=2&limit=1")[0]
    cid.send(room, "About that", reply_to={"epoch": first["epoch"], "seq": first["seq"]})
    quoted = f"{ROWS}[data-seq='151'] .quote"
    ann.page.until(lambda: ann.page.all(quoted), "the answer is there")
    ann.page.one(quoted).click()
    ann.page.until(lambda: ann.page.all(f"{ROWS}[data-seq='3'].found"), "the message is found")
    assert ann.page.run(IN_VIEW, f"{ROWS}[data-seq='3']")
    press(ann.page, "r")
    assert "text 3" in ann.page.texts(".answering")[0]
    ann.say("I answer too")
    ann.page.until(
        lambda: ann.page.texts(f"{ROWS}[data-seq='152'] .quote .snippet") == ["text 3"], "ann's is there"
    )
    assert cid.node.messages(room, "after=151")[0]["reply_to"]["seq"] == 3
    assert ann.page.run(IN_VIEW, f"{ROWS}[data-seq='152']"), "who sends sees it"


IN_VIEW = """
const log = document.querySelector('.log-scroll').getBoundingClientRect();
const row = document.querySelector(arguments[0])?.getBoundingClientRect();
return row && row.top >= log.top - 1 && row.bottom <= log.bottom + 1;
"""


def said(client: Client, room: str, count: int) -> None:
    """Have a client say `text 1` to `text COUNT`, without waiting for each."""
    start = time.monotonic()
    before = len(client.live(room))
    for number in range(1, count + 1):
        client.io.emit("send_message", {"room": room, "text": f"text {number}"})
    client.wait_for(lambda: len(client.live(room)) >= before + count, f"{count} said since {start}")


def test_scrolled_up__nothing_moves_and_a_pill_leads_back(ann: Person, cid: Client, room: str) -> None:
    said(cid, room, 60)
    ann.page.until(lambda: ann.delivered()[-1:] == ["text 60"], "ann has the last one")
    ann.page.run("document.querySelector('.log-scroll').scrollTop -= 600")
    ann.page.until(lambda: ann.page.texts(".pill:not([hidden])") == ["Jump to latest"], "the pill is there")
    before = ann.page.run(PLACES)
    cid.send(room, "you will not see this at once")
    cid.send(room, "nor this")
    ann.page.until(lambda: ann.page.texts(".pill:not([hidden])") == ["2 new messages"], "it counts")
    assert ann.page.run(PLACES) == before, "what ann looks at has not moved"
    ann.page.one(".pill").click()
    ann.page.until(lambda: ann.page.run(IN_VIEW, f"{ROWS}[data-seq='62']"), "the latest is in view")
    assert not ann.page.all(".pill:not([hidden])")


PLACES = """
return Object.fromEntries([...document.querySelectorAll('#chat .row.message')]
  .map(row => [row.dataset.seq, Math.round(row.getBoundingClientRect().top)])
  .filter(([seq, top]) => top > 100 && top < 700));
"""


def test_scrolled_up__others_read_and_older_messages_come__nothing_moves(
    ann: Person, bob: Person, cid: Client, world: ChatWorld, room: str
) -> None:
    own_room = f"{room}-own"
    writer = Client(world.nodes[2], "ann").connect()
    writer.join(own_room)
    said(writer, own_room, 160)
    open_room(ann.page, own_room)
    ann.page.until(lambda: ann.delivered()[-1:] == ["text 160"], "ann has the last one")
    ann.page.until(lambda: ann.page.run(UP), "she has scrolled up")
    before = ann.page.run(PLACES)
    reply_to_first = f"{ROWS}[data-seq='{min(before, key=int)}'] [data-act=reply]"
    ann.page.run("document.querySelector(arguments[0]).focus({preventScroll: true})", reply_to_first)
    assert (reply := focused(ann.page)) == "Reply to ann"
    open_room(bob.page, own_room)
    ann.page.until(lambda: set(ann.page.texts(f"{ROWS} .ticks")) == {"Read"}, "bob has read it all")
    assert focused(ann.page) == reply, "a row that is drawn anew keeps the focus"
    assert unmoved(ann.page, before), "others have read: what ann looks at has not moved"
    before = ann.page.run(TO_THE_TOP)
    oldest = min(map(int, before))
    ann.page.until(lambda: ann.page.all(f"{ROWS}[data-seq='{oldest - 1}']"), "what lies before is there")
    assert unmoved(ann.page, before), "older ones have come: what ann looks at has not moved"
    ann.page.until(
        lambda: ann.page.run(TO_THE_TOP) and ann.page.all(f"{ROWS}[data-seq='1']"), "the first one"
    )
    ann.page.until(lambda: ann.page.texts(".log-top") == ["The beginning of this room"], "and that it is")
    writer.close()


def unmoved(page: Page, before: dict[str, int]) -> bool:
    """Tell whether all that was in view is where it was, but for parts of pixels."""
    now = page.run(PLACES)
    return bool(before) and all(abs(now.get(seq, -1000) - top) <= 1 for seq, top in before.items())


# Scrolls up from the end; again where the log was following just then.
UP = """
if (document.querySelector('.pill:not([hidden])')) return true;
document.querySelector('.log-scroll').scrollTop -= 600;
"""
TO_THE_TOP = f"document.querySelector('.log-scroll').scrollTop = 0; {PLACES}"


def test_failed_message__says_why_and_is_retried_or_discarded(ann: Person) -> None:
    ann.page.run(
        "const field = document.querySelector('#chat textarea'); field.value = 'half \\ud800';"
        "field.dispatchEvent(new Event('input')); field.form.requestSubmit();"
    )
    failure = "#chat .row.failed .failure"
    ann.page.until(lambda: ann.page.all(failure), "it has failed")
    assert ann.page.texts(f"{failure} .reason")[0].startswith("Not sent: ")
    buttons = ann.page.all(f"{failure} button")
    assert [button.text for button in buttons] == ["Try again", "Discard"]
    buttons[1].click()
    ann.page.until(lambda: not ann.page.all(ROWS), "it is gone")
    ann.page.run("window.asIs = String.prototype.isWellFormed; String.prototype.isWellFormed = () => false;")
    ann.say("once more")
    ann.page.until(lambda: ann.page.all(failure), "this one has failed, too")
    ann.page.run("String.prototype.isWellFormed = window.asIs;")
    ann.page.one(f"{failure} [data-act=retry]").click()
    sees(ann, "once more")
    assert not ann.page.all(f"{ROWS}.pending")


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


@contextlib.contextmanager
def every_document(page: Page, source: str) -> Iterator[None]:
    """Run a script in each document that is loaded meanwhile, before its own ones."""
    added = page.chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    yield
    page.chrome.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


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


def test_people__whose_node_was_lost_may_be_back__and_are_said_so(
    ann: Person, cid: Client, world: ChatWorld
) -> None:
    ann.page.until(lambda: "On node-3" in ann.page.texts(".people-pane .state"), "cid is there")
    world.nodes[2].process.signal(signal.SIGSTOP)
    said = ["Lost with node-3, may be back"]
    ann.page.until(lambda: ann.page.texts(".people-pane .person.lost .state") == said, "the grace is said")


def test_storage__full__the_page_works_and_says_what_a_reload_would_forget(
    page: Page, world: ChatWorld, room: str
) -> None:
    page.expect(lambda line: "would not survive a reload" in line)
    with every_document(page, FULL):
        page.open("about:blank")
        ann = entered(page, "ann", world.nodes[0], room)
    ann.say("all the same")
    sees(ann, "all the same")
    forgets = ["A reload would forget what is not sent"]
    page.until(lambda: page.texts("#connection .forgets") == forgets, "what would be forgotten is said")


# A storage that takes nothing. The client tells of that every five seconds: here sooner.
FULL = """
Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); };
const every = setInterval;
window.setInterval = (act, ms) => every(act, Math.min(ms, 200));
"""


def test_token__asked_for_where_the_cluster_has_one__and_told_that_it_is_wrong(
    page: Page, tmp_path: Path, room: str
) -> None:
    page.expect(lambda line: "401 (UNAUTHORIZED)" in line)
    redis = Redis(tmp_path, find_redis_binary())
    node = Node(redis, tmp_path, "node-1", TOKEN="open sesame")
    try:
        redis.start()
        node.start()
        asked = "#welcome:not([hidden]) #welcome-form input"
        url = f"{node.url}/?user=ann#/room/{room}"
        page.open_until(url, lambda: page.all(asked), "the token is asked for")
        for token, wrong in (("please", ""), ("open sesame", "That is not the token of this cluster.")):
            page.until(lambda w=wrong: page.texts("#welcome-form .wrong") == [w], "the token is asked for")
            page.one(asked).send_keys(token + Keys.ENTER)
        ann = Person(page, "ann")
        page.until(lambda: ann.connection == "Connected to node-1", "it opens")
        page.until(lambda: page.all(".people-pane .person"), "she is in the room")
        ann.say("inside")
        sees(ann, "inside")
        page.open("about:blank")
    finally:
        node.process.kill()
        redis.process.kill()


# Many


def test_ten_thousand_messages__are_there_at_once_and_scroll_in_place(
    page: Page, world: ChatWorld, room: str
) -> None:
    fill(world, room)
    ann = entered(page, "ann", world.nodes[0], room)
    last = world.nodes[0].messages(room, "limit=1")[0]
    teller = Client(world.nodes[1], "teller").connect()
    teller.join(room)
    teller.send(room, "as I said at first", reply_to={"epoch": last["epoch"], "seq": 1})
    quoted = f"{ROWS} .quote"
    page.until(lambda: page.all(quoted), "the answer is there")
    begun = time.monotonic()
    page.one(quoted).click()
    page.until(lambda: page.all(f"{ROWS}[data-seq='1'].found"), "all were fetched, and the first is found")
    found_s = time.monotonic() - begun
    page.chrome.set_script_timeout(60)
    down = page.chrome.execute_async_script(SCROLL, 40, 900)
    up = page.chrome.execute_async_script(SCROLL, 40, -900)
    begun = time.monotonic()
    ann.say("to the end")
    page.until(lambda: page.run(IN_VIEW, f"{ROWS}[data-seq='{MANY + 2}']"), "what one sends is in view")
    sent_s = time.monotonic() - begun
    heap = page.run("return performance.memory.usedJSHeapSize")
    print(json.dumps([found_s, sent_s, heap, down, up]))  # noqa: T201 - With `-s`: what was measured.
    assert found_s < 20, "fetched and shown"
    assert down["last"] > 500, "it did scroll"
    assert up["last"] < 100, "and back"
    assert max(down["most"], up["most"]) <= 300, "rows in the document at once"
    assert down["jumps"] == up["jumps"] == [], "what one looks at stays where it is while rows come and go"
    assert max(down["ms"], up["ms"]) < 40 * 500, "a step takes no time to speak of"  # About 20 ms.
    assert sent_s < 10
    assert heap < 150e6
    teller.close()


def fill(world: ChatWorld, room: str) -> None:
    """Put many messages into a room. What comes back is counted and not looked at: that is fast."""
    url = world.nodes[2].url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    with contextlib.closing(websocket.create_connection(url, timeout=60)) as socket:
        socket.recv()
        socket.send('40{"user":"bot"}')
        socket.send(f'420["join",{{"room":"{room}"}}]')
        while not socket.recv().startswith("430"):
            pass
        came = 0
        for number in range(1, MANY + 1):
            text = f"The bot says {number}. " * (number % 5 + 1)
            socket.send(f'42["send_message",{{"room":"{room}","text":"{text}"}}]')
            while number - came > 200 or (number == MANY and came < MANY):
                frame = socket.recv()
                came += frame.startswith('42["message",')
                if frame == "2":  # A ping
                    socket.send("3")


# Scroll by so many steps of so many pixels.
SCROLL = """
const [steps, by, done] = arguments, log = document.querySelector('.log-scroll');
const seen = {last: 0, most: 0, jumps: [], ms: 0};
const start = performance.now();
let n = 0;
const rows = () => [...document.querySelectorAll('#chat .row.message')];
function step() {
  const now = performance.now(), all = rows();
  seen.most = Math.max(seen.most, all.length);
  seen.ms = now - start;
  const watched = all.find(row => row.getBoundingClientRect().top > 100);
  seen.last = Number(watched.dataset.seq);
  if ((n += 1) > steps) return done(seen);
  const top = watched.getBoundingClientRect().top, scrolled = log.scrollTop;
  log.scrollTop += by;
  const moved = log.scrollTop - scrolled;
  requestAnimationFrame(() => requestAnimationFrame(() => {
    const now = watched.isConnected ? watched.getBoundingClientRect().top : top - moved;
    if (Math.abs(now - (top - moved)) > 2) seen.jumps.push([watched.dataset.seq, now - (top - moved)]);
    step();
  }));
}
step();
"""


# Who cannot see, or has no pointer, or little room


def test_keyboard_only__from_the_name_to_a_sent_message_and_beyond(
    page: Page, world: ChatWorld, room: str
) -> None:
    come_as_stranger(page, world.nodes[0], room)
    page.until(lambda: focused(page) == "Your name", "the name has the focus")
    press(page, "kim", Keys.ENTER)
    page.until(lambda: focused(page) == f"Message #{room}", "the message field has the focus")
    kim = Person(page, "kim")
    press(page, "one", Keys.ENTER)
    sees(kim, "one")
    press(page, "two", Keys.ENTER)
    sees(kim, "one", "two")

    while focused(page) != f"Messages in #{room}":  # The log is before the field.
        press_with(page, Keys.SHIFT, Keys.TAB)
    press(page, Keys.ARROW_UP, Keys.ARROW_UP)
    assert "one" in focused(page)
    assert page.run("return document.activeElement.matches(':focus-visible')")
    press(page, "r", "to the first", Keys.ENTER)
    page.until(lambda: page.texts(f"{ROWS}[data-seq='3'] .quote .snippet") == ["one"], "the reply is sent")

    press_with(page, Keys.CONTROL, "k")
    page.until(lambda: focused(page).startswith("Room"), "a room is asked for")
    press(page, "not a room", Keys.ENTER)
    assert "no spaces" in page.texts("dialog .wrong")[0]
    press(page, Keys.ESCAPE)
    page.until(lambda: not page.all("dialog"), "Escape closes the dialog")
    press_with(page, Keys.CONTROL, "k")
    page.until(lambda: focused(page).startswith("Room"), "a room is asked for again")
    press(page, f"{room}-b", Keys.ENTER)
    page.until(lambda: focused(page) == f"Message #{room}-b", "its field has the focus")
    press_with(page, Keys.ALT, Keys.ARROW_UP)
    page.until(lambda: focused(page) == f"Message #{room}", "Alt and an arrow lead to the other room")
    press_with(page, Keys.CONTROL, "/")
    page.until(lambda: page.texts("dialog h2") == ["Help"], "help is there")
    press(page, Keys.ESCAPE)
    assert focused(page) == f"Message #{room}", "and gives the focus back"


def test_phone__everything_fits_and_drawers_open_and_close(ann: Person, cid: Client, room: str) -> None:
    page = ann.page
    cid.send(room, "a word that is long: " + "w" * 300)
    page.resize(400, 800)
    page.until(lambda: page.all(ROWS), "the message is there")
    assert page.run("return document.documentElement.scrollWidth") == 400
    for name in ("rooms", "people"):
        pane, toggle = f"#{name}-pane", page.one(f"[data-drawer-for={name}]")
        assert not page.one(pane).is_displayed(), "closed, and out of the way of the keyboard"
        toggle.click()
        page.until(lambda p=pane: page.one(p).is_displayed(), f"{name} are shown")
        assert page.run(f"return document.querySelector('{pane}').contains(document.activeElement)")
        assert toggle.get_attribute("aria-expanded") == "true"
        assert page.run("return document.documentElement.scrollWidth") == 400
        press(page, Keys.ESCAPE)
        page.until(lambda p=pane: not page.one(p).is_displayed(), f"{name} are gone")
        assert page.run(f"return document.activeElement.dataset.drawerFor === '{name}'")
    ann.say("from the phone")
    page.until(lambda: "from the phone" in ann.delivered(), "it is sent")


def test_screen_reader__history_is_a_log_that_is_not_read_out_while_it_fills(
    page: Page, world: ChatWorld, room: str, cid: Client
) -> None:
    said(cid, room, 60)
    with every_document(page, HEARD):
        page.open("about:blank")
        ann = entered(page, "ann", world.nodes[0], room)
    page.until(lambda: "text 60" in ann.delivered(), "the history is there")
    log = page.one(".log-scroll")
    assert (log.get_attribute("role"), log.get_attribute("aria-label")) == ("log", f"Messages in #{room}")
    assert page.run("return window.heard") == [], "the history was not read out"
    cid.send(room, "and now live")
    page.until(lambda: page.run("return window.heard") == ["and now live"], "what comes live is read out")
    ann.say("my own")
    page.until(lambda: "my own" in ann.delivered(), "it is there")
    assert page.run("return window.heard") == ["and now live"], "what one wrote oneself is not"
    page.until(lambda: page.one(".log-scroll").get_attribute("aria-busy") is None, "the log is still")
    cid.call("read", {"room": room, **place_of(cid.node.messages(room, "limit=1")[0])})
    page.until(lambda: page.texts(f"{ROWS} .ticks") == ["Read"], "cid has read it")
    assert page.run("return window.heard") == ["and now live"], "nor is it because somebody has read it"
    status = page.one("#connection [role=status]")
    assert status.text == "Connected to node-1"
    assert page.run("return document.querySelector('#connection .aside').closest('[role=status]')") is None


def place_of(message: dict[str, Any]) -> dict[str, Any]:
    return {"epoch": message["epoch"], "seq": message["seq"]}


# Notes what a screen reader would read out: rows that are added while the log is neither busy nor silenced.
HEARD = """
window.heard = [];
new MutationObserver(changes => {
  for (const change of changes) for (const row of change.addedNodes) {
    const log = row.closest?.('[role=log]');
    if (!log || !row.matches('.row.message')) continue;
    const said = row.closest('[aria-live]')?.getAttribute('aria-live');
    if (log.getAttribute('aria-busy') === 'true' || said === 'off') continue;
    window.heard.push(row.querySelector('.text').textContent);
  }
}).observe(document, {childList: true, subtree: true});
"""


def test_barriers__none_in_light_dark_on_a_phone_and_in_dialogs(ann: Person, cid: Client, room: str) -> None:
    page = ann.page
    first = cid.send(room, "Look at https://example.org/")
    cid.send(room, "Well?", reply_to={"epoch": first["epoch"], "seq": first["seq"]})
    ann.say("Mine")
    page.until(lambda: len(ann.delivered()) == 3, "all are there")
    for scheme in ("light", "dark"):
        page.prefer(color_scheme=scheme, reduced_motion="reduce")
        for width in (1280, 400):
            page.resize(width, 800)
            assert page.barriers() == [], f"{scheme}, {width}"
            page.screenshot(f"chat-test-{scheme}-{width}")
        page.one("#help").click()
        assert page.barriers() == [], f"{scheme}, help"
        press(page, Keys.ESCAPE)


def test_reduced_motion__nothing_moves_by_itself(ann: Person) -> None:
    moving: Any = ann.page.run(
        "return [...document.querySelectorAll('*')].filter(e => { const s = getComputedStyle(e);"
        " return s.animationName !== 'none' || s.transitionDuration.split(', ').some(d => d !== '0s');"
        "}).length"
    )
    assert moving == 0
