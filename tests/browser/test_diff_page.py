"""The page of a comparison in a real browser: it shows the regression, fits a phone, and fetches nothing."""

import dataclasses
from pathlib import Path
from types import ModuleType

import pytest

from reports import diff_html
from reports.diff import diff
from reports.diff_sets import run_set
from reports.run import load
from tests.browser.page import Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def made_page(runs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three passing runs against three that lose messages, and are slower."""
    folder = tmp_path_factory.mktemp("diff")
    good = [load(runs.passing(folder / f"a{i}").folder, whole=False) for i in range(3)]
    bad = [load(runs.unexpected_failing(folder / f"b{i}").folder, whole=False) for i in range(3)]
    bad = [_slower(run, 1.5 + i / 10) for i, run in enumerate(bad)]
    page = folder / "diff.html"
    page.write_text(diff_html.render(diff(run_set("runs/main", good), run_set("runs/branch", bad))), "utf-8")
    return page


def _slower(run, factor):  # type: ignore[no-untyped-def]
    stats = run.verdict.stats
    latency = dataclasses.replace(stats.ack_latency_ms, p50=stats.ack_latency_ms.p50 * factor)
    verdict = dataclasses.replace(run.verdict, stats=dataclasses.replace(stats, ack_latency_ms=latency))
    return dataclasses.replace(run, verdict=verdict)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_regression_is_on_the_first_screen_and_nobody_is_shut_out(
    scheme: str, made_page: Path, page: Page
) -> None:
    page.prefer(color_scheme=scheme)
    page.resize(1280)
    page.open(made_page)
    assert "B is worse" in page.one("h1").text
    assert "complete-delivery is violated in 3 of 3 runs" in page.one("h1").text
    assert page.one("h1").location["y"] < 200
    assert "new complete-delivery" in " ".join(page.one("main table tbody tr").text.replace("✕", "").split())
    assert "apart: worse" in " ".join(page.texts("td.apart"))
    assert page.barriers() == []
    assert page.requested() == [made_page.as_uri()]
    page.screenshot(f"diff-{scheme}", whole=True)


def test_it_fits_a_phone(made_page: Path, page: Page) -> None:
    page.resize(400)
    page.open(made_page)
    assert page.run("return document.documentElement.scrollWidth <= 400")
    page.screenshot("diff-400", whole=True)
