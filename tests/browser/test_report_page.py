"""The report in a real browser: it fits, it can be read in light and dark, and it fetches nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports import write_reports
from tests.browser.page import Page

pytestmark = pytest.mark.browser

Look = Callable[..., dict[str, Any]]
WIDTHS = (1280, 400)

LAYOUT = """
const shown = [...document.querySelectorAll('svg.timeline')].filter(s => s.getBoundingClientRect().width > 0);
const box = e => {
  const b = e.getBoundingClientRect();
  return [b.left, b.top, b.right, b.bottom, e.textContent];
};
return {
  page: [document.documentElement.scrollWidth, document.documentElement.clientWidth],
  drawings: shown.map(s => s.getAttribute('class')),
  picture: box(shown[0]).slice(0, 4),
  scale: shown[0].getBoundingClientRect().width / shown[0].viewBox.baseVal.width,
  texts: [...shown[0].querySelectorAll('text')].filter(t => t.getAttribute('display') !== 'none').map(box),
  fetched: window.performance.getEntriesByType('resource').map(r => r.name),
};
"""

COLOURS = """
const probe = (name) => {
  const e = document.querySelector(name), style = window.getComputedStyle(e);
  return [name, e instanceof window.SVGElement ? style.fill : style.color];
};
const names = ['h1', 'h1 .lead', '.lede', '.kinds .word span', 'nav a', 'figcaption', '.operations li',
  '.timeline text.soft', '.timeline .fault-name', '.timeline .violated', '.timeline .word.down'];
return {
  paper: window.getComputedStyle(document.body).backgroundColor,
  inks: names.filter(n => document.querySelector(n)).map(probe),
};
"""


@pytest.fixture
def report(runs: Any, tmp_path: Path) -> Callable[[str], Path]:
    def make(kind: str) -> Path:
        folder = getattr(runs, kind)(tmp_path / "runs").folder
        write_reports(folder)
        return Path(folder.report)

    return make


@pytest.mark.parametrize("kind", ["passing", "expected_failing", "unexpected_failing", "unknown"])
def test_the_page_fits_and_its_picture_can_be_read(
    kind: str, report: Callable[[str], Path], look: Look
) -> None:
    seen = look(report(kind), LAYOUT, widths=WIDTHS)
    for width in WIDTHS:
        found = seen[str(width)]
        assert found["page"][0] <= found["page"][1], f"{width}: the page scrolls sideways"
        assert found["drawings"] == ["timeline wide" if width > 680 else "timeline narrow"]
        assert found["scale"] > 0.9, f"{width}: the picture is scaled down to {found['scale']:.2f}"
        assert found["fetched"] == []
        assert not list(_outside(found["texts"], found["picture"])), f"{width}: text outside the picture"
        assert not list(_overlapping(found["texts"])), f"{width}: text over text"


def _outside(texts: list[list[Any]], picture: list[float]) -> Any:
    left, top, right, bottom = picture
    for x0, y0, x1, y1, text in texts:
        if x0 < left - 1 or x1 > right + 1 or y0 < top - 1 or y1 > bottom + 1:
            yield text


def _overlapping(texts: list[list[Any]]) -> Any:
    """Yield pairs whose boxes overlap by more than the two pixels that a box is larger than its ink."""
    for i, (ax0, ay0, ax1, ay1, a) in enumerate(texts):
        for bx0, by0, bx1, by1, b in texts[i + 1 :]:
            if min(ax1, bx1) - max(ax0, bx0) > 2 and min(ay1, by1) - max(ay0, by0) > 3:
                yield a, b


@pytest.mark.parametrize("dark", [False, True])
def test_every_ink_has_contrast_on_its_paper(dark: bool, report: Callable[[str], Path], look: Look) -> None:
    found = look(report("unexpected_failing"), COLOURS, widths=(1280,), dark=dark)["1280"]
    paper = _rgb(found["paper"])
    assert (_luminance(paper) < 0.2) == dark
    assert len(found["inks"]) >= 10
    for name, ink in found["inks"]:
        assert _contrast(_rgb(ink), paper) >= 4.5, f"{name}: {ink} on {found['paper']}"


def _rgb(colour: str) -> tuple[float, ...]:
    parts = colour.partition("(")[2].rstrip(")").split(",")
    assert len(parts) == 3, f"{colour} is not opaque"
    return tuple(float(part) / 255 for part in parts)


def _luminance(rgb: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Return the contrast ratio as WCAG 2 defines it."""
    light, dark = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_a_driven_browser_sees_the_same(report: Callable[[str], Path], page: Page) -> None:
    page.open(report("passing"))
    assert page.barriers() == []
    assert all(url.startswith("file:") for url in page.requested())
    page.screenshot("report-passing", whole=True)
