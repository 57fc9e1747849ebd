"""The timeline in a real browser: exact values, one zoom for all panels, a way back, and to the stories."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Keys

from harness.records.codec import read_json, write_json
from harness.records.plan import Plan
from reports import write_reports
from tests.browser.page import Page
from tests.unit.reports.large_runs import large
from tests.unit.reports.report_runs import unexpected_failing

pytestmark = pytest.mark.browser

EVENTS = 2_000_000
HEADS = ("attempted", "acknowledged", "rejected", "indeterminate")

PATHS = """
const svg = [...document.querySelectorAll('svg.timeline')].find(s => s.getBoundingClientRect().width > 0);
return [...svg.querySelectorAll('[data-series]')].map(p =>
  [p.closest('[data-panel]').dataset.panel + ' ' + p.getAttribute('class'), p.getAttribute('d')]);
"""
MARKS = """
const svg = [...document.querySelectorAll('svg.timeline')].find(s => s.getBoundingClientRect().width > 0);
const at = e => { const b = e.getBoundingClientRect(); return (b.left + b.right) / 2; };
return [...svg.querySelectorAll('.violations a')].filter(a => a.getAttribute('display') !== 'none')
  .map(a => [Number(a.dataset.t), at(a)]);
"""
OPENED_MS = "return performance.getEntriesByType('navigation')[0].loadEventEnd"


class Timeline:
    """The picture that is seen, as a reader handles it; moments are seconds from the start of the load."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.sheet = next(e for e in page.all(".timeline .sheet") if e.size["width"])
        page.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", self.sheet)
        low, high = page.run(
            "const s = arguments[0].ownerSVGElement.dataset; return [Number(s.low), Number(s.high)]",
            self.sheet,
        )
        self.whole = self.shown = (low, high)

    def _to(self, seconds: float, share: float = 0.5) -> ActionChains:
        size, (low, high) = self.sheet.size, self.shown
        x = round(((seconds - low) / (high - low) - 0.5) * size["width"])
        y = round((share - 0.5) * size["height"])
        return ActionChains(self.page.chrome, 0).move_to_element_with_offset(self.sheet, x, y)

    def hover(self, seconds: float, share: float = 0.5) -> dict[str, str]:
        """Point at a moment; returns what is told of it, by the rows' names, and the caption under ""."""
        self._to(seconds, share).perform()
        return self.told()

    def told(self) -> dict[str, str]:
        """What is told at the moment; of rows of one name the first counts."""
        return {row[0]: row[-1] for row in reversed(self.rows())}

    def rows(self) -> list[list[str]]:
        rows: list[list[str]] = self.page.run(
            "const t = document.querySelector('.tip:not([hidden]) table'); if (!t) return [];"
            "const rows = [...t.rows].map(r => [...r.cells].map(c => c.textContent));"
            "return [['', t.caption.textContent], ...rows]"
        )
        return rows

    def lane(self, number: int) -> float:
        """Where in the height of the picture a member's lane is."""
        share: float = self.page.run(
            "const lane = [...document.querySelectorAll(`[data-lane='${arguments[1]}'] rect`)]"
            "  .map(e => e.getBoundingClientRect()).find(box => box.width);"
            "const sheet = arguments[0].getBoundingClientRect();"
            "return ((lane.top + lane.bottom) / 2 - sheet.top) / sheet.height",
            self.sheet,
            number,
        )
        return share

    def brush(self, start: float, end: float) -> None:
        """Drag from a moment to another."""
        self._to(start).click_and_hold().perform()
        self._to(end).release().perform()
        self.shown = self.range()

    def keys(self, *keys: str) -> None:
        ActionChains(self.page.chrome, 0).send_keys(*keys).perform()
        self.shown = self.range()

    def range(self) -> tuple[float, float]:
        """The bounds that the page names."""
        [words] = self.page.texts(".picture .range")
        found = re.match(r"(\S+) s to (\S+) s,", words)
        if found is None:
            assert words.startswith("Whole run,")
            return self.whole
        low, high = (float(number.replace("−", "-").replace(",", "")) for number in found.groups())
        return low, high

    def paths(self) -> dict[str, str]:
        return dict(self.page.run(PATHS))


@pytest.fixture(scope="module")
def large_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a failing run with two million events."""
    folder = large(tmp_path_factory.mktemp("large"), events=EVENTS).folder
    write_reports(folder)
    return folder.report


@pytest.fixture
def open_large(large_report: Path, page: Page) -> Timeline:
    page.resize(1280, 1100)
    page.open(large_report)
    return Timeline(page)


def test_two_million_events_open_at_once(large_report: Path, page: Page) -> None:
    assert large_report.stat().st_size < 5_000_000
    opened = []
    for _ in range(3):
        page.open(large_report)
        page.until(lambda: page.run(OPENED_MS) > 0, "the page was loaded")
        opened.append(page.run(OPENED_MS))
    assert min(opened) < 2_000, f"opened in {opened} ms"
    assert page.all(".picture.zoomable"), "the script did not run"
    assert all(url.startswith("file:") for url in page.requested())


def test_hovering_tells_the_exact_values_of_every_series(open_large: Timeline) -> None:
    told = open_large.hover(5.3)
    rows = open_large.page.run(
        "const rows = [...document.querySelectorAll('table.numbers tbody tr')];"
        "return rows.map(r => [...r.cells].map(c => c.textContent))"
    )
    heads = open_large.page.texts("table.numbers thead th")
    row = dict(zip(heads, next(row for row in rows if row[0] == "5 s"), strict=True))
    assert told[""] == "5 to 5.5 s"
    assert {name: told[name].split("  ")[0] for name in HEADS} == {name: row[name] for name in HEADS}
    assert told["live"].split("  ")[0] == row["live deliveries"]
    assert told["p99"] in (row["ack p99 or slowest"], row["delivery p99 or slowest"])
    assert sum(int(told[f"node-{i}"]) for i in (1, 2, 3)) == 200
    assert "kill node-2" not in told.values()
    open_large.page.screenshot("timeline-large-hover")


def test_the_cursor_goes_through_all_panels(open_large: Timeline) -> None:
    told = open_large.hover(12.0, 0.9)
    assert told["fault"] == "kill node-2"
    box = "const b = arguments[0].getBoundingClientRect(); return [b.top, b.bottom, (b.left + b.right) / 2]"
    page = open_large.page
    top, bottom, x = page.run(box, page.one(".timeline.wide .cursor"))
    for panel in page.all(".timeline.wide [data-panel]"):
        begins, ends, _ = page.run(box, panel)
        assert top <= begins
        assert bottom >= ends - 12  # marks of returns hang below their panel
    low, high = open_large.whole
    left, right = page.run(
        "const b = arguments[0].getBoundingClientRect(); return [b.left, b.right]", open_large.sheet
    )
    assert abs(x - (left + (12.0 - low) / (high - low) * (right - left))) < 3


def test_hovering_over_a_lane_tells_state_and_identity(open_large: Timeline) -> None:
    open_large.hover(14.0, open_large.lane(2))
    assert open_large.rows()[1:3] == [["node-2", "down"], ["", "11.100 s to 16.000 s"]]
    open_large.hover(18.0, open_large.lane(2))
    assert open_large.rows()[1] == ["node-2", "ready"]
    assert ["", "pid 4790 started 123456"] in open_large.rows()
    open_large.hover(18.0, 0.9)
    assert ["node-2", "ready"] not in open_large.rows()


def test_brushing_zooms_all_panels_and_escape_comes_back(open_large: Timeline) -> None:
    before = open_large.paths()
    open_large.brush(10.5, 12.5)
    low, high = open_large.range()
    assert (low, high) == (pytest.approx(10.5, abs=0.1), pytest.approx(12.5, abs=0.1))
    zoomed = open_large.paths()
    assert [name for name in before if zoomed[name] == before[name] and before[name]] == []
    ticks = [float(text) for text in open_large.page.texts(".timeline.wide .times text")]
    assert low <= min(ticks) < max(ticks) <= high
    told = open_large.hover(11.26)
    assert told[""] == "11.25 to 11.275 s"
    open_large.page.screenshot("timeline-large-zoomed")
    open_large.keys(Keys.ESCAPE)
    assert open_large.range() == open_large.whole
    after = open_large.paths()
    for name, data in before.items():
        if "Connected" not in name and "Reconnections" not in name:  # which have no bins
            assert numbers(after[name]) == pytest.approx(numbers(data), abs=0.2), name


def numbers(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?[\d.]+", path)]


def test_what_is_marked_stays_at_its_moment(open_large: Timeline) -> None:
    page = open_large.page
    assert len(page.run(MARKS)) == 32
    open_large.brush(11.0, 11.4)
    low, high = open_large.range()
    marks = page.run(MARKS)
    assert 10 < len(marks) < 32
    assert all(low <= t <= high for t, _ in marks)
    left, right = page.run(
        "const b = arguments[0].getBoundingClientRect(); return [b.left, b.right]", open_large.sheet
    )
    for t, x in marks:
        assert abs(x - (left + (t - low) / (high - low) * (right - left))) < 8, t


def test_it_zooms_and_moves_by_keyboard_and_speaks(open_large: Timeline) -> None:
    page, (low, high) = open_large.page, open_large.whole
    page.run("document.querySelector('.picture .stage').focus()")
    open_large.keys("+", "+")
    zoomed = open_large.range()
    assert zoomed[1] - zoomed[0] == pytest.approx((high - low) / 4, rel=0.02)
    open_large.keys(Keys.ARROW_RIGHT)
    assert open_large.range()[0] > zoomed[0]
    open_large.keys(Keys.ARROW_LEFT, "-")
    assert open_large.range()[1] - open_large.range()[0] == pytest.approx((high - low) / 2, rel=0.02)
    ActionChains(page.chrome, 0).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).key_up(
        Keys.SHIFT
    ).perform()
    [said] = page.texts(".picture .said")
    assert "attempted" in said
    assert open_large.told()["attempted"] in said
    open_large.keys(Keys.ESCAPE)
    assert open_large.range() == open_large.whole
    open_large.keys("-")
    assert open_large.range() == open_large.whole, "there is nothing beyond the whole run"


def test_buttons_and_a_double_click_lead_back(open_large: Timeline) -> None:
    page = open_large.page
    whole = page.one(".picture button[data-does=whole]")
    assert whole.get_attribute("aria-disabled") == "true"
    open_large.brush(5.0, 9.0)
    assert whole.get_attribute("aria-disabled") == "false"
    whole.click()
    assert open_large.range() == open_large.whole
    page.one(".picture button[data-does=in]").click()
    assert open_large.range() != open_large.whole
    ActionChains(page.chrome, 0).double_click(open_large.sheet).perform()
    assert open_large.range() == open_large.whole


def test_a_violation_leads_to_its_story(open_large: Timeline) -> None:
    page = open_large.page
    last = page.all(".timeline.wide .violations a")[-1]
    ActionChains(page.chrome, 0).click(last).perform()
    assert page.run("return location.hash") == "#witness-complete-delivery-31"
    in_view = (
        "const b = document.getElementById('witness-complete-delivery-31').getBoundingClientRect();"
        "return b.height > 0 && b.bottom > 0 && b.top < innerHeight"
    )
    page.until(lambda: page.run(in_view), "the story of the violation is in view")


@pytest.mark.parametrize("width", [1280, 400])
def test_axe_finds_nothing_serious(width: int, large_report: Path, page: Page) -> None:
    page.resize(width)
    page.open(large_report)
    timeline = Timeline(page)
    timeline.hover(11.2)
    assert page.barriers() == []
    assert page.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.screenshot(f"timeline-large-{width}")


def test_without_scripts_and_in_print_there_is_a_still_picture(large_report: Path, page: Page) -> None:
    page.chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.open(large_report)
    finally:
        page.chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert page.one(".timeline.wide").is_displayed()
    assert len(page.all(".timeline.wide .probes rect")) > 20
    assert not page.one(".picture .zoom").is_displayed()
    assert not page.one(".picture .how").is_displayed()
    page.open(large_report)
    page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert page.one(".timeline.wide").is_displayed()
        assert not page.one(".picture .zoom").is_displayed()
    finally:
        page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_what_is_printed_is_the_whole_run(open_large: Timeline) -> None:
    open_large.brush(10.0, 12.0)
    open_large.page.run("dispatchEvent(new Event('beforeprint'))")
    assert open_large.range() == open_large.whole
    open_large.page.run("dispatchEvent(new Event('afterprint'))")
    assert open_large.range() == open_large.shown


def test_a_member_whose_name_is_markup_is_a_name(tmp_path: Path, page: Page) -> None:
    evil = "</script><script>window.evil = 1</script><img src=x onerror='window.evil = 2'>"
    folder = unexpected_failing(tmp_path).folder
    plan = read_json(Plan, folder.plan)
    write_json(folder.plan, replace(plan, cluster=replace(plan.cluster, nodes=(*plan.cluster.nodes, evil))))
    lines = [json.loads(line) for line in folder.members.read_text().splitlines()]
    with folder.members.open("a") as file:
        file.write(json.dumps({**lines[0], "member": evil, "identity": evil}) + "\n")
    write_reports(folder)
    page.open(folder.report)
    timeline = Timeline(page)
    timeline.hover(5.0, timeline.lane(4))
    assert [evil, "starting"] in timeline.rows()
    assert page.run("return window.evil") is None
    assert page.texts(".timeline.wide .member")[-1] == evil
