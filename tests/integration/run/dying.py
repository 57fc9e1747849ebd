"""`wordaround run` as a victim: it is stopped at a moment that is seen, and what it leaves is looked for."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker
import psutil

INTERRUPTED = 130
_PATIENCE_S = 60.0
_ENDED = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)

_HEAD = """\
version: 1
name: dying
description: Short, and long enough to be ended in the middle.
cluster: {nodes: 2}
load: {users: 4, spawn_rate: 10, rooms: 1, messages_per_second: 8}
"""
CALM = _HEAD + "phases: {warmup: 500ms, steady: 500ms, chaos: 500ms, recovery: 500ms}\nfaults: []\n"
KILL = _HEAD + (
    "phases: {warmup: 500ms, steady: 500ms, chaos: 20s, recovery: 1s}\n"
    "faults: [{id: one, fault: kill, at: 100ms, target: {name: node-2}, restart_after: 1500ms}]\n"
)
PAUSE = _HEAD + (
    "phases: {warmup: 500ms, steady: 500ms, chaos: 20s, recovery: 1s}\n"
    "faults: [{id: one, fault: pause, at: 100ms, target: {name: node-2}, duration: 15s}]\n"
)
SHORT_PAUSE = PAUSE.replace("chaos: 20s", "chaos: 3s").replace("duration: 15s", "duration: 2s")
# Redis has a small disk then, mounted for it alone.
FULL_DISK = _HEAD + (
    "phases: {warmup: 500ms, steady: 500ms, chaos: 20s, recovery: 1s}\n"
    "faults: [{id: one, fault: disk-full, at: 100ms, target: {name: redis}, duration: 15s}]\n"
)
# Proxies, or rules in the members' network namespaces, are there then; and a file that only its undo removes.
CUT = _HEAD + (
    "phases: {warmup: 500ms, steady: 500ms, chaos: 20s, recovery: 1s}\n"
    "faults:\n"
    "  - {id: one, fault: partition, at: 100ms, target: {name: node-2}, from: {role: redis}, duration: 15s}\n"
    "  - {id: two, fault: command, at: 100ms, inject: [touch, broken], prove: [test, -e, broken],\n"
    "     heal: [rm, -f, broken], duration: 15s}\n"
)


@dataclass
class Victim:
    """One `wordaround run` in a folder, with temporary files, and so claims, of its own."""

    backend: str
    folder: Path
    temporary: Path
    scenario: str = KILL
    environment: dict[str, str] = field(default_factory=dict)
    within: tuple[str, ...] = ()  # words before the command's, that put it into a place of its own
    process: subprocess.Popen[bytes] = field(init=False)
    family: list[psutil.Process] = field(default_factory=list)

    def start(self) -> None:
        (self.folder / "dying.yaml").write_text(self.scenario)
        with (self.folder / "err").open("wb") as err:
            self.process = subprocess.Popen(
                [
                    *self.within,
                    sys.executable,
                    "-m",
                    "harness",
                    "run",
                    "dying.yaml",
                    "--backend",
                    self.backend,
                ],
                cwd=self.folder,
                env=self._environment,
                stdout=subprocess.DEVNULL,
                stderr=err,
                start_new_session=True,
            )

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment, "TMPDIR": str(self.temporary)}

    @property
    def said(self) -> str:
        return (self.folder / "err").read_text()

    @property
    def run(self) -> Path | None:
        return next(iter(self.folder.glob("runs/*")), None)

    @property
    def meta(self) -> dict[str, object]:
        assert self.run is not None
        return dict(json.loads((self.run / "meta.json").read_text()))

    def await_(self, reached: Callable[["Victim"], bool]) -> None:
        """Wait until a moment is seen to have come; note who runs then."""
        deadline = time.monotonic() + _PATIENCE_S
        while not reached(self):
            assert self.process.poll() is None, f"it ended before the moment: {self.said}"
            assert time.monotonic() < deadline, f"the moment never came: {self.said}"
            time.sleep(0.01)
        self.family = psutil.Process(self.process.pid).children(recursive=True)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def ended(self) -> int:
        """Wait for its end, and for its watchdog's where it needed one; return the exit status."""
        status = self.process.wait(_PATIENCE_S)
        deadline = time.monotonic() + _PATIENCE_S
        while list(self.temporary.glob("wordaround-claims-*")):
            assert time.monotonic() < deadline, f"the watchdog did not clean up: {self.watchdog_log}"
            time.sleep(0.02)
        psutil.wait_procs(self.family, timeout=10)  # The watchdog itself, after its last work.
        return status

    @property
    def watchdog_log(self) -> str:
        log = self.run / "watchdog.log" if self.run else None
        return log.read_text() if log is not None and log.exists() else ""

    def wordaround(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "harness", *words],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def left_behind(self) -> list[str]:
        """Name everything of the run that is still there, found by other means than those of `heal`."""
        left = [f"process {p.pid}" for p in self.family if p.is_running() and p.status() not in _ENDED]
        left += [f"process {p.pid}: {p.cmdline()}" for p in self._about_us()]
        left += [f"file {path}" for path in self.temporary.iterdir()]
        if self.run is not None:
            left += [f"file {path}" for path in self.run.glob("*.part") if not path.is_fifo()]
            if self.backend == "docker":
                left += self._in_docker(str(self.meta["run_id"]))
        return left

    def _about_us(self) -> Iterator[psutil.Process]:
        ours = (str(self.temporary), str(self.folder))
        for process in psutil.process_iter():
            try:
                words = [*process.cmdline(), process.cwd(), process.environ().get("TMPDIR", "")]
                if process.pid != os.getpid() and any(word.startswith(ours) for word in words):
                    yield process
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue

    def _in_docker(self, run_id: str) -> list[str]:
        client = docker.DockerClient(self.environment["DOCKER_HOST"]) if self.environment.get(
            "DOCKER_HOST"
        ) else docker.from_env()  # fmt: skip
        try:
            label = {"label": f"wordaround.run={run_id}"}
            things = [
                *client.containers.list(all=True, filters=label),
                *client.networks.list(filters=label),
                *client.volumes.list(filters=label),
            ]
            return [f"{type(thing).__name__} {thing.name}" for thing in things]
        finally:
            client.close()


@contextmanager
def victim(
    backend: str, folder: Path, scenario: str = KILL, *, within: tuple[str, ...] = (), **environment: str
) -> Iterator[Victim]:
    """Start a victim, and let nothing of it outlive the test, whatever the test finds."""
    # Short: a socket lies in it, whose path may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="wa-") as temporary:
        one = Victim(backend, folder, Path(temporary), scenario, environment, within)
        one.start()
        try:
            yield one
        finally:
            if one.process.poll() is None:
                one.process.kill()
                one.ended()


# --- moments ---------------------------------------------------------------------------------------------


def building(one: Victim) -> bool:
    """A step of the nodes' image is being built."""
    return "Step 5" in one.said


def starting(one: Victim) -> bool:
    """Redis has been started; the nodes are about to be."""
    return one.run is not None and (one.run / "logs" / "redis.log").exists()


def warm_up(one: Victim) -> bool:
    """The bots send."""
    return one.run is not None and (one.run / "meta.json").exists() and one.meta["load_began_ns"] is not None


def in_the_fault(one: Victim) -> bool:
    """The fault has bitten."""
    return one.run is not None and '"proved"' in _text(one.run / "faults.jsonl")


def in_both_faults(one: Victim) -> bool:
    """Two faults have bitten."""
    return one.run is not None and _text(one.run / "faults.jsonl").count('"proved"') == 2


def healing(one: Victim) -> bool:
    """The killed node was started again, and is not ready yet."""
    return one.run is not None and '"starting"' in _text(one.run / "members.jsonl").partition('"down"')[2]


def judging(one: Victim) -> bool:
    """The verdict is about to be written, and cannot be: its place is taken by a pipe that nobody reads."""
    return _blocked(one, "verdict.json.part") and "Judging" in one.said


def reporting(one: Victim) -> bool:
    """The verdict is there, and the first report about to be written."""
    return _blocked(one, "report.html.part") and one.run is not None and (one.run / "verdict.json").exists()


def _blocked(one: Victim, name: str) -> bool:
    if one.run is None:
        return False
    if not (one.run / name).exists():
        os.mkfifo(one.run / name)
    return True


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
