"""The tool's own death at any moment, in any way: nothing stays behind, and the run folder can be judged.

Every way at every moment on every backend takes minutes; a tenth of it, in which each way, each moment and
each backend is there, runs in CI. The others are `slow`.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import psutil
import pytest

from harness.backends.images import cluster_source
from tests.integration.run.dying import (
    CALM,
    CUT,
    FULL_DISK,
    INTERRUPTED,
    KILL,
    PAUSE,
    SHORT_PAUSE,
    Victim,
    building,
    healing,
    in_both_faults,
    in_the_fault,
    judging,
    reporting,
    starting,
    victim,
    warm_up,
)

Moment = Callable[[Victim], bool]

MOMENTS: dict[Moment, str] = {
    starting: KILL,
    warm_up: KILL,
    in_the_fault: PAUSE,  # a member stands still
    healing: KILL,
    judging: CALM,
    reporting: CALM,
}
INT, TERM, KILLED = signal.SIGINT, signal.SIGTERM, signal.SIGKILL
WAYS = (INT, TERM, KILLED)

IN_CI = {
    ("process", starting, KILLED),
    ("process", in_the_fault, KILLED),
    ("process", healing, TERM),
    ("process", judging, KILLED),
    ("docker", in_the_fault, KILLED),
    ("docker", warm_up, INT),
}


def _grid() -> list[object]:
    cells = []
    for backend, moment, way in product(("process", "docker"), MOMENTS, WAYS):
        marks = [getattr(pytest.mark, backend)]
        if (backend, moment, way) not in IN_CI:
            marks.append(pytest.mark.slow)
        cells.append(
            pytest.param(backend, moment, way, marks=marks, id=f"{backend}-{moment.__name__}-{way.name}")
        )
    return cells


def _judged(one: Victim) -> None:
    """The folder of a run that was cut short can be judged: it is unknown, or never began."""
    assert one.run is not None
    for path in one.run.glob("*.part"):
        path.unlink()  # The pipes that held it up.
    done = one.wordaround("check", str(one.run))
    assert "Traceback" not in done.stderr
    assert done.returncode in (3, 4), done.stdout + done.stderr
    assert (one.run / "plan.json").exists()
    assert (one.run / "scenario.yaml").exists()


def _nothing_to_heal(one: Victim) -> None:
    done = one.wordaround("heal", "--run", str(one.meta["run_id"]))
    assert (done.returncode, done.stdout) == (0, "nothing to heal\n")


@pytest.mark.parametrize(("backend", "moment", "way"), _grid())
def test_nothing_stays_behind(backend: str, moment: Moment, way: signal.Signals, tmp_path: Path) -> None:
    with victim(backend, tmp_path, MOMENTS[moment]) as one:
        one.await_(moment)
        one.signal(way)
        status = one.ended()
        assert one.left_behind() == []
        assert status == (-KILLED if way is KILLED else INTERRUPTED), one.said
        assert "Traceback" not in one.said
        if moment not in (judging, reporting):  # By then the run itself is whole.
            assert one.meta["aborted"] == (
                "the harness died; its watchdog cleaned up" if way is KILLED else "interrupted by the user"
            )
            assert one.meta["ended_ns"] is not None
            _judged(one)
        _nothing_to_heal(one)


@pytest.fixture
def changed(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A `cluster` of which no image was built yet, and the label of what is made of it; that goes with it."""
    source, label = tmp_path / "changed" / "cluster", f"wordaround.image=dying-{os.getpid()}"
    shutil.copytree(cluster_source(), source, ignore=shutil.ignore_patterns("__pycache__"))
    dockerfile = (source / "Dockerfile").read_text()
    assert 'wordaround.image="node"' in dockerfile
    (source / "Dockerfile").write_text(dockerfile.replace('wordaround.image="node"', label))
    yield source.parent, label
    for image in _docker("images", "--quiet", "--filter", f"label={label}"):
        _docker("rmi", "--force", image)


def _docker(*words: str) -> list[str]:
    done = subprocess.run(("docker", *words), check=True, capture_output=True, text=True)
    return done.stdout.split()


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_nothing_stays_behind_of_a_run_whose_image_is_being_built(
    way: signal.Signals, tmp_path: Path, changed: tuple[Path, str]
) -> None:
    source, label = changed
    with victim("docker", tmp_path, KILL, PYTHONPATH=str(source)) as one:
        one.await_(building)
        one.signal(way)
        status = one.ended()
        assert status == (-KILLED if way is KILLED else INTERRUPTED), one.said
        assert one.left_behind() == []
        _wait_until_none(lambda: _docker("ps", "--all", "--quiet", "--filter", f"label={label}"))
        _judged(one)
        _nothing_to_heal(one)


def _wait_until_none(look: Callable[[], list[str]]) -> None:
    """The engine needs a moment to notice that nobody waits for a build any more."""
    deadline = time.monotonic() + 30
    while left := look():
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


BACKENDS = [
    pytest.param("process", marks=pytest.mark.process),
    pytest.param("docker", marks=pytest.mark.docker),
]


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_stays_behind_of_a_disk_that_was_mounted_for_redis(backend: str, tmp_path: Path) -> None:
    with victim(backend, tmp_path, FULL_DISK) as one:
        one.await_(in_the_fault)
        one.signal(KILLED)
        assert one.ended() == -KILLED
        assert one.left_behind() == []
        _judged(one)
        _nothing_to_heal(one)


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("way", [INT, KILLED])
def test_proxies_and_rules_are_gone_and_what_outlasts_the_cluster_is_undone(
    backend: str, way: signal.Signals, tmp_path: Path
) -> None:
    with victim(backend, tmp_path, CUT) as one:
        one.await_(in_both_faults)
        assert (tmp_path / "broken").exists()
        one.signal(way)
        status = one.ended()
        assert status == (-KILLED if way is KILLED else INTERRUPTED), one.said
        assert not (tmp_path / "broken").exists()
        assert one.left_behind() == []
        assert ("undid fault two" in one.watchdog_log) is (way is KILLED)
        _judged(one)
        _nothing_to_heal(one)


def _impatient(one: Victim, presses: int) -> None:
    """Press Ctrl-C again each time when the last one was answered; cleaning up takes seconds meanwhile."""
    [bots] = [p for p in one.family if "harness.bots" in p.cmdline()]
    bots.suspend()  # It has three seconds to end in order, and does not.
    answers = ("Stopping: cleaning up", "Once more", "Given up")
    for answer in answers[:presses]:
        one.signal(INT)
        if answer != "Given up":
            one.await_(lambda one, answer=answer: answer in one.said)


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param("process", marks=pytest.mark.process),
        pytest.param("docker", marks=[pytest.mark.docker, pytest.mark.slow]),
    ],
)
@pytest.mark.parametrize("presses", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_an_impatient_ctrl_c_is_warned_and_the_third_leaves_the_rest_to_the_watchdog(
    backend: str, presses: int, tmp_path: Path
) -> None:
    with victim(backend, tmp_path, KILL) as one:
        one.await_(warm_up)
        family = one.family
        _impatient(one, presses)
        one.family = family
        assert one.ended() == INTERRUPTED, one.said
        assert one.left_behind() == []
        if presses == 2:
            assert one.meta["aborted"] == "interrupted by the user"
        else:
            assert f"wordaround heal --run {one.meta['run_id']}" in one.said
            assert str(one.meta["aborted"]).startswith("interrupted by the user, who did not wait")
            assert "ended" in one.watchdog_log
        _judged(one)
        _nothing_to_heal(one)


@pytest.mark.process
@pytest.mark.slow
def test_a_terminal_that_goes_away_ends_a_run_as_ctrl_c_does(tmp_path: Path) -> None:
    with victim("process", tmp_path, KILL) as one:
        one.await_(warm_up)
        one.signal(signal.SIGHUP)
        assert one.ended() == INTERRUPTED
        assert one.left_behind() == []


@pytest.mark.process
def test_without_its_watchdog_a_killed_run_is_healed_by_the_command(tmp_path: Path) -> None:
    with victim("process", tmp_path, PAUSE) as one:
        one.await_(in_the_fault)
        for process in one.family:
            if "harness.watchdog" in process.cmdline():
                process.kill()
        one.signal(KILLED)
        one.process.wait()
        assert one.left_behind() != []
        run_id = str(one.meta["run_id"])
        done = one.wordaround("heal", "--run", run_id)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"run {run_id} has no living owner any more" in done.stdout
        assert "ended" in done.stdout
        psutil.wait_procs(one.family, timeout=10)
        assert one.left_behind() == []
        assert one.meta["aborted"] == "the harness died; `wordaround heal` cleaned up"
        _nothing_to_heal(one)
        _judged(one)


@pytest.mark.process
@pytest.mark.slow
def test_two_runs_at_a_time_do_not_touch_each_other(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with victim("process", tmp_path / "first", PAUSE) as first:
        first.await_(in_the_fault)
        with victim("process", tmp_path / "second", PAUSE) as second:
            second.temporary = first.temporary  # For the looks that follow; it runs with its own.
            second.await_(in_the_fault)
            second.signal(KILLED)
            second.process.wait()
            psutil.wait_procs(second.family, timeout=30)
            assert not any(p.is_running() for p in second.family)
        assert first.process.poll() is None
        done = first.wordaround("heal", "--run", str(first.meta["run_id"]))
        assert done.returncode == 2
        assert "going on" in done.stderr
        assert all(process.is_running() for process in first.family)
        os.kill(first.process.pid, INT)
        assert first.ended() == INTERRUPTED
        assert first.left_behind() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "backend",
    [
        pytest.param("process", marks=pytest.mark.process),
        pytest.param("docker", marks=pytest.mark.docker),
    ],
)
def test_a_target_that_dies_by_itself_in_its_fault_ends_as_a_finding(backend: str, tmp_path: Path) -> None:
    with victim(backend, tmp_path, SHORT_PAUSE) as one:
        one.await_(in_the_fault)
        os.kill(_pid_of("node-2", one), signal.SIGKILL)
        status = one.ended()
        assert one.left_behind() == []
        assert status in (1, 3), one.said  # The cluster was not as the plan has it; the harness is whole.
        assert "Traceback" not in one.said
        assert one.meta["aborted"] is None
        _nothing_to_heal(one)


def _pid_of(member: str, one: Victim) -> int:
    assert one.run is not None
    lines = (one.run / "members.jsonl").read_text().splitlines()
    identity = [entry["identity"] for entry in map(json.loads, lines) if entry["member"] == member][-1]
    return int(identity.partition("pid ")[2].split()[0])
