"""`wordaround serve` in a real browser: a run is followed to its report; the list sorts and filters."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.serving.server import Server
from tests.browser.page import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0

KINDS = ("passing", "expected_failing", "unexpected_failing", "unknown")
SEEDS = (40, 9, 300, 7)

# A node is killed and comes back, in a cluster that delivers some messages twice.
SCENARIO = """\
version: 1
name: followed
description: A cluster that delivers some messages twice loses a node while somebody looks on.
seed: 5
cluster:
  command: ["{python}", -m, tests.broken_clusters, duplicates-live, "{folder}"]
load: {users: 12, spawn_rate: 20, rooms: 2, messages_per_second: 40}
phases: {warmup: 1s, steady: 1s, chaos: 6s, recovery: 3s}
faults: [{id: crash, fault: kill, at: 2s, target: {name: node-1}, restart_after: 2s}]
limits: {drain: 6s, presence: 6s}
expect: {verdict: fail, violates: [no-duplicates], may_violate: [presence, reconnection]}
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run that goes on by itself, in `<tmp_path>/runs`."""
    (tmp_path / "followed.yaml").write_text(SCENARIO)
    command = [
        sys.executable, "-m", "harness", "run", str(tmp_path / "followed.yaml"), "--backend", "process",
        "--runs-dir", str(tmp_path / "runs"),
    ]  # fmt: skip
    (tmp_path / "runs").mkdir(exist_ok=True)
    with (tmp_path / "said.txt").open("wb") as said:
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)
    yield process
    process.terminate()  # Ends it in order, where a test has failed; of one that is over nothing is left.
    process.wait(timeout=60)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The URL under which the real command serves `<tmp_path>/runs`."""
    (tmp_path / "runs").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "harness", "serve", "--runs-dir", str(tmp_path / "runs")]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = process.stderr.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+/", said)
    assert found, said + process.stderr.read()
    yield found[0]
    process.terminate()
    process.communicate(timeout=30)


@pytest.mark.process
def test_a_run_is_followed_from_its_first_moment_to_its_report(
    served: str, run: subprocess.Popen[bytes], page: Page, tmp_path: Path
) -> None:
    def text(selector: str) -> str:
        return "".join(page.texts(selector))

    def number(selector: str) -> int:
        return int(re.sub(r"\D", "", text(selector).split("·")[0]) or 0)

    page.open(served)
    page.until(lambda: "under way" in text("tr.under-way"), "the run is in the list", timeout_s=PATIENCE_S)
    page.one("tr.under-way th a").click()
    page.until(lambda: number("#acked") > 0, "messages are acknowledged", timeout_s=PATIENCE_S)
    first = number("#acked"), number("#delivered")
    page.until(lambda: number("#acked") > first[0] and number("#delivered") > first[1], "figures move")
    assert re.search(r"· [1-9]\d*/s", text("#acked")), text("#acked")

    def violated() -> bool:
        return "no-duplicates" in text("#violations.violated h3")

    page.until(lambda: page.all("svg.wide .state.down"), "the killed node is down in its lane")
    page.until(lambda: "kill node-1" in text("#active"), "the kill is an active fault")
    assert "kill node-1" in text(".faults .active")
    assert text(".phase.now, .phase-name.now").startswith("chaos")
    page.until(violated, "the violation is certain", timeout_s=PATIENCE_S)
    assert "twice" in text("#violations li")
    assert run.poll() is None, "the run was over before its violation was seen"
    assert not list((tmp_path / "runs").glob("*/verdict.json"))
    assert page.barriers() == []
    page.screenshot("serve-live-light", whole=True)
    page.prefer(color_scheme="dark")
    page.screenshot("serve-live-dark", whole=True)
    page.resize(400)
    assert page.run("return document.documentElement.scrollWidth") <= 400
    page.screenshot("serve-live-400", whole=True)
    page.resize(1280)

    page.until(lambda: page.all(".primary"), "the verdict is there", timeout_s=PATIENCE_S)
    assert "fail, as expected" in text("h1 .verdict"), (tmp_path / "said.txt").read_text()
    assert "twice" in text(".story")
    page.screenshot("serve-judged-dark", whole=True)
    page.one(".primary").click()
    page.until(lambda: "Failed as expected" in text("h1"), "the report opens")
    assert page.chrome.current_url.endswith("/report.html")
    assert any("CPU of node-1" in text for text in page.texts("svg.spark title"))  # sampled while it went on
    assert any("kill node-1 injected" in text for text in page.texts(".log .step"))
    assert page.barriers() == []
    assert {url.split("/")[2] for url in page.requested()} == {served.split("/")[2]}
    assert run.wait(timeout=60) == 0


@pytest.fixture
def many(runs: Any, tmp_path: Path) -> Iterator[str]:
    """Some judged runs, a broken one, a hostile one, and what is no run at all."""
    folder = tmp_path / "runs"
    hostile = "<script>document.title='taken over'</script>"
    folder.mkdir()
    for number, (kind, seed) in enumerate(zip(KINDS, SEEDS, strict=True)):
        made = getattr(runs, kind)(tmp_path / "made").folder
        name = folder / f"2026010{number + 1}T000000Z-{kind}-{number}"
        made.path.rename(name)
        plan = name / "plan.json"
        plan.write_text(plan.read_text().replace('"seed": 4711', f'"seed": {seed}'))
        (name / "report.html").write_text("<!doctype html><title>A report</title>")
    strange = folder / "20260105T000000Z-strange-1"
    strange.mkdir()
    (strange / "plan.json").write_text("{")
    (strange / "meta.json").write_text("{}")
    taken = folder / "20260106T000000Z-hostile-1"
    taken.mkdir()
    (taken / "meta.json").write_text(f'{{"backend": "{hostile}", "aborted": "{hostile}", "began_ns": 0}}')
    (taken / "plan.json").write_text(f'{{"scenario": "{hostile}", "seed": 6}}')
    (taken / "verdict.json").write_text('{"verdict": "fail"}')
    (folder / f"notes {hostile.replace('/', '')}").mkdir()
    for path in (strange, taken):
        for each in (*path.iterdir(), path):
            os.utime(each, (1e9, 1e9))
    server = Server(folder)
    server.start()
    yield server.url
    server.close()


def test_the_list_sorts_filters_and_shows_what_is_wrong_with_a_folder(many: str, page: Page) -> None:
    def shown(column: int) -> list[str]:
        return [
            row.find_elements("css selector", "td, th")[column].text.splitlines()[0]
            for row in page.all("tbody tr")
            if row.is_displayed()
        ]

    def sort(key: str) -> None:
        page.one(f'th[data-key="{key}"] button').click()

    page.open(many)
    assert [when.split()[0] for when in shown(4)] == ["6", "5", "4", "3", "2", "1"]
    assert page.texts("#count") == ["6 runs"]
    sort("seed")
    assert shown(2) == ["6", "7", "9", "40", "300", "–"]  # as numbers, and what has none last
    sort("seed")
    assert shown(2) == ["300", "40", "9", "7", "6", "–"]
    assert page.one('th[data-key="seed"]').get_attribute("aria-sort") == "descending"
    page.one("#filter").send_keys("UNKNOWN")
    page.until(lambda: len(shown(0)) == 1, "the filter works")
    assert page.texts("#count") == ["1 of 6 runs"]
    page.one("#filter").clear()
    page.one("#filter").send_keys("plan.json")
    page.until(lambda: shown(0) == ["!broken"], "the broken one is told, with what is wrong")
    page.one("#filter").clear()
    page.one("#filter").send_keys(" ")
    assert "<script>" in " ".join(shown(1))
    assert page.chrome.title == "Runs · WordAround"
    assert any("notes <script>" in text for text in page.texts(".strangers li"))
    assert page.barriers() == []
    page.screenshot("serve-list-light")
    page.prefer(color_scheme="dark")
    assert page.barriers() == []
    page.screenshot("serve-list-dark")
    page.resize(400)
    assert page.run("return document.documentElement.scrollWidth") <= 400
    page.screenshot("serve-list-400", whole=True)
    for row in ("strange", "hostile"):
        page.open(f"{many}runs/2026010{5 if row == 'strange' else 6}T000000Z-{row}-1/")
        assert page.all(".notice")
        assert page.chrome.title != "taken over"
    assert all(url.startswith(many) for url in page.requested())


def test_a_run_that_has_gone_is_said_in_words_until_it_is_back(many: str, page: Page, tmp_path: Path) -> None:
    def words() -> str:
        return str(page.run("return getComputedStyle(document.body, '::before').content"))

    page.expect(lambda line: "404" in line)
    run = tmp_path / "runs" / "20260107T000000Z-leaving-1"
    run.mkdir()
    page.open(f"{many}runs/{run.name}/")
    assert words() == "none"
    run.rmdir()
    page.until(lambda: "The folder of this run has gone" in words(), "that the run has gone is said")
    run.mkdir()
    page.until(lambda: words() == "none", "it is back, and is followed again")
