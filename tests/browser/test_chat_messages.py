"""The chat page: a message is text, answers another one, and says why it failed."""

from urllib.parse import quote

import pytest

from tests.browser.chat_steps import IN_VIEW, ROWS, press, said, sees
from tests.browser.chat_world import ChatWorld, Person
from tests.browser.page import Page
from tests.integration.node.conftest import Client

pytestmark = [pytest.mark.browser, pytest.mark.process]

HOSTILE = "<img src=x onerror=\"window.hurt='name'\">"

HOSTILE_TEXT = "<script>window.hurt = 'text'</script> <b>bold</b> javascript:alert(1) &amp; \u202egnol"


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
