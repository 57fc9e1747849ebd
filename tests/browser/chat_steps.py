"""What people do at the chat page in a browser, and how one looks whether they see it."""

import contextlib
import time
from collections.abc import Iterator

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.browser.chat_world import Person
from tests.browser.page import Page
from tests.integration.node.conftest import Client, Node

FIELD = "#chat .composer textarea"
ROWS = "#chat .row.message"


IN_VIEW = """
const log = document.querySelector('.log-scroll').getBoundingClientRect();
const row = document.querySelector(arguments[0])?.getBoundingClientRect();
return row && row.top >= log.top - 1 && row.bottom <= log.bottom + 1;
"""


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


# Whatever a page does every few seconds it does sooner.
SOONER = """
const every = setInterval;
window.setInterval = (act, ms) => every(act, Math.min(ms, 200));
"""


def entered(page: Page, user: str, node: Node, room: str) -> Person:
    """Open the page of a node in a room, and wait until its history is there."""
    page.resize(1280, 800)
    page.prefer(color_scheme="light", reduced_motion="reduce")
    person = Person(page, user)
    person.enter(node, room)
    page.until(lambda: page.one(".log-scroll").get_attribute("aria-busy") is None, "the log is filled")
    return person


def come_as_stranger(page: Page, node: Node, room: str) -> None:
    """Follow a link to a room in a browser that knows no name yet."""
    page.forget(node.url)
    page.open(f"{node.url}/#/room/{room}")


def open_room(page: Page, room: str) -> None:
    """Join a room by the dialog."""
    page.until(
        lambda: page.one("[data-act=new]").click() or True, "the button, which may be drawn anew, is pressed"
    )
    page.one("dialog input").send_keys(room + Keys.ENTER)
    page.until(lambda: page.texts("#room-title") == [f"#{room}"], f"{room} is open")


def sees(person: Person, *texts: str) -> None:
    """Wait until these messages, and no others, are in the log as somebody sees it."""
    try:
        person.page.until(lambda: person.delivered() == list(texts), f"{person.user} sees {texts}")
    except AssertionError as error:
        there = f"{person.delivered()}, pending {person.page.texts(f'{ROWS}.pending')}, {person.connection}"
        raise AssertionError(f"{error}: {there}") from error


def said(client: Client, room: str, count: int) -> None:
    """Have a client say `text 1` to `text COUNT`, without waiting for each."""
    start = time.monotonic()
    before = len(client.live(room))
    for number in range(1, count + 1):
        client.io.emit("send_message", {"room": room, "text": f"text {number}"})
    client.wait_for(lambda: len(client.live(room)) >= before + count, f"{count} said since {start}")


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


@contextlib.contextmanager
def every_document(page: Page, source: str) -> Iterator[None]:
    """Run a script in each document that is loaded meanwhile, before its own ones."""
    added = page.chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    yield
    page.chrome.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
