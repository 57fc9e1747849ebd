"""The chat page before one is in: where not all files are to be had, and where a token is asked for."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from flask import Flask, abort, request
from selenium.webdriver.common.keys import Keys
from werkzeug.serving import make_server

from cluster.page import FOLDER, PageFiles
from harness.backends.redis_binary import find_redis_binary
from tests.browser.chat_steps import sees
from tests.browser.chat_world import Person
from tests.browser.page import Page
from tests.integration.node.conftest import Node, Redis

pytestmark = [pytest.mark.browser, pytest.mark.process]

SENTENCE = "#loading span"


class PageServer:
    """Serves the page's files, but for those that are `cut`; says that it serves while it `answers`."""

    def __init__(self, folder: Path) -> None:
        self.cut: set[str] = set()
        self.answers = True
        app = Flask("page", static_folder=None)
        PageFiles(tuple, folder).register(app)
        app.before_request(self._cut)
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def _cut(self) -> None:
        asked = request.method == "HEAD" and not self.answers
        if asked or request.path.rpartition("/")[2] in self.cut:
            abort(503)

    @contextlib.contextmanager
    def running(self) -> Iterator["PageServer"]:
        thread = Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


@pytest.fixture
def server() -> Iterator[PageServer]:
    with PageServer(FOLDER).running() as server:
        yield server


def test_a_module_is_cut_off__said__and_loaded_anew_by_itself_into_the_same_room(
    page: Page, server: PageServer
) -> None:
    page.expected = ("503 (SERVICE UNAVAILABLE)", "The page could not be loaded:")
    server.cut = {"message_log.js"}
    server.answers = False  # Until all was looked at: it is not loaded anew meanwhile.
    page.resize(1280, 800)
    page.open(f"{server.url}#/room/attic")
    page.until(lambda: "did not come" in "".join(page.texts(SENTENCE)), "it is said")
    assert "The next try is in " in page.texts(SENTENCE)[0]
    assert page.one("#loading").is_displayed()
    assert page.one("#loading a").text == "Load it now"
    assert page.barriers() == []
    page.screenshot("chat-cut-off")
    page.prefer(color_scheme="dark")
    page.resize(400, 700)
    page.screenshot("chat-cut-off-dark-400")
    server.cut, server.answers = set(), True
    page.until(lambda: page.all("#welcome:not([hidden])"), "the page is there")
    assert page.texts("#welcome-to") == ["You are about to enter #attic."]
    assert not page.all("#loading")


def test_the_first_module_is_cut_off__the_bare_page_says_so_and_leads_back(
    page: Page, server: PageServer
) -> None:
    page.expected = ("503 (SERVICE UNAVAILABLE)",)
    server.cut = {"start.js"}
    page.open(server.url)
    page.until(lambda: page.one("#loading").is_displayed(), "it is said, after a while")
    assert page.texts(SENTENCE) == ["The page has not come completely from this node yet."]
    server.cut = set()
    page.one("#loading a").click()
    page.until(lambda: page.all("#welcome:not([hidden])"), "the page is there")


def test_without_the_official_client__one_sentence_says_how_to_get_it(page: Page, tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "page", ignore=shutil.ignore_patterns("vendor"))
    with PageServer(tmp_path / "page").running() as server:
        page.open(server.url)
        page.until(lambda: page.all("#refusal:not([hidden])"), "it is said")
        assert "install npm, run “make setup”" in page.texts("#refusal")[0]
        page.until(lambda: not page.all("#loading"), "all files have come")
        assert not page.all("#app:not([hidden]), #welcome:not([hidden])"), "and nothing else is there"


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
