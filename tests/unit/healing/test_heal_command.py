"""`wordaround heal`: ends what no living owner looks after, says what it did, touches nobody else's run."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from harness import claims
from harness.claims import Claim
from harness.errors import UsageError
from harness.guard import Guard
from harness.healing import docker_objects
from harness.healing.everything import heal_and_tell
from harness.labels import folder_prefix
from harness.records.codec import read_json, write_json
from harness.records.meta import Meta
from tests.unit.healing.names import RUN

Make = Callable[..., Claim]
ID1, ID2, ID3 = sorted(os.urandom(4).hex() for _ in range(3))
DEAD = 2**22 + 1  # No process has it: Linux ends before.


class Engine:
    """What Docker has, by run: the states of its containers."""

    def __init__(self) -> None:
        self.states: dict[str, list[str]] = {}
        self.removed: list[str] = []
        self.broken = False

    def remove(self, run_id: str, host: str, say: Callable[[str], None]) -> list[str]:
        if self.broken:
            return ["what it made in Docker could not be looked for"]
        if self.states.pop(run_id, None) is not None:
            self.removed.append(run_id)
            say("removed 1 container from Docker")
        return []


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    fake = Engine()
    monkeypatch.setattr(docker_objects, "_states", lambda: fake.states)
    monkeypatch.setattr(docker_objects, "remove", fake.remove)
    return fake


def _heal(run_id: str | None = None) -> tuple[int, str]:
    said: list[str] = []
    return heal_and_tell(run_id, said.append), "\n".join(said)


def _dead(claim: Claim) -> None:
    claims.make(claim).close()


def test_where_nothing_is_left_it_says_so() -> None:
    assert _heal() == (0, "nothing to heal")


def test_runs_of_dead_owners_are_healed_and_a_living_one_is_left_alone(claim: Make, temporary: Path) -> None:
    _dead(claim(ID1, owner=DEAD))
    living = claims.make(claim(ID2))
    for run_id in (ID1, ID2):
        (temporary / f"{folder_prefix(run_id)}x").mkdir()
    status, said = _heal()
    assert status == 0
    assert f"run {ID1} has no living owner" in said
    assert f"removed {temporary / folder_prefix(ID1)}x" in said
    assert f"run {ID2} is going on" in said
    assert [path.name for path in temporary.glob("wordaround-*-x")] == [f"{folder_prefix(ID2)}x"]
    living.delete()
    (temporary / f"{folder_prefix(ID2)}x").rmdir()
    assert _heal() == (0, "nothing to heal")


def test_one_run_alone_can_be_healed(claim: Make) -> None:
    _dead(claim(ID1))
    _dead(claim(ID2))
    assert _heal(ID2)[0] == 0
    assert [found.path.stem for found in claims.found()] == [ID1]
    _heal()


def test_a_run_that_goes_on_is_not_healed_even_when_it_is_named(claim: Make) -> None:
    living = claims.make(claim(ID2))
    with pytest.raises(UsageError, match=r"going on .*; end it with Ctrl-C, or kill \d+"):
        _heal(ID2)
    living.delete()


def test_a_cluster_that_is_up_is_not_healed__the_sentence_names_down(claim: Make) -> None:
    living = claims.make(replace(claim(ID2), command="wordaround up --nodes 3"))
    with pytest.raises(UsageError, match=f"going on .*; end it with `wordaround down {ID2}`"):
        _heal(ID2)
    living.delete()


def test_what_is_no_id_is_told(claim: Make) -> None:
    with pytest.raises(UsageError, match="8 hexadecimal digits"):
        _heal("runs/x")


def test_what_cannot_be_ended_stays_claimed_and_the_code_is_4(claim: Make, engine: Engine) -> None:
    engine.broken = True
    made = claim()
    _dead(Claim(run_id=ID3, backend="docker", folder=made.folder, command="x", owner=DEAD))
    status, said = _heal()
    assert status == 4
    assert f"still there: run {ID3}: what it made in Docker" in said
    assert [found.path.stem for found in claims.found()] == [ID3]
    engine.broken = False
    status, said = _heal()
    assert status == 0
    assert f"run {ID3} has no living owner" in said
    assert claims.found() == ()


def test_what_a_living_run_has_in_docker_is_not_unclaimed(claim: Make, engine: Engine) -> None:
    living = claims.make(claim(ID1))
    engine.states = {ID1: ["created"]}
    assert _heal()[0] == 0
    assert engine.removed == []
    living.delete()


def test_a_claim_of_another_version_is_told_with_the_way_out(claim: Make) -> None:
    claims.folder().mkdir(mode=0o700)
    (claims.folder() / f"{RUN}.json").write_text("{}")
    status, said = _heal()
    assert status == 4
    assert "cannot be read" in said


def test_containers_that_nobody_claims_go_unless_they_run(engine: Engine) -> None:
    engine.states = {ID1: ["exited", "created"], ID2: ["exited", "running"], ID3: []}
    status, said = _heal()
    assert status == 0
    assert engine.removed == [ID1, ID3]
    assert f"wordaround heal --run {ID2}" in said
    assert _heal(ID2)[0] == 0
    assert engine.removed[-1] == ID2


def test_a_paused_container_counts_as_running(engine: Engine) -> None:
    engine.states = {ID1: ["paused"]}
    _heal()
    assert engine.removed == []


def test_a_run_with_a_watchdog_is_going_on_though_its_claim_is_not_seen(
    claim: Make, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    guard = Guard(claim(ID1))
    engine.states = {ID1: ["exited"]}
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(claims, "folder", lambda: tmp_path / "another user's")
        assert "going on" in _heal()[1]
        with pytest.raises(UsageError, match="going on"):
            _heal(ID1)
    assert engine.removed == []
    guard.release()


def test_the_run_folder_is_told_why_the_run_ended(claim: Make) -> None:
    made = claim()
    meta = Path(made.folder) / "meta.json"
    began = datetime(2026, 1, 1, tzinfo=UTC)
    write_json(
        meta,
        Meta(run_id=RUN, backend="process", backend_reason="", command="x", began=began, began_ns=0),
    )
    (meta.parent / "verdict.json.part").touch()
    _dead(made)
    _heal()
    assert read_json(Meta, meta).aborted == "the harness died; `wordaround heal` cleaned up"
    assert read_json(Meta, meta).ended_ns is not None
    assert not (meta.parent / "verdict.json.part").exists()


def test_while_the_watchdog_of_a_dead_owner_cleans_up_it_is_waited_for(claim: Make) -> None:
    lock = claims.make(claim(owner=DEAD))
    program = "import time, pathlib, sys; time.sleep(0.5); pathlib.Path(sys.argv[1]).unlink()"
    child = subprocess.Popen([sys.executable, "-c", program, str(lock.path)])
    status, said = _heal()
    assert child.wait() == 0
    assert (status, said) == (0, f"run {RUN}: its watchdog is cleaning up")
    lock.delete()


def test_as_a_command_it_ends_with_the_code(claim: Make) -> None:
    (Path(claim().folder) / "faults.jsonl").write_text(
        json.dumps(
            {
                "t_ns": 1, "done_ns": 1, "fault_id": "a", "fault": "command", "step": "undo",
                "targets": ["x"], "evidence": {}, "undo": [["false"]],
            }
        )
        + "\n"
    )  # fmt: skip
    _dead(claim(owner=DEAD))
    absent = {**os.environ, "DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    words = [sys.executable, "-m", "harness", "heal"]
    done = subprocess.run(words, env=absent, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert f"still there: run {RUN}: fault a (command x) may still be in force: false" in done.stdout
    (Path(claim().folder) / "faults.jsonl").unlink()
    assert subprocess.run(words, env=absent, capture_output=True, check=False).returncode == 0
    again = subprocess.run(words, env=absent, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout) == (0, "nothing to heal\n")
    assert psutil.pid_exists(DEAD) is False
