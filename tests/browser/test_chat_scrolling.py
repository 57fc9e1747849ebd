"""The chat page: who scrolls looks at what they want to, in a room with thousands of messages, too."""

import contextlib
import json
import time

import pytest
import websocket

from tests.browser.chat_steps import IN_VIEW, ROWS, entered, focused, open_room, said
from tests.browser.chat_world import ChatWorld, Person
from tests.browser.page import Page
from tests.integration.node.conftest import Client

pytestmark = [pytest.mark.browser, pytest.mark.process]

MANY = 10_000


PLACES = """
return Object.fromEntries([...document.querySelectorAll('#chat .row.message')]
  .map(row => [row.dataset.seq, Math.round(row.getBoundingClientRect().top)])
  .filter(([seq, top]) => top > 100 && top < 700));
"""


# Scrolls up from the end; again where the log was following just then.
UP = """
if (document.querySelector('.pill:not([hidden])')) return true;
document.querySelector('.log-scroll').scrollTop -= 600;
"""


TO_THE_TOP = f"document.querySelector('.log-scroll').scrollTop = 0; {PLACES}"


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
