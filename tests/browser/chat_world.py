"""Real nodes and Redis for the chat page, people who use it, and a witness of all that they were shown."""

import contextlib
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from selenium.webdriver.common.keys import Keys

from harness.backends.redis_binary import find_redis_binary
from tests.browser.page import Page
from tests.integration.node.conftest import Node, Process, Redis

NODES = 3

# What a page's console says of a node that is gone; nothing else is expected of one.
_GONE = (
    "net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE|TIMED_OUT|SOCKET_NOT_CONNECTED)"
    "|Connection closed before receiving a handshake response|WebSocket is closed before"
)

WITNESS = """
const shown = window.witness = {committed: {}, moved: [], twice: [], failed: [], gaps: 0, connection: []};
const look = () => {
  const texts = new Set();
  for (const row of document.querySelectorAll("#chat .row.message")) {
    const text = row.querySelector(".text").textContent;
    if (texts.has(text)) shown.twice.push(text);
    texts.add(text);
    if (row.classList.contains("failed")) shown.failed.push(text);
    const seq = Number(row.querySelector(".seq")?.textContent.replace("#", "") ?? 0);
    if (seq && shown.committed[text] && shown.committed[text] !== seq) shown.moved.push(text);
    if (seq) shown.committed[text] = seq;
  }
  shown.gaps += document.querySelectorAll("#chat .divider.gap").length;
  const kind = document.getElementById("connection").dataset.kind;
  if (kind !== shown.connection.at(-1)) shown.connection.push(kind);
};
new MutationObserver(look).observe(
  document.getElementById("app"), {subtree: true, childList: true, attributes: true, characterData: true});
look();
"""


class Person:
    """Somebody who uses the chat page in a browser of their own."""

    def __init__(self, page: Page, user: str) -> None:
        self.page = page
        self.user = user
        self.sent: list[str] = []

    def enter(self, node: Node, room: str) -> None:
        """Open the page of a node, in a room, and begin to witness what is shown.

        The browser has kept nothing from tests before: a page goes back to all rooms of its user.
        """
        self.page.forget(node.url)
        self.page.open_until(
            f"{node.url}/?user={self.user}#/room/{room}",
            lambda: self.connection == f"Connected to {node.name}",
            f"{self.user} is connected",
        )
        self.page.until(lambda: self.page.all(".people-pane .person"), f"{self.user} is in the room")
        self.page.run(WITNESS)

    @property
    def connection(self) -> str:
        """What the page says of the connection."""
        return "".join(self.page.texts("#connection .sentence"))

    @property
    def seen(self) -> dict[str, Any]:
        """What was shown since `enter`. Gone after a reload of the page: then this fails."""
        found: dict[str, Any] = self.page.run("return window.witness")
        assert found is not None, "the page was loaded anew"
        return found

    def write(self, text: str) -> None:
        """Type, and leave it there."""
        self.page.one("#chat .composer textarea").send_keys(text)

    def say(self, text: str) -> None:
        """Type and send."""
        self.sent.append(text)
        self.write(text + Keys.ENTER)

    def talk(self, stop: Event, pause_s: float) -> None:
        """Say one thing after the other, until told to stop."""
        while not stop.is_set():
            self.say(f"{self.user} {len(self.sent) + 1}")
            stop.wait(pause_s)

    def delivered(self) -> list[str]:
        """Return the texts that are in the log as the page shows it, in its order."""
        return self.page.texts("#chat .row.message:not(.pending) .text")

    def wait_for_all(self, count: int) -> None:
        """Wait until so many messages are there, and none is on its way."""
        try:
            self.page.until(lambda: not self.pending() and len(self.delivered()) >= count, "all messages")
        except AssertionError as error:
            there = f"{len(self.delivered())} of {count}, pending {self.pending()}, {self.connection}"
            raise AssertionError(f"{self.user}: {error}: {there}") from error

    def pending(self) -> list[str]:
        """Return the texts that are on their way."""
        return self.page.texts("#chat .row.pending .text")


@dataclass
class ChatWorld:
    """Redis and nodes, all well at the beginning of each test (`heal`)."""

    redis: Redis
    nodes: list[Node]

    @classmethod
    @contextlib.contextmanager
    def started(cls, folder: Path) -> Iterator["ChatWorld"]:
        """Start Redis and the nodes; end them however it ends."""
        with contextlib.ExitStack() as stack:
            redis = Redis(folder, find_redis_binary())
            redis.start()
            stack.callback(redis.process.kill)
            nodes = [Node(redis, folder, f"node-{i}") for i in range(1, NODES + 1)]
            for node in nodes:
                node.start(ready=False)
                stack.callback(node.process.kill)
            world = cls(redis, nodes)
            world.heal()
            yield world

    def heal(self) -> None:
        """Let everybody run again, and wait until all nodes know it."""
        _revive(self.redis.process, self.redis.start)
        for node in self.nodes:
            _revive(node.process, node.process.start)
        deadline = time.monotonic() + 30
        for node in self.nodes:
            while node.get("/ready")[0] != 200 or list(node.peers().values()) != ["alive"] * (NODES - 1):
                assert time.monotonic() < deadline, f"{node.name}: {node.get('/ready')}, {node.peers()}"
                time.sleep(0.05)

    def texts(self, room: str) -> list[str]:
        """Return what is in a room's log, from the last node."""
        return [message["text"] for message in self.nodes[-1].messages(room)]

    def expect_gone(self, *people: Person, nodes: list[Node]) -> None:
        """The consoles may say that these nodes are gone, and nothing else."""
        for person in people:
            person.page.expect(gone([node.url for node in nodes]))


def gone(urls: list[str]) -> Callable[[str], bool]:
    """Return what tells whether a line of a console says that one of these nodes is gone."""
    hosts = "|".join(re.escape(url.removeprefix("http://")) for url in urls)
    asked = rf"http://({hosts})/\S* - Failed to load resource: ({_GONE})"
    connected = rf"WebSocket connection to 'ws://({hosts})/[^']*' failed: .*({_GONE})"
    pattern = re.compile(f"SEVERE (.* )?({asked}|{connected})")
    return lambda line: pattern.match(line) is not None


def storeless(line: str) -> bool:
    """Tell whether a line of a console says that a list of rooms was asked for while Redis was away."""
    return re.match(r"SEVERE http://127\.0\.0\.1:\d+/rooms\?\S* - Failed to load .* 503 ", line) is not None


def _revive(process: Process, start: Callable[[], None]) -> None:
    assert process.popen is not None
    if process.popen.poll() is None:
        process.signal(signal.SIGCONT)
    else:
        start()


@contextlib.contextmanager
def talking(*people: Person, pause_s: float = 0.0) -> Iterator[None]:
    """Let people write at once, each in a thread and a browser of their own, for as long as it lasts."""
    stop = Event()
    with ThreadPoolExecutor(len(people)) as threads:
        talks = [threads.submit(person.talk, stop, pause_s) for person in people]
        try:
            yield
        finally:
            stop.set()
        for talk in talks:
            talk.result(timeout=30)
