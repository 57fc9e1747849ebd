"""Wrong input and bad luck: a clear sentence, the right exit code, nothing left running."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

QUICK = """\
version: 1
name: quick
description: The shortest run that can begin.
cluster: {nodes: 1}
load: {users: 1, spawn_rate: 5, rooms: 1, messages_per_second: 1}
phases: {warmup: 1s, steady: 1s, chaos: 1s, recovery: 1s}
faults: []
"""


def _wordaround(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def _processes_in(folder: Path) -> list[str]:
    """Name the processes that were started from a test's folder and live on."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.pid != os.getpid():
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _broken_node(folder: Path) -> str:
    """Return a folder for PYTHONPATH in which `cluster` is a program that dies at once."""
    package = folder / "broken" / "cluster"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import sys; sys.exit('the hamster has left the wheel')")
    return str(package.parent)


def test_every_mistake_of_a_scenario_is_told_at_once(tmp_path: Path) -> None:
    wrong = QUICK
    for right, slip in (("nodes: 1", "nods: 1"), ("warmup: 1s", "warmup: soon"), ("users: 1,", "users: 0,")):
        wrong = wrong.replace(right, slip)
    (tmp_path / "wrong.yaml").write_text(wrong)
    done = _wordaround("run", "wrong.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "wrong.yaml:4:" in done.stderr
    assert "did you mean nodes" in done.stderr.replace("'", "")
    assert "wrong.yaml:5:" in done.stderr
    assert "wrong.yaml:6:" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_an_unknown_scenario_names_those_that_there_are(tmp_path: Path) -> None:
    done = _wordaround("run", "node-kil", cwd=tmp_path)
    assert done.returncode == 2
    assert "node-kill" in done.stderr
    assert "pubsub-node-kill" in done.stderr


def test_an_unknown_backend_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "quick.yaml").write_text(QUICK)
    done = _wordaround("run", "quick.yaml", "--backend", "podman", cwd=tmp_path)
    assert done.returncode == 2
    assert "podman" in done.stderr


def test_a_dry_run_starts_nothing(tmp_path: Path) -> None:
    done = _wordaround("run", "node-kill", "--dry-run", "--seed", "4711", cwd=tmp_path)
    assert done.returncode == 0
    assert "kill node-" in done.stdout
    again = _wordaround("run", "node-kill", "--dry-run", "--seed", "4711", cwd=tmp_path)
    assert again.stdout == done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_runs_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "quick.yaml").write_text(QUICK)
    done = _wordaround("run", "quick.yaml", "--backend", "process", "--runs-dir", "/dev/null/x", cwd=tmp_path)
    assert done.returncode == 2
    assert "/dev/null/x" in done.stderr


def test_check_of_a_folder_that_is_no_run_says_so(tmp_path: Path) -> None:
    done = _wordaround("check", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 4
    assert str(tmp_path) in done.stderr


def test_without_an_engine_docker_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "quick.yaml").write_text(QUICK)
    absent = f"unix://{tmp_path}/absent.sock"
    done = _wordaround("run", "quick.yaml", "--backend", "docker", cwd=tmp_path, DOCKER_HOST=absent)
    assert done.returncode == 4
    assert "docker" in done.stderr.lower()
    assert not (tmp_path / "runs").exists()


@pytest.mark.process
def test_without_an_engine_auto_takes_processes_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "quick.yaml").write_text(QUICK)
    absent = f"unix://{tmp_path}/absent.sock"
    done = _wordaround("run", "quick.yaml", cwd=tmp_path, DOCKER_HOST=absent)
    assert "process: auto: no Docker" in done.stderr
    [run] = (tmp_path / "runs").iterdir()
    assert json.loads((run / "meta.json").read_text())["backend"] == "process"
    assert _processes_in(tmp_path) == []


@pytest.mark.docker
def test_an_engine_without_the_image_is_told_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "quick.yaml").write_text(QUICK)
    image = "wordaround.invalid/absent:none"
    done = _wordaround(
        "run", "quick.yaml", "--backend", "docker", cwd=tmp_path, WORDAROUND_PYTHON_IMAGE=image
    )
    assert done.returncode == 4
    assert image in done.stderr


@pytest.mark.process
def test_a_node_that_dies_at_its_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "quick.yaml").write_text(QUICK)
    done = _wordaround(
        "run", "quick.yaml", "--backend", "process", cwd=tmp_path, PYTHONPATH=_broken_node(tmp_path)
    )
    assert done.returncode == 4
    assert "node-1" in done.stderr
    assert "the hamster has left the wheel" in done.stderr
    [run] = (tmp_path / "runs").iterdir()
    assert "node-1" in json.loads((run / "meta.json").read_text())["aborted"]
    assert _processes_in(tmp_path) == []


@pytest.mark.process
def test_a_redis_that_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "quick.yaml").write_text(QUICK)
    _program(
        tmp_path / "bin" / "redis-server",
        '#!/bin/sh\ncase "$1" in --version|-v) echo "Redis server v=7.2.0 sha=0 malloc=libc bits=64";;'
        ' *) echo "no more room on the moon"; exit 7;; esac\n',
    )
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    done = _wordaround("run", "quick.yaml", "--backend", "process", cwd=tmp_path, PATH=path)
    assert done.returncode == 4
    assert "redis" in done.stderr
    assert "no more room on the moon" in done.stderr
    assert _processes_in(tmp_path) == []


@pytest.mark.process
def test_one_scenario_that_cannot_run_does_not_keep_the_next_from_running(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / f"{name}.yaml").write_text(QUICK.replace("name: quick", f"name: {name}"))
    done = _wordaround(
        "run",
        "first.yaml",
        "second.yaml",
        "--backend",
        "process",
        cwd=tmp_path,
        PYTHONPATH=_broken_node(tmp_path),
    )
    assert done.returncode == 4
    assert len(list((tmp_path / "runs").iterdir())) == 2
