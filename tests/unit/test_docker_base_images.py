"""`.ci/base-images` chooses right, against a stand-in for the `docker` command that only knows names."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "base-images"

STAND_IN = """#!/usr/bin/env bash
echo "docker $*" >>"$CALLS"
case "$1 $2" in
    "image inspect") [[ " $HELD " == *" $3 "* || ( $3 == wordaround/* && -n $MADE ) ]] ;;
    "version "*) ;;
    "pull --quiet") [[ -n $PULLS ]] || { echo "registry: no such host" >&2; exit 1; } ;;
    *) echo "unexpected: docker $*" >&2; exit 97 ;;
esac
"""

# The pip settings of a machine; starting the real pip takes a second each time.
PIP = """#!/usr/bin/env bash
printf '%s\\n' "global.index-url='https://index.example/simple'" "global.constraint='/etc/caps.txt'"
"""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What the script said and asked Docker for."""

    code: int
    out: list[str]
    err: str
    calls: list[str]


@pytest.fixture
def base_images(tmp_path: Path):
    """Runs the script; `held` are images that the engine has, `made` says that it made its own before."""
    for name, program in (("docker", STAND_IN), ("python3", PIP)):
        (tmp_path / name).write_text(program)
        (tmp_path / name).chmod(0o755)

    def run(*, held: str = "", made: bool = False, pulls: bool = False, **variables: str) -> Ran:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("WORDAROUND_")}
        told = {"HELD": held, "MADE": "1" * made, "PULLS": "1" * pulls, "CALLS": str(tmp_path / "calls")}
        path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        ran = subprocess.run(
            [SCRIPT], env={**clean, **path, **told, **variables}, capture_output=True, text=True, check=False
        )
        calls = (tmp_path / "calls").read_text().splitlines()
        return Ran(code=ran.returncode, out=ran.stdout.splitlines(), err=ran.stderr, calls=calls)

    return run


def exports(python: str, redis: str) -> list[str]:
    return [f"export WORDAROUND_PYTHON_IMAGE={python}", f"export WORDAROUND_REDIS_IMAGE={redis}"]


def test_images_that_the_engine_has_are_taken_without_a_pull(base_images) -> None:
    ran = base_images(held="python:3.12-slim redis:8-alpine")
    assert (ran.code, ran.out) == (0, exports("python:3.12-slim", "redis:8-alpine")), ran.err
    assert not any("pull" in call for call in ran.calls)


def test_a_variable_that_names_a_present_image_wins(base_images) -> None:
    ran = base_images(held="python:3.12-slim redis:8-alpine valkey:8", WORDAROUND_REDIS_IMAGE="valkey:8")
    assert (ran.code, ran.out) == (0, exports("python:3.12-slim", "valkey:8")), ran.err


def test_a_variable_that_names_an_image_nobody_has_is_an_error_that_names_it(base_images) -> None:
    ran = base_images(held="python:3.12-slim", WORDAROUND_REDIS_IMAGE="valkey:8")
    assert ran.code == 1
    assert ran.out == []
    assert "no image valkey:8 and cannot pull it" in ran.err


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="images are made from what apt-get names")
def test_images_made_before_are_taken_before_any_pull(base_images) -> None:
    ran = base_images(made=True)
    assert ran.code == 0, ran.err
    (python, redis) = (line.partition("=")[2] for line in ran.out)
    assert python.startswith("wordaround/python-base:")
    assert redis.startswith("wordaround/redis-base:")
    assert python.partition(":")[2] == redis.partition(":")[2] != ""
    assert not any("pull" in call for call in ran.calls)
    assert base_images(made=True).out == ran.out


def test_where_the_registry_answers_the_defaults_are_pulled(base_images) -> None:
    ran = base_images(pulls=True)
    assert (ran.code, ran.out) == (0, exports("python:3.12-slim", "redis:8-alpine")), ran.err
    assert sum("pull" in call for call in ran.calls) == 2
