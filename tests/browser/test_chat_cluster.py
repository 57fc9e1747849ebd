"""The cluster view: what it tells of nodes, and members that are killed and restarted from it."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from harness.supervisor.control import ask
from harness.supervisor.records import Access
from tests.browser.chat_world import ChatWorld, gone
from tests.browser.page import Page
from tests.integration.supervisor.conftest import Machine

pytestmark = [pytest.mark.browser, pytest.mark.process]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("m"))
    yield machine
    machine.clear()


@pytest.fixture(scope="module")
def cluster(machine: Machine) -> dict[str, Any]:
    """A cluster that `wordaround up` has started."""
    return machine.up("--backend", "process", "--nodes", "3")


class View:
    """The cluster view of a page."""

    def __init__(self, page: Page, cluster: dict[str, Any]) -> None:
        self.page = page
        self.urls = {
            member["name"]: member["url"] for member in cluster["members"] if member["role"] == "node"
        }

    def open(self, name: str, room: str) -> None:
        self.page.open_until(
            f"{self.urls[name]}/?user=ada#/cluster/{room}",
            lambda: self.states() == ["In step"] * 3,
            "all panes are in step",
        )

    def states(self) -> list[str]:
        return self.page.texts(".mirror-state")

    def of(self, node: str, part: str) -> str:
        return "".join(self.page.texts(f'.mirror[data-node="{node}"] {part}'))

    def lines(self, node: str) -> list[str]:
        """Return the texts of a pane's messages, without those that are on their way."""
        return self.page.texts(f'.mirror[data-node="{node}"] .line:not(.line-pending):not(.line-committed)')

    def say(self, node: str, text: str) -> None:
        self.page.one(f'.mirror[data-node="{node}"] .mirror-input').send_keys(text + Keys.ENTER)

    def row(self, node: str) -> list[str]:
        return self.page.texts(f'.nodes tr[data-node="{node}"] > *')

    def button(self, node: str, place: str = ".mirror") -> Any:
        return self.page.until(
            lambda: next(iter(self.page.all(f'{place} [data-node="{node}"] button, '
                                            f'{place}[data-node="{node}"] .mirror-corner button')), None),
            f"a button for {node}",
        )  # fmt: skip


@pytest.fixture
def view(page: Page, cluster: dict[str, Any]) -> View:
    return View(page, cluster)


def test_panes__a_node_is_killed_and_restarted_by_their_buttons__its_pane_waits_and_catches_up(
    view: View, room: str
) -> None:
    page = view.page
    page.resize(1400, 1060)
    page.expect(gone([view.urls["node-2"]]))
    view.open("node-1", room)
    for node in ("node-1", "node-2", "node-3"):
        view.say(node, f"from {node}")
    page.until(lambda: all(len(view.lines(node)) == 3 for node in view.urls), "all panes have the three")
    button = view.button("node-2")
    button.click()
    assert (button.text, view.of("node-2", ".mirror-state")) == ("Kill node-2?", "In step"), "it asks back"
    time.sleep(0.4)  # A second press that comes sooner is taken for the end of a double click.
    button.click()
    page.until(lambda: view.of("node-2", ".mirror-state") == "No connection", "its pane says so")
    page.until(lambda: view.row("node-2")[1] == "down", "the table says so")
    for number in range(1, 5):
        view.say("node-1", f"meanwhile {number}")
    view.say("node-2", "waits for its node")
    page.until(lambda: view.of("node-2", ".mirror-lag") == "4 behind", "how far it is behind")
    page.until(lambda: view.of("node-3", ".mirror-lag") == "0 behind", "the third is level")
    assert view.of("node-2", ".mirror-waiting") == "1 of its own waiting"
    page.screenshot("panes-killed")
    page.prefer(color_scheme="dark", reduced_motion="reduce")  # No colour on its way to another one.
    page.screenshot("panes-killed-dark")
    assert page.barriers() == []
    page.until(lambda: view.button("node-2").text == "Restart", "it can be restarted")
    view.button("node-2").click()
    page.until(lambda: view.states() == ["In step"] * 3, "it is back")
    page.until(lambda: "Caught up 4 messages" in view.of("node-2", ".mirror-log"), "it has caught up")
    page.until(lambda: all(len(view.lines(node)) == 8 for node in view.urls), "all have all")
    assert view.lines("node-1") == view.lines("node-2") == view.lines("node-3")
    assert view.of("node-2", ".mirror-name") == "node-2", "it has stayed with its node"
    page.screenshot("panes-recovered-dark")


def test_restart__of_the_node_that_the_page_came_from__the_page_lives_on_without_it_and_starts_it(
    view: View, machine: Machine, cluster: dict[str, Any], room: str
) -> None:
    page = view.page
    page.expect(gone([view.urls["node-1"]]))
    connected = lambda: "".join(page.texts("#connection .sentence"))  # noqa: E731
    page.open_until(
        f"{view.urls['node-1']}/?user=ada#/room/{room}",
        lambda: connected() == "Connected to node-1" and page.all(".people-pane .person"),
        "ada is in the room",
    )
    ask(Access(**machine.access(cluster)), "kill", "node-1", timeout_s=20)
    page.until(lambda: connected() in ("Connected to node-2", "Connected to node-3"), "ada has moved")
    page.run(f"location.hash = '#/cluster/{room}'")
    page.until(lambda: view.of("node-1", ".mirror-state") == "No connection", "its pane says so")
    page.until(lambda: view.button("node-1").text == "Restart", "it can be restarted")
    view.button("node-1").click()
    page.until(lambda: view.states() == ["In step"] * 3, "it is back")


@pytest.mark.parametrize("width", [1280, 400])
def test_cluster_view__light_and_dark__anybody_can_use_it_and_it_fits(
    view: View, room: str, width: int
) -> None:
    page = view.page
    page.resize(width)
    view.open("node-1", room)
    view.button("node-1", ".nodes")
    page.until(lambda: page.texts(".cluster-summary") == ["3 of 3 nodes serving."], "all are serving")
    for scheme in ("light", "dark"):
        page.prefer(color_scheme=scheme, reduced_motion="reduce")
        assert page.barriers() == []
        page.screenshot(f"cluster-{width}-{scheme}")
    sideways, there = page.run(
        "const e = document.getElementById('cluster'); return [[document.documentElement, e].map("
        "e => e.scrollWidth - e.clientWidth), e.clientWidth]"
    )
    assert (sideways, there) == ([0, 0], width), "nothing scrolls sideways"


def test_cluster_view__what_nodes_and_peers_say__is_in_the_table(view: View, room: str) -> None:
    view.open("node-2", room)
    for node in view.urls:
        view.page.until(lambda node=node: view.row(node)[1:3] == ["serving", "alive"], f"{node} serves")
        row = view.row(node)
        assert (row[3], row[6]) == ("0 entries", "reachable")
        assert row[4].endswith(" ms")
    view.page.until(
        lambda: [view.row(node)[5] for node in view.urls] == ["1", "2", "1"], "connections are counted"
    )
    assert view.row("node-2")[0].endswith("serves you")
    hosts = {url.split("/")[2] for url in view.page.requested()}
    control = next(iter(hosts - {url.removeprefix("http://") for url in view.urls.values()}))
    assert len(hosts) == 4, f"it asks the nodes and the control ({control}), and nobody else"
    assert control.startswith("127.0.0.1:")


def test_talker__while_it_talks__panes_show_the_same_and_it_stops_when_told(view: View, room: str) -> None:
    view.open("node-3", room)
    talk = view.page.one(".talk")
    assert talk.text == "Let them talk", "nobody talks who was not asked to"
    talk.click()
    view.page.until(lambda: min(len(view.lines(node)) for node in view.urls) >= 4, "all have heard four")
    assert talk.text.startswith("Stop talking")
    talk.click()
    view.page.until(lambda: talk.text == "Let them talk", "it has stopped")
    assert talk.get_attribute("aria-pressed") == "false"
    view.page.until(lambda: len({tuple(view.lines(node)) for node in view.urls}) == 1, "all have the same")
    said = [line.split("@")[1].split(" ")[0][:6] for line in view.lines("node-1")]
    assert said[:3] == ["node-1", "node-2", "node-3"], "they take turns"


READ_CONTROL = """
const done = arguments[arguments.length - 1];
const ask = (mode) => fetch(arguments[0] + "/control", {method: "POST", mode})
  .then((answer) => answer.text()).catch((error) => error.name);
Promise.all([ask("cors"), ask("no-cors")]).then(done);
"""


class Blank(BaseHTTPRequestHandler):
    """A page of somebody else on this machine."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><link rel=icon href=data:,><title>foreign</title>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def foreign_page() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Blank)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_control__a_foreign_page_in_the_same_browser__cannot_read_it(view: View, foreign_page: str) -> None:
    refused = f"{view.urls['node-1']}/control"
    view.page.expect(lambda line: refused in line and ("CORS policy" in line or "Failed to load" in line))
    view.page.open(foreign_page)
    assert view.page.chrome.execute_async_script(READ_CONTROL, view.urls["node-1"]) == [
        "TypeError",
        "TypeError",
    ]


def test_control__a_page_of_another_node__has_to_ask_its_own(view: View, room: str) -> None:
    refused = f"{view.urls['node-1']}/control"
    view.page.expect(lambda line: refused in line and ("CORS policy" in line or "Failed to load" in line))
    view.open("node-2", room)
    assert view.page.chrome.execute_async_script(READ_CONTROL, view.urls["node-1"]) == [
        "TypeError",
        "TypeError",
    ]


def test_buttons__with_the_keyboard_alone__ask_back_and_can_be_left(view: View, room: str) -> None:
    page = view.page
    view.open("node-1", room)
    button = view.button("node-3", ".nodes")
    keys = lambda *which: ActionChains(page.chrome).send_keys(*which).perform()  # noqa: E731
    page.run("arguments[0].focus()", button)
    keys(Keys.ENTER)
    assert (button.text, button.get_attribute("aria-label")) == ("Kill node-3?", "Kill node-3?")
    keys(Keys.ESCAPE)
    assert button.text == "Kill"
    keys(Keys.ENTER)
    keys(Keys.TAB)
    assert button.text == "Kill", "who goes on has not confirmed"
    page.until(lambda: view.row("node-3")[1] == "serving", "it serves")


def test_buttons__where_nobody_started_the_cluster__there_are_none(page: Page, world: ChatWorld) -> None:
    page.open_until(
        f"{world.nodes[0].url}/?user=ada#/cluster",
        lambda: page.texts(".mirror-state") == ["In step"] * 3,
        "the panes are in step",
    )
    page.until(lambda: page.texts('.nodes tr[data-node="node-3"] td')[:1] == ["serving"], "a row for each")
    page.until(lambda: any(url.endswith("/control") for url in page.requested()), "it has asked")
    assert page.all(".guarded, .restart") == []
    assert "Control" not in page.texts(".nodes th")
