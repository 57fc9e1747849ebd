"""The pytest plugin, in a session of somebody else's: what passes, fails, is an error, and is ended.

One session with two workers runs all cases, among them the example of docs/pytest.md as it stands there.
"""

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.integration.plugin.sessions import Place, place

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

DOCS = Path(__file__).parents[3] / "docs"
_EXAMPLE = re.compile(r"```python test_chat\.py\n(.*?)```", re.DOTALL)

FORGETFUL = '''\
"""A node with a bug: now and then it forgets one of the people in a room."""
from gevent import monkey
monkey.patch_all()
import random, sys
from cluster import __main__ as node
from cluster.connections import Connections
members = Connections.members
Connections.members = lambda self, room: tuple(m for m in members(self, room) if random.random() > 0.02)
sys.exit(node.main())
'''

CASES = """\
import json, pathlib, sys
import pytest

SMALL = {
    "version": 1, "name": "small", "seed": 1,
    "load": {"users": 4, "messages_per_second": 40},
    "phases": {"warmup": "1s", "steady": "0s", "chaos": "1s", "recovery": "1s"},
    "faults": [],
}

def test_passes(wordaround_run):
    run = wordaround_run(SMALL, load={"users": 6}, cluster={"nodes": 2})
    plan = json.loads((run.folder / "plan.json").read_text())
    assert (len(plan["bots"]), plan["messages_per_second"]) == (6, 40.0)
    assert plan["cluster"]["nodes"] == ["node-1", "node-2"]
    assert (run.verdict.verdict, run.verdict.seed, run.verdict.backend) == ("pass", 7, "process")
    assert run.report.stat().st_size > 10_000
    assert run.stats.sends.acked > 50

def test_fails(wordaround_run):
    wordaround_run(SMALL, name="forgetful", cluster={"command": ["{python}", "forgetful.py"]})

def test_unknown(wordaround_run):
    wordaround_run(SMALL, name="silent", load={"messages_per_second": 0.001}, cluster={"nodes": 1})

def test_mistaken(wordaround_run):
    wordaround_run(SMALL, load={"user": 6})

@pytest.mark.wordaround_cluster(nodes=1, delivery="pubsub")
def test_pauses(wordaround_cluster):
    assert (wordaround_cluster.nodes, wordaround_cluster.delivery) == (("node-1",), "pubsub")
    wordaround_cluster.kill("redis")
    assert wordaround_cluster.state("redis") == "down"
    wordaround_cluster.kill("redis")
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """A session that has ended: what it printed, and each test's element of JUnit's XML."""

    place: Place
    said: str
    cases: dict[str, ElementTree.Element]
    left: list[str]

    def problem(self, test: str, kind: str) -> str:
        """Return the text of a failed test's `failure` or `error`."""
        (found,) = self.cases[test]
        assert found.tag == kind
        return found.text or ""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    folder = tmp_path_factory.mktemp("theirs")
    (example,) = _EXAMPLE.findall((DOCS / "pytest.md").read_text("utf-8"))
    for name, text in (("test_chat.py", example), ("test_cases.py", CASES), ("forgetful.py", FORGETFUL)):
        (folder / name).write_text(text, "utf-8")
    with place(folder) as there:
        session = there.start(
            *("--wordaround-backend", "process", "--wordaround-runs-dir", "runs", "--wordaround-seed", "7"),
            *("--junitxml", "junit.xml", "--numprocesses", "2", "--strict-markers"),
        )
        said, _ = session.communicate(timeout=220)
        xml = ElementTree.parse(folder / "junit.xml")
        cases = {case.attrib["name"]: case for case in xml.iter("testcase")}
        yield Ended(place=there, said=said, cases=cases, left=there.left())


def test_the_example_of_the_documentation_passes(ended: Ended) -> None:
    assert len(_EXAMPLE.findall((DOCS / "pytest.md").read_text("utf-8"))[0].split("\n")) <= 14
    assert list(ended.cases["test_nobody_loses_a_message_when_a_node_is_killed"]) == [], ended.said
    assert list(ended.cases["test_a_killed_node_comes_back_where_it_was"]) == [], ended.said


def test_a_good_run_passes_with_the_options_and_the_overrides(ended: Ended) -> None:
    assert list(ended.cases["test_passes"]) == [], ended.said


def test_a_violated_guarantee_fails_the_test_with_its_story_and_the_report(ended: Ended) -> None:
    text = ended.problem("test_fails", "failure")
    assert text.startswith(
        "forgetful, seed 7, process: fail, expected was pass\n  complete-delivery, violated"
    )
    assert re.search(r"bot-\d+'s message \d+ \(room-1\) was acknowledged by .+ never received it", text)
    (report,) = re.findall(r"^  report: (.+/report\.html)$", text, re.MULTILINE)
    assert Path(report).is_relative_to(ended.place.folder / "runs")
    assert "never received it" in Path(report).read_text("utf-8")
    assert len(text.splitlines()) <= 6


def test_a_run_that_proves_nothing_fails_the_test_and_says_why(ended: Ended) -> None:
    text = ended.problem("test_unknown", "failure")
    assert text.startswith("silent, seed 7, process: unknown, this run proves nothing\n")
    assert len(text.splitlines()) > 2


def test_what_the_harness_could_not_do_is_an_error_and_no_failure(ended: Ended) -> None:
    text = ended.problem("test_mistaken", "error")
    assert "WordAround itself failed:" in text
    assert "unknown key `user` in `load`; did you mean 'users'?" in text
    assert "redis cannot be killed: it is down already" in ended.problem("test_pauses", "error")
    assert re.search(r"2 failed, 3 passed, 2 errors", ended.said)


def test_no_traceback_of_ours_is_shown(ended: Ended) -> None:
    assert "Traceback" not in ended.said
    assert "/harness/" not in ended.said


def test_scenarios_that_were_made_are_kept_beside_the_runs(ended: Ended) -> None:
    runs = ended.place.folder / "runs"
    (run,) = runs.glob("*-forgetful-*")
    command = json.loads((run / "meta.json").read_text())["command"]
    (scenario,) = (runs / "scenarios").glob("forgetful-*.yaml")
    assert str(scenario) in command


def test_nothing_is_left_behind(ended: Ended) -> None:
    assert ended.left == []


LONG = """\
def test_long(wordaround_cluster, wordaround_run):
    wordaround_run("no-faults", phases={"steady": "100s"}, cluster={"nodes": 1})
"""


@pytest.mark.parametrize(
    ("number", "returns", "options"),
    [
        pytest.param(signal.SIGINT, 2, (), id="interrupted"),
        pytest.param(signal.SIGINT, 2, ("-n", "1"), id="interrupted-xdist", marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, -9, (), id="killed", marks=pytest.mark.slow),
    ],
)
def test_a_session_that_is_ended_takes_run_and_cluster_with_it(
    number: signal.Signals, returns: int, options: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "test_long.py").write_text(LONG)
    with place(tmp_path) as there:
        session = there.start("--wordaround-backend", "process", "--wordaround-runs-dir", "runs", *options)
        _until(lambda: list(tmp_path.glob("runs/*/history/bots-*.events")), "the bots write", 90)
        assert len(there.left()) > 4
        session.send_signal(number)
        said, _ = session.communicate(timeout=90)
        assert session.returncode == returns, said
        if number == signal.SIGKILL or options:  # Who waited is dead; what it leaves ends itself.
            _until(lambda: not there.left(), "all has ended", 60)
        assert there.left() == []
        (run,) = tmp_path.glob("runs/*-no-faults-*")
        assert json.loads((run / "meta.json").read_text())["aborted"] == "interrupted by the user"


def _until(condition: Callable[[], object], what: str, timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.1)
