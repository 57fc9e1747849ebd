"""`wordaround run` against nodes that somebody else runs: it judges them, and leaves them as they were."""

import contextlib
import json
import os
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


def test_a_sound_cluster_that_runs_already_passes_and_goes_on_running(theirs: Theirs, tmp_path: Path) -> None:
    before = theirs.identities()
    done = wordaround("run", scenario(tmp_path, theirs.urls), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "Attaching to 2 nodes (attach: auto: the scenario attaches to nodes that run already)" in done.stderr
    )
    assert theirs.identities() == before
    assert all(get(f"{url}/ready", timeout_s=3)[0] == 200 for url in theirs.urls)

    run = the_run(tmp_path)
    verdict, meta = record(run / "verdict.json"), record(run / "meta.json")
    assert (verdict["verdict"], verdict["backend"]) == ("pass", "attach")
    assert meta["versions"]["attached node-1"].startswith(
        f"{theirs.urls[1]}, calls itself chat-b, incarnation"
    )
    assert "redis" not in meta["versions"]
    assert [path.name for path in (run / "logs").iterdir()] == ["bots.log"]
    seen = [json.loads(line) for line in (run / "members.jsonl").read_text().splitlines()]
    assert {(entry["member"], entry["state"]) for entry in seen} == {("node-1", "ready"), ("node-2", "ready")}
    assert all(entry["identity"].startswith("attached, incarnation ") for entry in seen)


def test_a_command_fault_is_proven_healed_and_survived_by_a_sound_cluster(
    theirs: Theirs, tmp_path: Path
) -> None:
    before, pid = theirs.identities(), theirs.pid("chat-b")
    done = wordaround("run", scenario(tmp_path, theirs.urls, freeze(pid)), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert theirs.identities() == before

    run = the_run(tmp_path)
    verdict = record(run / "verdict.json")
    seen = [json.loads(line) for line in (run / "members.jsonl").read_text().splitlines()]
    assert [entry["state"] for entry in seen if entry["member"] == "node-1"] == [
        "ready",
        "not-ready",
        "ready",
    ]
    covered = {finding["name"]: finding for finding in verdict["coverage"]}
    assert verdict["verdict"] == "pass"
    assert (covered["proven:freeze"]["verdict"], covered["traffic:freeze"]["verdict"]) == ("pass", "pass")
    assert covered["cut-off:freeze"]["verdict"] == "n/a"
    steps = {
        entry["step"]: entry for entry in map(json.loads, (run / "faults.jsonl").read_text().splitlines())
    }
    assert f"it said: stopping node-1 at {theirs.urls[1]}" in steps["injected"]["evidence"]["inject node-1"]
    assert steps["heal_proved"]["evidence"]["heal"].startswith(
        f"`sh -c 'kill -CONT {pid}'` ended with exit status 0"
    )
    assert steps["heal_proved"]["done_ns"] - steps["injected"]["t_ns"] > 2e9
    assert steps["undo"]["undo"][0][-3:] == ["sh", "-c", f"kill -CONT {pid}"]


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


def test_nodes_that_nobody_answers_for_are_told_and_nothing_is_begun(tmp_path: Path) -> None:
    done = wordaround("run", scenario(tmp_path, ("http://127.0.0.1:1",)), cwd=tmp_path)
    assert done.returncode == 4
    assert "node-1 (http://127.0.0.1:1) cannot be attached to: " in done.stderr
    assert "Connection refused" in done.stderr
    assert "must run, and be ready, before the run begins" in done.stderr


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


@pytest.mark.parametrize("verb", ["inject", "prove"])
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
