"""Ctrl-C and SIGTERM at any moment: everything is stopped, the folder is kept, exit 130."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import docker
import psutil
import pytest

BACKENDS = [
    pytest.param("process", marks=pytest.mark.process),
    pytest.param("docker", marks=pytest.mark.docker),
]


def _started(run: Path) -> bool:
    return (run / "meta.json").exists()


def _member_log(run: Path) -> bool:
    return (run / "logs" / "redis.log").exists()


def _load_began(run: Path) -> bool:
    return _started(run) and json.loads((run / "meta.json").read_text())["load_began_ns"] is not None


def _in_the_fault(run: Path) -> bool:
    return (run / "faults.jsonl").exists() and '"proved"' in (run / "faults.jsonl").read_text()


MOMENTS = [_started, _member_log, _load_began, _in_the_fault]


def _wait_for(reached: Callable[[Path], bool], runs: Path, process: subprocess.Popen[str]) -> Path:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        for run in runs.glob("*"):
            if reached(run):
                return run
        time.sleep(0.02)
    raise AssertionError(f"the moment never came; status {process.poll()}: {process.communicate(timeout=5)}")


def _descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def _run_and_signal(
    backend: str, reached: Callable[[Path], bool], numbers: list[signal.Signals], folder: Path
) -> tuple[int, str, Path, list[psutil.Process]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "run", "node-kill", "--backend", backend],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        run = _wait_for(reached, folder / "runs", process)
        family = _descendants(process)
        for number in numbers:
            os.kill(process.pid, number)
            time.sleep(0.3)  # between a person's two presses
        _, err = process.communicate(timeout=40)
        return process.returncode, err, run, family
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def _nothing_left(run: Path, family: list[psutil.Process], backend: str) -> None:
    assert [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
    if backend != "docker":
        return
    client = docker.from_env()
    run_id = json.loads((run / "meta.json").read_text())["run_id"]
    label = {"label": f"wordaround.run={run_id}"}
    assert client.containers.list(all=True, filters=label) == []
    assert client.networks.list(filters=label) == []
    client.close()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("reached", MOMENTS, ids=lambda moment: moment.__name__.strip("_"))
def test_ctrl_c_stops_everything_and_keeps_the_folder(
    backend: str, reached: Callable[[Path], bool], tmp_path: Path
) -> None:
    status, err, run, family = _run_and_signal(backend, reached, [signal.SIGINT], tmp_path)
    assert status == 130, err
    assert "Traceback" not in err
    assert json.loads((run / "meta.json").read_text())["aborted"] == "interrupted by the user"
    assert (run / "plan.json").exists()
    assert (run / "scenario.yaml").exists()
    _nothing_left(run, family, backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_impatient_second_ctrl_c_does_not_cut_the_cleaning_short(backend: str, tmp_path: Path) -> None:
    numbers = [signal.SIGINT, signal.SIGINT]
    status, err, run, family = _run_and_signal(backend, _load_began, numbers, tmp_path)
    assert status == 130, err
    _nothing_left(run, family, backend)


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_a_run_as_ctrl_c_does(number: signal.Signals, tmp_path: Path) -> None:
    status, err, run, family = _run_and_signal("process", _load_began, [number], tmp_path)
    assert status == 130, err
    _nothing_left(run, family, "process")
