"""A headless Chromium for the tests that must see what a browser makes of a page."""

import contextlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from selenium import webdriver

from tests.browser.chat_steps import entered
from tests.browser.chat_world import ChatWorld, Person
from tests.browser.page import Page
from tests.integration.node.conftest import Client
from tests.npm import installed

_PATIENCE_S = 90
_MADE_RUNS = Path(__file__).parents[1] / "unit" / "reports" / "report_runs.py"
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--allow-file-access-from-files",  # so that the outer page may look into the frames
    "--virtual-time-budget=3000",
    "--window-size=1400,900",
)
_DRIVEN = tuple(flag for flag in _FLAGS if "virtual-time" not in flag and "file-access" not in flag)


@pytest.fixture(scope="session")
def runs() -> ModuleType:
    """The module that makes run folders."""
    spec = importlib.util.spec_from_file_location("report_runs_for_browser", _MADE_RUNS)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def look(chromium: str, tmp_path: Path) -> Callable[..., Any]:
    """Load a page into frames of the given widths and return what a script saw there, by width.

    The script is the body of a function of the frame's window, and returns something for JSON.
    """

    def look(page: Path, script: str, *, widths: tuple[int, ...], dark: bool = False) -> dict[str, Any]:
        frames = "".join(
            f'<iframe id="w{w}" src="{page.as_uri()}" style="width:{w}px;height:900px;border:0"></iframe>'
            for w in widths
        )
        outer = tmp_path / "outer.html"
        outer.write_text(
            f"<!doctype html>{frames}<pre id=seen></pre><script>"
            f"function look(window) {{ const document = window.document; {script} }}"
            "onload = () => { const seen = {}; for (const f of document.querySelectorAll('iframe'))"
            " seen[f.id.slice(1)] = look(f.contentWindow);"
            " document.getElementById('seen').textContent = JSON.stringify(seen); }</script>"
        )
        dom = _dump(chromium, outer, tmp_path / "profile", dark=dark)
        seen = re.search(r'<pre id="seen">(.+?)</pre>', dom, re.DOTALL)
        assert seen is not None, f"the browser's script did not finish:\n{dom[-2000:]}"
        found: dict[str, Any] = json.loads(unescape(seen[1]))
        return found

    return look


def _dump(chromium: str, page: Path, profile: Path, *, dark: bool) -> str:
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    command = [chromium, *_FLAGS, scheme, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return done.stdout.decode("utf-8", errors="replace")


@contextlib.contextmanager
def _driven(chromium: str) -> Iterator[webdriver.Chrome]:
    driver = shutil.which("chromedriver")
    assert driver, "chromedriver is not on PATH (Debian: apt-get install chromium-driver)"
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in _DRIVEN:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


@pytest.fixture(scope="session")
def chrome(chromium: str) -> Iterator[webdriver.Chrome]:
    """A Chromium that is driven, and whose console and requests are recorded; shared by all tests."""
    with _driven(chromium) as chrome:
        yield chrome


@pytest.fixture(scope="session")
def second_chrome(chromium: str) -> Iterator[webdriver.Chrome]:
    """Another one, for a second person: tabs of one Chromium do not work at the same time."""
    with _driven(chromium) as chrome:
        yield chrome


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which finds what people with a keyboard or a screen reader cannot use."""
    return (
        installed(Path(__file__).parent / "package.json") / "node_modules/axe-core/axe.min.js"
    ).read_text()


@pytest.fixture
def page(chrome: webdriver.Chrome, axe: str) -> Iterator[Page]:
    """A fresh tab; at the test's end nothing may be in its console that the test did not expect."""
    with _tab(chrome, axe) as page:
        yield page


@pytest.fixture
def second_page(second_chrome: webdriver.Chrome, axe: str) -> Iterator[Page]:
    """The same in the second browser."""
    with _tab(second_chrome, axe) as page:
        yield page


@contextlib.contextmanager
def _tab(chrome: webdriver.Chrome, axe: str) -> Iterator[Page]:
    home = chrome.current_window_handle
    chrome.switch_to.new_window("tab")
    page = Page(chrome, axe)
    try:
        yield page
    finally:
        try:
            page.close()
        finally:
            chrome.switch_to.window(home)


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatWorld]:
    """Redis and three nodes that nobody but the tests has started."""
    with ChatWorld.started(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def world(shared_world: ChatWorld) -> ChatWorld:
    """The same, and all of it well."""
    shared_world.heal()
    return shared_world


@pytest.fixture
def room() -> str:
    """A room that no other test uses."""
    return f"room-{time.monotonic_ns()}"


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
