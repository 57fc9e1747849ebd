"""Faults that nobody ended: their undo, as the journal has it, is run now."""

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.clock import now_ns
from harness.records.folder import RunFolder
from harness.records.journal import FaultEntry, Journal, read_journal

DEADLINE_S = 15.0  # for each command

Command = tuple[str, ...]


def undo_open(run: RunFolder, working_folder: Path, say: Callable[[str], None]) -> list[str]:
    """Run the undo of every open fault, the youngest first; journal it; return what did not work."""
    try:
        entries = read_journal(FaultEntry, run.faults)
    except ValueError as error:
        return [f"{run.faults} cannot be read, so nobody knows which faults are open: {error}"]
    left: list[str] = []
    pending = [entry for entry in reversed(open_faults(entries)) if entry.undo]
    if not pending:
        return left
    with Journal(run.faults) as journal:
        for entry in pending:
            left += _undone(entry, journal, working_folder, say)
    return left


def open_faults(entries: Iterable[FaultEntry]) -> list[FaultEntry]:
    """Return the `undo` entries of faults whose end was not journaled, oldest first."""
    open_ = {}
    for entry in entries:
        if entry.step == "undo":
            open_[entry.fault_id] = entry
        elif entry.step in ("healed", "heal_proved"):
            open_.pop(entry.fault_id, None)
    return list(open_.values())


def _undone(
    entry: FaultEntry, journal: Journal, working_folder: Path, say: Callable[[str], None]
) -> list[str]:
    began = now_ns()
    whom = f" {', '.join(entry.targets)}" if entry.targets else ""
    what = f"fault {entry.fault_id} ({entry.fault}{whom})"
    where = working_folder if working_folder.is_dir() else Path("/")
    wrong = [
        f"{shlex.join(command)} (in {where}): {why}"
        for command in entry.undo
        if (why := _failure(command, where))
    ]
    if wrong:
        left = f"{what} may still be in force: {'; '.join(wrong)}; run what failed by hand"
        _note(journal, entry, "failed", began, {"verb": "heal", "kind": "HarnessError", "error": left})
        return [left]
    done = "; ".join(map(shlex.join, entry.undo))
    _note(journal, entry, "healed", began, {"by": "what cleaned up after the harness", "undo": done})
    say(f"undid {what}: {done}")
    return []


def _note(journal: Journal, of: FaultEntry, step: str, began: int, evidence: dict[str, str]) -> None:
    journal.append(
        FaultEntry(
            t_ns=began,
            done_ns=now_ns(),
            fault_id=of.fault_id,
            fault=of.fault,
            step=step,  # type: ignore[arg-type]  # one of the two above
            targets=of.targets,
            evidence=evidence,
        )
    )


def _failure(command: Command, where: Path) -> str:
    """Run it; return what went wrong, "" when nothing did. It is killed with its children at its deadline."""
    try:
        process = subprocess.Popen(
            command,
            cwd=where,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return f"it could not be started ({error.strerror or error})"
    with process:
        try:
            said, _ = process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return f"it was not over after {DEADLINE_S:g} s"
    if process.returncode == 0:
        return ""
    return f"exit status {process.returncode}: {said.decode(errors='replace').strip()[-300:]}"
