"""`wordaround load`: bots under Locust's page, changed by hand, stopped by Ctrl-C, and judged as a run is."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.process

SCENARIO = """\
version: 1
name: by-hand
cluster: {nodes: 2}
load: {users: 4, spawn_rate: 20, rooms: 2, messages_per_second: 40}
phases: {warmup: 1s, steady: 1s, chaos: 2s, recovery: 500ms}
faults: []
"""
DEADLINE_S = 40


class Page:
    """Locust's page as a browser uses it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def post(self, path: str, origin: str | None = None, **form: object) -> dict[str, Any]:
        data = urllib.parse.urlencode(form).encode()
        headers = {"Origin": origin} if origin else {}
        request = urllib.request.Request(f"{self.url}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=40) as answer:
            return dict(json.load(answer))

    def figures(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/stats/requests", timeout=5) as answer:
            return dict(json.load(answer))

    def wait_users(self, count: int) -> dict[str, Any]:
        return until(lambda: (f := self.figures())["user_count"] == count and f, f"{count} users")


def until(met: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if value := met():
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited in vain for {what}")


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `wordaround` in the test's folder, with the scenario in it."""
    (tmp_path / "by-hand.yaml").write_text(SCENARIO)
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        with (tmp_path / "err").open("w") as err, (tmp_path / "out").open("w") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "harness", *arguments, "--backend", "process"],
                cwd=tmp_path,
                stdout=out,
                stderr=err,
                text=True,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(DEADLINE_S)


def page_of(folder: Path) -> Page:
    url = until(lambda: re.search(r"http://127\.0\.0\.1:\d+", (folder / "err").read_text()), "the page")
    page = Page(url[0])

    def answers() -> bool:
        try:
            return bool(page.figures())
        except OSError:
            return False

    until(answers, "the page's answer")
    return page


def test_bots_that_come_and_go_by_hand_are_judged_and_violate_nothing(
    tmp_path: Path, command: Callable[..., subprocess.Popen[str]]
) -> None:
    process = command("load", "by-hand.yaml", "--seed", "5")
    page = page_of(tmp_path)
    figures = page.wait_users(4)
    assert page.post("/swarm", user_count=9, spawn_rate=20)["success"]
    page.wait_users(9)
    assert page.post("/swarm", user_count=3, spawn_rate=20)["success"]
    page.wait_users(3)
    refused = page.post("/swarm", origin="http://evil.example", user_count=50, spawn_rate=20)
    assert refused == {"success": False, "message": "Only the page itself may do this."}
    names = until(
        lambda: (n := {row["name"] for row in page.figures()["stats"]}) >= {"send_message"} and n, "sends"
    )
    assert {"connect", "join", "send_message", "leave"} <= names
    time.sleep(2)  # what was sent last gets its time, and everyone's list of users, too
    process.send_signal(signal.SIGINT)
    code = process.wait(DEADLINE_S)
    [run] = (tmp_path / "runs").iterdir()
    out, err = (tmp_path / "out").read_text(), (tmp_path / "err").read_text()
    verdict = json.loads((run / "verdict.json").read_text())
    assert [p["name"] for p in verdict["properties"] if p["verdict"] == "fail"] == [], out
    assert (code, verdict["verdict"]) == (0, "pass"), out
    assert "The load ends; then it is read and judged" in err
    plan = json.loads((run / "plan.json").read_text())
    assert [bot["name"] for bot in plan["bots"]] == [f"bot-{n:02}" for n in range(1, 10)]
    assert [phase["name"] for phase in plan["phases"]] == ["warmup", "steady"]
    assert plan["phases"][-1]["end_s"] < 120
    assert figures["state"] in ("spawning", "running")


def test_a_node_is_killed_and_restarted_with_what_its_page_gets(
    tmp_path: Path, command: Callable[..., subprocess.Popen[str]]
) -> None:
    process = command("load", "by-hand.yaml")
    chat = until(
        lambda: re.search(r"nodes can be killed: (http://[\d.:]+)/#/cluster", (tmp_path / "err").read_text()),
        "the address of the chat",
    )[1]
    control = answer_of("POST", f"{chat}/control", Origin=chat)["control"]
    asking = {"Origin": chat, "Authorization": f"Bearer {control['token']}"}

    def state(member: str) -> str:
        members = answer_of("GET", f"{control['url']}/members", **asking)["members"]
        return next(str(one["state"]) for one in members if one["name"] == member)

    assert answer_of("POST", f"{control['url']}/members/node-2/kill", **asking)["member"]["state"] == "down"
    assert [state("node-1"), state("node-2"), state("redis")] == ["ready", "down", "ready"]
    answer_of("POST", f"{control['url']}/members/node-2/restart", **asking)
    until(lambda: state("node-2") == "ready", "node-2")
    assert control["token"] not in "".join(path.read_text() for path in tmp_path.rglob("*.log"))
    process.send_signal(signal.SIGINT)
    assert process.wait(DEADLINE_S) in (0, 1, 3)
    [run] = (tmp_path / "runs").iterdir()
    states = [json.loads(line) for line in (run / "members.jsonl").read_text().splitlines()]
    assert "down" in {entry["state"] for entry in states if entry["member"] == "node-2"}
    assert control["token"] not in "".join(path.read_text() for path in run.glob("*.json*"))


def answer_of(method: str, url: str, **headers: str) -> dict[str, Any]:
    request = urllib.request.Request(url, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return dict(json.load(answer))


def test_a_load_with_a_run_time_ends_by_itself(
    tmp_path: Path, command: Callable[..., subprocess.Popen[str]]
) -> None:
    process = command("load", "by-hand.yaml", "--run-time", "2s")
    assert process.wait(DEADLINE_S) in (0, 3)
    [run] = (tmp_path / "runs").iterdir()
    meta = json.loads((run / "meta.json").read_text())
    assert meta["aborted"] is None
    assert 1.9 < (meta["load_ended_ns"] - meta["load_began_ns"]) / 1e9 < 10


def test_the_page_of_a_run_only_shows(tmp_path: Path, command: Callable[..., subprocess.Popen[str]]) -> None:
    process = command("run", "by-hand.yaml", "--web")
    page = page_of(tmp_path)
    page.wait_users(4)
    for path in ("/swarm", "/stop"):
        refused = page.post(path, user_count=9, spawn_rate=20)
        assert refused["message"].startswith("This run follows its plan; `wordaround load` starts")
    until(lambda: page.figures()["stats"][-1]["num_requests"] > 10, "figures")
    assert page.figures()["user_count"] == 4
    assert process.wait(DEADLINE_S) in (0, 3)
    [run] = (tmp_path / "runs").iterdir()
    assert len(json.loads((run / "plan.json").read_text())["bots"]) == 4
