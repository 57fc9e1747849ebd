"""A Docker engine that goes away in the middle of a run: what was in it is removed when it is back."""

import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.run.dying import PAUSE, Victim, in_the_fault, victim
from tests.integration.run.own_engine import OwnEngine, own_engine

pytestmark = [pytest.mark.docker, pytest.mark.netns, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def engine() -> Iterator[OwnEngine]:
    missing = [name for name in ("dockerd", "nsenter") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"a Docker engine of our own: {' and '.join(missing)} not on PATH")
    with own_engine() as started:
        yield started


def _wait_until_the_watchdog_says(one: Victim, word: str) -> None:
    deadline = time.monotonic() + 90
    while word not in one.watchdog_log:
        assert time.monotonic() < deadline, one.watchdog_log
        time.sleep(0.1)


def test_an_engine_that_restarts_ends_the_run_and_nothing_is_left(engine: OwnEngine, tmp_path: Path) -> None:
    with victim("docker", tmp_path, PAUSE, within=engine.within, DOCKER_HOST=engine.host) as one:
        one.await_(in_the_fault)
        engine.stop()
        engine.start()
        assert one.ended() == 4, one.said
        assert "Traceback" not in one.said
        assert one.meta["aborted"]
        assert one.left_behind() == []
        assert one.wordaround("check", str(one.run)).returncode in (3, 4)


def test_what_is_in_an_engine_that_is_away_stays_claimed_and_is_healed_when_it_is_back(
    engine: OwnEngine, tmp_path: Path
) -> None:
    with victim("docker", tmp_path, PAUSE, within=engine.within, DOCKER_HOST=engine.host) as one:
        one.await_(in_the_fault)
        run_id = str(one.meta["run_id"])
        engine.stop()
        one.signal(signal.SIGKILL)
        one.process.wait()
        _wait_until_the_watchdog_says(one, "still there")
        del one.environment["DOCKER_HOST"]  # The claim knows which engine it was.
        away = one.wordaround("heal", "--run", run_id)
        assert away.returncode == 4
        assert "no Docker engine answers" in away.stdout
        engine.start()
        back = one.wordaround("heal", "--run", run_id)
        assert back.returncode == 0, back.stdout
        assert "from Docker" in back.stdout
        one.environment["DOCKER_HOST"] = engine.host
        one.ended()
        assert one.left_behind() == []
