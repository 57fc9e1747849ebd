"""`wordaround run` against nodes that somebody else runs: it judges them, and leaves them as they were."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.backends.process import ProcessBackend
from harness.http_get import get
from harness.records.plan import ClusterPlan

pytestmark = pytest.mark.process

SCENARIO = """\
version: 1
name: attached
cluster: {{attach: {urls}}}
load: {{users: 6, spawn_rate: 20, rooms: 2, messages_per_second: 30}}
phases: {{warmup: 1s, steady: 2s, chaos: 5s, recovery: 4s}}
faults: {faults}
"""


STOPPED = """
import psutil, sys, time
deadline = time.monotonic() + 5
while psutil.Process(int(sys.argv[1])).status() != psutil.STATUS_STOPPED:
    assert time.monotonic() < deadline, "it is not stopped"
"""


def freeze(pid: int, **other: object) -> str:
    """A fault that stops node-1, which is the process `pid`, by programs of the scenario's own."""
    fault = {
        "id": "freeze",
        "fault": "command",
        "at": "1s",
        "target": {"name": "node-1"},
        "inject": ["sh", "-c", f"echo stopping $WORDAROUND_TARGETS at {{url}}; kill -STOP {pid}"],
        "prove": [sys.executable, "-c", STOPPED, str(pid)],
        "heal": ["sh", "-c", f"kill -CONT {pid}"],
        "duration": "2s",
    }
    return json.dumps([{**fault, **other}])


@dataclass(frozen=True, kw_only=True)
class Theirs:
    """A cluster that is not the run's, under names of its own."""

    backend: ProcessBackend
    urls: tuple[str, ...]

    def identities(self) -> list[str]:
        return [str(self.backend.identity(member.name)) for member in self.backend.members()]

    def pid(self, member: str) -> int:
        identity = self.backend.identity(member)
        assert identity is not None
        return identity.host_pid


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theirs]:
    backend = ProcessBackend()
    cluster = ClusterPlan(nodes=("chat-a", "chat-b"), delivery="durable", appendfsync="always")
    try:
        members = backend.start(cluster, run_id="0badcafe", logs=tmp_path_factory.mktemp("logs"))
        yield Theirs(backend=backend, urls=tuple(str(member.url) for member in members[1:]))
    finally:
        backend.close()


def wordaround(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env=dict(os.environ),
    )
    assert "Traceback" not in done.stderr
    return done


def scenario(folder: Path, urls: tuple[str, ...], faults: str = "[]") -> str:
    """Write the scenario and return its path. The URLs come in another order than the nodes' names."""
    path = folder / "attached.yaml"
    path.write_text(SCENARIO.format(urls=json.dumps(urls[::-1]), faults=faults))
    return str(path)


def the_run(folder: Path) -> Path:
    (run,) = (folder / "runs").iterdir()
    return run


def record(path: Path) -> Any:
    return json.loads(path.read_text())


@dataclass(frozen=True, kw_only=True)
class Made:
    """One run with a command fault, and what the cluster was before it."""

    done: subprocess.CompletedProcess[str]
    run: Path
    before: list[str]
    pid: int


@pytest.fixture(scope="module")
def made(theirs: Theirs, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    before, pid = theirs.identities(), theirs.pid("chat-b")
    done = wordaround("run", scenario(folder, theirs.urls, freeze(pid)), cwd=folder)
    return Made(done=done, run=the_run(folder), before=before, pid=pid)


def test_a_sound_cluster_that_runs_already_passes_and_goes_on_running(theirs: Theirs, made: Made) -> None:
    assert made.done.returncode == 0, made.done.stdout + made.done.stderr
    reason = "attach: auto: the scenario attaches to nodes that run already"
    assert f"Attaching to 2 nodes ({reason})" in made.done.stderr
    verdict = record(made.run / "verdict.json")
    assert (verdict["verdict"], verdict["backend"]) == ("pass", "attach")
    assert theirs.identities() == made.before
    assert all(get(f"{url}/ready", timeout_s=3)[0] == 200 for url in theirs.urls)


def test_what_cannot_be_known_of_an_attached_cluster_is_left_out(theirs: Theirs, made: Made) -> None:
    versions = record(made.run / "meta.json")["versions"]
    assert versions["attached node-1"].startswith(f"{theirs.urls[1]}, calls itself chat-b, incarnation")
    assert "redis" not in versions
    assert [path.name for path in (made.run / "logs").iterdir()] == ["bots.log"]
    members = [json.loads(line) for line in (made.run / "members.jsonl").read_text().splitlines()]
    assert {entry["member"] for entry in members} == {"node-1", "node-2"}
    assert all(entry["identity"].startswith("attached, incarnation ") for entry in members)
    report = (made.run / "report.html").read_text()
    assert "on 2 nodes that ran already" in report
    assert "appendfsync" not in report


def test_a_command_fault_is_proven_seen_and_healed(theirs: Theirs, made: Made) -> None:
    covered = {finding["name"]: finding for finding in record(made.run / "verdict.json")["coverage"]}
    assert (covered["proven:freeze"]["verdict"], covered["traffic:freeze"]["verdict"]) == ("pass", "pass")
    assert covered["cut-off:freeze"]["verdict"] == "n/a"
    members = [json.loads(line) for line in (made.run / "members.jsonl").read_text().splitlines()]
    assert [entry["state"] for entry in members if entry["member"] == "node-1"] == [
        "ready",
        "not-ready",
        "ready",
    ]
    entries = {e["step"]: e for e in map(json.loads, (made.run / "faults.jsonl").read_text().splitlines())}
    injected = entries["injected"]["evidence"]["inject node-1"]
    assert injected.endswith(f"it said: stopping node-1 at {theirs.urls[1]}")
    heal = f"sh -c 'kill -CONT {made.pid}'"
    assert entries["heal_proved"]["evidence"]["heal"].startswith(f"`{heal}` ended with exit status 0")
    assert entries["heal_proved"]["done_ns"] - entries["injected"]["t_ns"] > 2e9
    assert shlex.join(entries["undo"]["undo"][0]).endswith(heal)


DEAF = """
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/ready" else 404)
        self.end_headers()

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@pytest.fixture
def deaf() -> Iterator[str]:
    """The URL of a node that says it is ready, and serves nobody."""
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()


def test_a_cluster_that_does_not_deliver_before_the_first_fault_is_left_alone(
    deaf: str, theirs: Theirs, tmp_path: Path
) -> None:
    touched = tmp_path / "touched"
    faults = freeze(
        theirs.pid("chat-b"), at="0s", inject=["touch", str(touched)], heal=["touch", str(touched)]
    )
    done = wordaround("run", scenario(tmp_path, (deaf,), faults), cwd=tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "the steady state did not hold before the first fault, so none was injected" in done.stderr
    assert "delivery_ratio was not measured" in done.stderr
    assert not touched.exists()
    assert steps(tmp_path) == []
    assert "the steady state did not hold" in record(the_run(tmp_path) / "meta.json")["aborted"]


# --- The harness's own death in the middle of a command ----------------------------------------------------


@contextlib.contextmanager
def started(path: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "run", path],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for(what: Callable[[], bool], sentence: str, *, timeout_s: float = 40.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, sentence
        time.sleep(0.05)


def steps(folder: Path) -> list[str]:
    """The steps in the journal of the folder's only run, as far as they have come."""
    return [
        json.loads(line)["step"]
        for journal in folder.glob("runs/*/faults.jsonl")
        for line in journal.read_text().splitlines(keepends=True)
        if line.endswith("\n")
    ]


def stopped(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


@pytest.mark.parametrize("verb", ["inject", pytest.param("prove", marks=pytest.mark.slow)])
def test_ctrl_c_while_a_command_runs_ends_it_and_heals(verb: str, theirs: Theirs, tmp_path: Path) -> None:
    pid, note = theirs.pid("chat-b"), tmp_path / "pid"
    slow = ["sh", "-c", f"kill -STOP {pid}; echo $$ > {note}; exec sleep 600"]
    faults = freeze(pid, **{verb: slow}, timeout="60s")
    with started(scenario(tmp_path, theirs.urls, faults), tmp_path) as process:
        wait_for(lambda: note.exists() and note.read_text().endswith("\n"), "the command never began")
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=40)
    assert process.returncode == 130, err
    assert not psutil.pid_exists(int(note.read_text()))
    assert not stopped(pid)
    assert steps(tmp_path)[-2:] == ["healed", "heal_proved"]


def test_a_harness_that_is_killed_in_a_command_fault_is_healed_after_by_its_watchdog(
    theirs: Theirs, tmp_path: Path
) -> None:
    pid = theirs.pid("chat-b")
    faults = freeze(
        pid, duration="4s", heal=["sh", "-c", f"echo $WORDAROUND_TARGETS > healed; kill -CONT {pid}"]
    )
    with started(scenario(tmp_path, theirs.urls, faults), tmp_path) as process:
        wait_for(lambda: "proved" in steps(tmp_path), "the fault was never proven")
        assert stopped(pid)
        os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: not stopped(pid), "nobody healed the fault")
        wait_for(lambda: "healed" in steps(tmp_path), "the journal does not say that it was healed")
    assert (tmp_path / "healed").read_text() == "node-1\n"
    assert get(f"{theirs.urls[1]}/ready", timeout_s=3)[0] == 200
    meta = record(the_run(tmp_path) / "meta.json")
    assert meta["aborted"] == "the harness died; its watchdog cleaned up"
