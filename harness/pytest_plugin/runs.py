"""Runs for tests: each is made by a child of pytest's, and fails the test where its verdict is bad."""

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from harness.control import Link, Message
from harness.pytest_plugin import HarnessFailed
from harness.records.codec import read_json
from harness.records.folder import RunFolder
from harness.records.plan import Expectation, Plan
from harness.records.verdict import RunVerdict, Stats, Verdict
from reports.sentence import plural, times

_END_S = 60.0  # What a run has to end all that it started.
_STORY_SHOWN = 1_000  # characters
_DOUBTS_SHOWN = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """A run that was as its scenario expects."""

    folder: Path
    verdict: RunVerdict

    @property
    def report(self) -> Path:
        """The page for people."""
        return RunFolder(self.folder).report

    @property
    def stats(self) -> Stats:
        """What was counted and measured."""
        return self.verdict.stats


class Runs:
    """Makes runs, with the options of the session."""

    def __init__(self, *, backend: str, seed: int | None, runs_dir: Path, shows: bool) -> None:
        self.backend = backend
        self.runs_dir = runs_dir
        self._seed = seed
        self._shows = shows  # pytest captures nothing: the progress of runs is shown

    def __call__(
        self,
        scenario: str | Path | Mapping[str, Any],
        /,
        *,
        backend: str | None = None,
        timeout: str | None = None,
        **overrides: Any,
    ) -> Outcome:
        """Run a scenario: a shipped one by its name, a file, or one given as a mapping.

        `overrides` are keys of the scenario that are to be otherwise here: mappings are merged, all else is
        replaced, `None` takes a key away. `timeout` is that of `wordaround run`, like "5m".

        Raises:
            pytest.fail.Exception: the verdict is not as the scenario expects, or unknown.
            HarnessFailed: the run could not be made.
        """
        __tracebackhide__ = True
        order = {
            "scenario": str(scenario) if isinstance(scenario, Path) else scenario,
            "overrides": overrides,
            "backend": backend or self.backend,
            "seed": self._seed,
            "runs_dir": str(self.runs_dir),
            "timeout": timeout,
        }
        folder = _made(_plain(order), self._shows)
        verdict = read_json(RunVerdict, RunFolder(folder).verdict)
        if not verdict.as_expected or verdict.verdict is Verdict.UNKNOWN:
            expect = read_json(Plan, RunFolder(folder).plan).expect
            pytest.fail(_told(verdict, expect, RunFolder(folder)), pytrace=False)
        return Outcome(folder=folder, verdict=verdict)


def _plain(order: Message) -> Message:
    """Return the order as JSON has it.

    Raises:
        HarnessFailed: something in the scenario is nothing that YAML could say.
    """
    __tracebackhide__ = True
    try:
        plain: Message = json.loads(json.dumps(order))
    except (TypeError, ValueError) as error:
        raise HarnessFailed(f"the scenario has a value that no scenario file can have: {error}") from None
    return plain


def _made(order: Message, shows: bool) -> Path:
    """Have a run made and return its folder.

    Raises:
        HarnessFailed: it could not be made.
    """
    __tracebackhide__ = True
    with tempfile.TemporaryFile() as output:
        link, child = _spawn(output, shows)
        try:
            link.send("order", **order)
            answer = next(link.messages(), None)
        except OSError:  # It died; its last words tell.
            answer = None
        finally:
            link.close()  # Where the test was interrupted, it is what ends the run.
            _await_end(child)
        if answer is not None and answer["type"] == "judged":
            return Path(answer["folder"])
        output.seek(0)
        said = output.read().decode("utf-8", "replace").strip()
    raise HarnessFailed(answer["text"] if answer else said or f"the run ended with status {child.returncode}")


def _spawn(output: IO[bytes], shows: bool) -> tuple[Link, "subprocess.Popen[bytes]"]:
    ours, theirs = socket.socketpair()
    with theirs:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "harness.pytest_plugin.child", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if shows else output,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,  # Ctrl-C is for pytest; the child hears of it by the socket.
        )
    return Link(ours), child


def _await_end(child: "subprocess.Popen[bytes]") -> None:
    try:
        child.wait(_END_S)
    except subprocess.TimeoutExpired:
        raise HarnessFailed(
            f"the run's process {child.pid} has not ended within {_END_S:g} s of being asked to; "
            f"`kill -9 {child.pid}` lets its watchdog clean up"
        ) from None


# --- what a bad run tells -----------------------------------------------------------------------------------


def _told(verdict: RunVerdict, expect: Expectation, folder: RunFolder) -> str:
    lines = [f"{verdict.scenario}, seed {verdict.seed}, {verdict.backend}: {_lead(verdict)}"]
    if verdict.verdict is Verdict.UNKNOWN:
        lines += _doubts(verdict)
    else:
        lines += _violations(verdict, expect) or [f"  {sentence}" for sentence in verdict.unexpected]
    return "\n".join([*lines, f"  report: {folder.report}"])


def _lead(verdict: RunVerdict) -> str:
    if verdict.verdict is Verdict.UNKNOWN:
        return "unknown, this run proves nothing"
    expected = "" if verdict.expected == verdict.verdict.value else f", expected was {verdict.expected}"
    return f"{verdict.verdict.value}{expected}"


def _violations(verdict: RunVerdict, expect: Expectation) -> list[str]:
    """Tell the first violation that was not foretold by its story, the others by their number."""
    foretold = (*expect.violates, *expect.may_violate) if expect.verdict == "fail" else ()
    failed = [p for p in verdict.properties if p.verdict is Verdict.FAIL]
    surprising = [p for p in failed if p.name not in foretold]
    if not surprising:
        return []
    first, *others = surprising  # In the published order: losses come first.
    lines = [f"  {first.name}, violated {times(first.violations)}: {first.sentence}"]
    lines += [f"    {witness.story[:_STORY_SHOWN]}" for witness in first.witnesses[:1]]
    if others:
        lines.append(f"  violated, too: {', '.join(f'{p.name} ({p.violations:,})' for p in others)}")
    return lines


def _doubts(verdict: RunVerdict) -> list[str]:
    open_ = (Verdict.FAIL, Verdict.UNKNOWN)
    findings = [f for f in (*verdict.lifecycle, *verdict.coverage) if f.verdict in open_]
    told = [f"  {finding.name}: {finding.evidence}" for finding in findings]
    told += [f"  {p.name}: {p.reason}" for p in verdict.properties if p.verdict is Verdict.UNKNOWN]
    more = len(told) - _DOUBTS_SHOWN
    return told[:_DOUBTS_SHOWN] + ([f"  and {plural(more, 'more reason')}"] if more > 0 else [])
