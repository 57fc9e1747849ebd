"""What healing ends, of the run that it is asked for and of no other; what it cannot end it says."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from harness.claims import Claim
from harness.healing import folders, heal, processes
from harness.healing.faults import open_faults
from harness.labels import folder_prefix, labelled
from harness.records.journal import FaultEntry, Journal, read_journal
from tests.unit.healing.names import OTHER, RUN

Make = Callable[..., Claim]
Spawn = Callable[..., psutil.Process]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start processes that live until they are killed; reap them, so that none is a zombie of ours."""
    children: list[subprocess.Popen[bytes]] = []

    def start(code: str = "import time; time.sleep(60)", **options: object) -> psutil.Process:
        ready = "import sys; sys.stderr.write('x'); sys.stderr.close();"
        child = subprocess.Popen(
            [sys.executable, "-c", ready + code], stderr=subprocess.PIPE, start_new_session=True, **options
        )  # type: ignore[call-overload]
        children.append(child)
        assert child.stderr.read(1) == b"x"
        return psutil.Process(child.pid)

    yield start
    for child in children:
        child.kill()
        child.communicate()


def _healed(claim: Claim) -> tuple[list[str], tuple[str, ...]]:
    said: list[str] = []
    return said, heal(claim, said.append)


def _dead(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


# --- processes -------------------------------------------------------------------------------------------


def test_a_process_is_known_by_its_environment(claim: Make, spawn: Spawn) -> None:
    ours = spawn(env=labelled(os.environ, RUN))
    other = spawn(env=labelled(os.environ, OTHER))
    said, left = _healed(claim())
    assert left == ()
    assert said == ["ended 1 process"]
    assert _dead(ours)
    assert not _dead(other)


def test_a_grandchild_in_a_session_of_its_own_is_found(claim: Make, spawn: Spawn) -> None:
    code = (
        "import subprocess, sys, time;"
        "subprocess.Popen(['sleep', '60'], start_new_session=True, stderr=subprocess.DEVNULL);"
        "sys.stdout.write('x'); sys.stdout.flush(); time.sleep(60)"
    )
    parent = spawn(code, env=labelled(os.environ, RUN), stdout=subprocess.PIPE)
    [child] = _eventually(parent.children)
    parent.kill()
    _healed(claim())
    assert _dead(child)


def _eventually(look: Callable[[], list[psutil.Process]]) -> list[psutil.Process]:
    for _ in range(500):
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError("nothing appeared")


def test_a_server_that_wrote_over_its_environment_is_known_by_where_it_stands(
    claim: Make, spawn: Spawn, temporary: Path
) -> None:
    folder = temporary / f"{folder_prefix(RUN)}x"
    folder.mkdir()
    ours, other = spawn(cwd=folder), spawn(cwd=temporary)
    _healed(claim())
    assert _dead(ours)
    assert not _dead(other)


def test_a_foreign_node_is_known_by_the_log_that_it_prints_to_and_its_reader_is_spared(
    claim: Make, spawn: Spawn
) -> None:
    log = Path(claim().folder) / "logs" / "node-1.log"
    with log.open("wb") as output:
        ours = spawn(stdout=output)
    with log.open("rb") as reading:
        reader = spawn(stdin=reading)
    _healed(claim())
    assert _dead(ours)
    assert not _dead(reader)


def test_a_process_that_stands_still_and_one_that_ignores_sigterm_are_ended(
    claim: Make, spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE_S", 0.2)
    stubborn = spawn(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
        env=labelled(os.environ, RUN),
    )
    still = spawn(env=labelled(os.environ, RUN))
    still.suspend()
    said, left = _healed(claim())
    assert left == ()
    assert said == ["ended 2 processes"]
    assert _dead(stubborn)
    assert _dead(still)


def test_who_heals_is_not_ended_by_a_label_that_it_inherited(
    claim: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "from harness.healing import processes; from pathlib import Path\n"
        f"print([p.pid for p in processes.of_run('{RUN}', Path('/none'), Path('/none'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=labelled(os.environ, RUN),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


# --- folders ---------------------------------------------------------------------------------------------


def test_only_the_runs_own_folders_are_removed(claim: Make, temporary: Path) -> None:
    ours, other = temporary / f"{folder_prefix(RUN)}a", temporary / f"{folder_prefix(OTHER)}a"
    for folder in (ours, other):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "file").touch()
    said, left = _healed(claim())
    assert left == ()
    assert said == [f"removed {ours}"]
    assert (other / "deep" / "file").exists()


def test_a_link_with_the_runs_name_is_not_followed(claim: Make, temporary: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (temporary / f"{folder_prefix(RUN)}a").symlink_to(tmp_path / "precious")
    _, left = _healed(claim())
    assert len(left) == 1
    assert "left alone" in left[0]
    assert (tmp_path / "precious").is_dir()


def test_what_is_mounted_and_cannot_be_unmounted_is_not_emptied(
    claim: Make, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = temporary / f"{folder_prefix(RUN)}a"
    (folder / "disk").mkdir(parents=True)
    (folder / "disk" / "precious").touch()
    monkeypatch.setattr(folders, "mounts_in", lambda path: [path / "disk"])
    _, left = _healed(claim())
    assert any(f"sudo umount {folder / 'disk'}" in sentence for sentence in left)
    assert (folder / "disk" / "precious").exists()


def test_mounts_are_found_the_deepest_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Part:
        def __init__(self, mountpoint: str) -> None:
            self.mountpoint = mountpoint

    points = [f"{tmp_path}/a", f"{tmp_path}/a/b", f"{tmp_path}-other", "/"]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [Part(p) for p in points])
    assert folders.mounts_in(tmp_path) == [tmp_path / "a" / "b", tmp_path / "a"]


@pytest.mark.netns
def test_a_disk_in_a_folder_of_the_run_is_unmounted_and_the_folder_removed(
    claim: Make, temporary: Path
) -> None:
    disk = temporary / f"{folder_prefix(RUN)}a" / "disk"
    disk.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    said, left = _healed(claim())
    assert left == ()
    assert said == [f"unmounted {disk}", f"removed {disk.parent}"]


# --- faults ----------------------------------------------------------------------------------------------


def _entry(fault_id: str, step: str, *undo: tuple[str, ...]) -> FaultEntry:
    return FaultEntry(
        t_ns=1, done_ns=1, fault_id=fault_id, fault="command", step=step, targets=("node-1",), undo=undo
    )  # type: ignore[arg-type]


def _journaled(claim: Claim, *entries: FaultEntry) -> Path:
    path = Path(claim.folder) / "faults.jsonl"
    with Journal(path) as journal:
        for entry in entries:
            journal.append(entry)
    return path


def _writes(word: str, to: Path) -> tuple[str, ...]:
    return ("sh", "-c", f"echo {word} >> {to}")


def test_open_faults_are_undone_the_youngest_first_and_once(claim: Make, tmp_path: Path) -> None:
    done = tmp_path / "done"
    path = _journaled(
        claim(),
        _entry("old", "undo", _writes("old-1", done), _writes("old-2", done)),
        _entry("over", "undo", _writes("over", done)),
        _entry("young", "undo", _writes("young", done)),
        _entry("over", "heal_proved"),
        _entry("old", "failed"),
        _entry("kill", "undo"),
    )
    said, left = _healed(claim())
    assert left == ()
    assert done.read_text().split() == ["young", "old-1", "old-2"]
    assert len(said) == 2
    assert said[0].startswith("undid fault young")
    assert [e.fault_id for e in open_faults(read_journal(FaultEntry, path))] == ["kill"]
    assert _healed(claim()) == ([], ())


def test_an_undo_that_fails_is_told_with_what_it_said_and_does_not_stop_the_others(
    claim: Make, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    path = _journaled(
        claim(),
        _entry("old", "undo", _writes("old", done)),
        _entry("young", "undo", ("sh", "-c", "echo the hamster; exit 3")),
        _entry("youngest", "undo", ("/nonexistent/program",)),
    )
    _, left = _healed(claim())
    assert len(left) == 2
    assert "could not be started" in left[0]
    assert "exit status 3: the hamster" in left[1]
    assert done.read_text() == "old\n"
    assert [e.fault_id for e in open_faults(read_journal(FaultEntry, path))] == ["young", "youngest"]


def test_an_undo_that_hangs_is_ended_with_its_children(claim: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.healing.faults.DEADLINE_S", 0.3)
    _journaled(claim(), _entry("a", "undo", ("sh", "-c", "sleep 60 & sleep 60")))
    _, left = _healed(claim())
    assert "was not over" in left[0]


def test_an_undo_is_run_where_the_run_was_begun(claim: Make, tmp_path: Path) -> None:
    (tmp_path / "mend.sh").write_text("touch mended")
    _journaled(claim(), _entry("a", "undo", ("sh", "mend.sh")))
    assert _healed(claim(working_folder=str(tmp_path)))[1] == ()
    assert (tmp_path / "mended").exists()


def test_a_line_that_the_crash_cut_off_does_not_keep_anybody_from_healing(
    claim: Make, tmp_path: Path
) -> None:
    path = _journaled(claim(), _entry("a", "undo", _writes("a", tmp_path / "done")))
    with path.open("ab") as file:
        file.write(b'{"t_ns": 1, "done')
    assert _healed(claim())[1] == ()
    assert [entry.step for entry in read_journal(FaultEntry, path)] == ["undo", "healed"]
