"""The chat page by keyboard, by ear, on a phone, in light and dark."""

from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.chat_steps import (
    HEARD,
    ROWS,
    come_as_stranger,
    entered,
    every_document,
    focused,
    press,
    press_with,
    said,
    sees,
)
from tests.browser.chat_world import ChatWorld, Person
from tests.browser.page import Page
from tests.integration.node.conftest import Client

pytestmark = [pytest.mark.browser, pytest.mark.process]


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
