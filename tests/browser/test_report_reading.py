"""The report as it is read: by eye, keyboard and screen reader, on a phone, on paper; and when attacked."""

import base64
import importlib.util
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from reports import write_reports
from tests.browser.page import Page

pytestmark = pytest.mark.browser

KINDS = ("passing", "unexpected_failing", "unknown")
FOLDED = "witness-complete-delivery-20"  # in a story that is folded away twice
# Without the long tables of numbers, all rows of which are alike: axe looks at every cell.
STORIES_OPEN = """
const long = '[aria-labelledby=timeline], [aria-labelledby=plan]';
for (const box of document.querySelectorAll('details')) box.open = !box.closest(long);
"""
EVERYTHING_OPEN = "for (const box of document.querySelectorAll('details')) box.open = true"

HEADINGS = """
return [...document.querySelectorAll('h1, h2, h3, h4')].map(h => Number(h.tagName[1]));
"""
LANDMARKS = """
return ['header', 'main', 'nav', 'footer'].map(
  name => document.querySelectorAll(`body > ${name}`).length);
"""
FITS = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def reports(runs: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the report of a made run of that kind; each is made once."""
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            folder = getattr(runs, kind)(tmp_path_factory.mktemp(kind)).folder
            write_reports(folder)
            made[kind] = Path(folder.report)
        return made[kind]

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_no_barrier_and_no_request_in_light_dark_and_on_a_phone(
    kind: str, reports: Callable[[str], Path], page: Page
) -> None:
    page.open(reports(kind))
    page.run(STORIES_OPEN)
    for width, scheme in ((1280, "light"), (400, "dark")):
        page.resize(width)
        page.prefer(color_scheme=scheme)
        assert page.barriers() == [], f"{width} {scheme}"
        assert page.run(FITS), f"{width}: the page scrolls sideways"
        page.screenshot(f"report-{kind}-{scheme}-{width}", whole=True)
    assert all(url.startswith("file:") for url in page.requested())


def test_headings_descend_by_one_and_there_are_landmarks(reports: Callable[[str], Path], page: Page) -> None:
    page.open(reports("unexpected_failing"))
    levels = page.run(HEADINGS)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert page.run(LANDMARKS) == [1, 1, 1, 1]


def test_the_first_key_leads_past_the_first_screen(reports: Callable[[str], Path], page: Page) -> None:
    page.open(reports("passing"))
    page.one("body").send_keys(Keys.TAB)
    skip = page.chrome.switch_to.active_element
    assert skip.text == "Skip to the report"
    assert skip.location["x"] >= 0
    skip.send_keys(Keys.ENTER)
    page.until(
        lambda: page.run("return document.activeElement.tagName") == "MAIN", "the report has the focus"
    )


def test_the_command_can_be_copied(reports: Callable[[str], Path], page: Page) -> None:
    page.chrome.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    page.open(reports("passing"))
    page.one("button.copy").click()
    page.until(lambda: page.one("#copied").text, "something is said")
    assert page.one("#copied").text == "Copied"
    copied = page.chrome.execute_async_script(
        "const done = arguments[0]; navigator.clipboard.readText().then(done, e => done(String(e)))"
    )
    assert copied == page.one("#command").text


def test_a_link_opens_the_story_that_it_leads_to(reports: Callable[[str], Path], page: Page) -> None:
    page.prefer(reduced_motion="reduce")  # A page that still scrolls cannot be clicked.
    page.open(reports("unexpected_failing"))
    seen = "const e = document.getElementById(arguments[0]); return e.checkVisibility()"
    assert not page.run(seen, FOLDED)
    page.run("location.hash = arguments[0]", FOLDED)
    page.until(lambda: page.run(seen, FOLDED), "the story is open")
    drawn = page.one("#witness-complete-delivery-0 svg.sequence")
    assert drawn.size["width"] > 400
    page.one("blockquote a").click()
    page.until(
        lambda: 0 <= page.run("return arguments[0].getBoundingClientRect().top", drawn) < 900,
        "it is in sight",
    )
    page.screenshot("report-story")


def test_on_paper_every_story_is_told_and_nothing_runs_off_the_edge(
    reports: Callable[[str], Path], page: Page
) -> None:
    page.open(reports("unexpected_failing"))
    page.resize(720)
    page.prefer(color_scheme="dark")
    page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    stories = page.run(
        "return [...document.querySelectorAll('.stories > li bdi')].filter(e => e.checkVisibility()).length"
    )
    assert stories == 32
    assert not page.run("return document.querySelector('nav').checkVisibility()")
    assert page.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.run(FITS)
    page.screenshot("report-printed", whole=True)
    printed = page.chrome.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")


def _module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", ["unexpected_failing", "unknown"])
def test_scripts_planted_everywhere_are_text_and_never_run(
    kind: str, runs: Any, tmp_path: Path, page: Page
) -> None:
    unit = Path(__file__).parents[1] / "unit/reports/test_report_hostile.py"
    hostile = _module("report_hostile_for_browser", unit)
    planted = "</script><script>window.ran = 1</script><img src=x onerror='window.ran = 1'>\"' onclick=1 ]]>"
    hostile.EVIL = planted
    made = getattr(runs, kind)(tmp_path)
    hostile.poison(made)
    write_reports(made.folder)
    page.open(Path(made.folder.report))
    page.run(EVERYTHING_OPEN)
    page.run(
        "for (const e of document.querySelectorAll('button, summary, svg'))"
        " e.dispatchEvent(new Event('click'))"
    )
    assert page.run("return window.ran") is None
    assert page.all("img") == []
    assert all("window.ran" not in script for script in page.texts("script:not([type])"))
    text = page.run("return document.body.innerText")
    assert text.count("<script>window.ran = 1</script>") > 100
    assert page.run(FITS)
    page.screenshot(f"report-hostile-{kind}", whole=True)
