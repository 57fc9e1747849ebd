"""One run from a command: choose the backend, run, judge, report; with progress, and stopped in order."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from harness import __version__, runner
from harness.backends.choose import choose
from harness.commands.console import say_error, stderr
from harness.errors import HarnessError
from harness.interrupts import Interrupts
from harness.progress import make_progress
from harness.records.folder import RunFolder
from harness.records.plan import Plan
from harness.records.verdict import RunVerdict
from harness.scenario.library import Source, check_faults, refuse_remote
from harness.web import Web


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What to run, and how; `options`: what makes it again beside backend and seed."""

    source: Source
    plan: Plan
    backend: str
    runs_dir: Path
    command: str = "run"
    options: tuple[str, ...] = ()
    timeout_s: float | None = None
    web: Web | None = None
    remote: tuple[str, ...] = ()  # hosts that may be attached to, though they are not this machine
    label: str = ""  # which of several runs this is, for the progress line


def carry_out(task: Task, on_folder: Callable[[RunFolder], None] = lambda folder: None) -> RunVerdict:
    """Make one run and judge it; `on_folder` is told of the run folder as soon as there is one.

    Raises:
        HarnessError: the harness could not do its work; everything that was started is stopped.
        KeyboardInterrupt: someone stopped it; so is everything then.
    """
    plan = task.plan
    progress = make_progress(stderr)
    interrupts = Interrupts(progress.say)
    judge = _Judge()
    try:
        with interrupts:
            progress.say(f"WordAround {__version__}: {plan.scenario}, seed {plan.seed}")
            folder = runner.run(_order(task, progress.say), progress, interrupts, on_folder, judge.begin)
            progress.say("Judging")
            return judge.verdict(folder)
    except KeyboardInterrupt:
        progress.say("Interrupted; everything that was started is stopped")
        raise
    except HarnessError as error:
        if interrupts.asked:  # What could not be cleaned up must be told, and no other scenario started.
            say_error(error)
            raise KeyboardInterrupt from error
        raise
    finally:
        progress.close()


class _Judge:
    """Judges a run and writes its reports on a thread of its own: the cluster is being ended meanwhile."""

    def __init__(self) -> None:
        self._outcome: Future[RunVerdict] | None = None

    def begin(self, folder: RunFolder) -> None:
        """Begin to judge a run whose record is complete."""
        outcome: Future[RunVerdict] = Future()

        def work() -> None:
            try:
                outcome.set_result(_judged(folder))
            except BaseException as error:  # noqa: BLE001 - whoever asks for the verdict gets it
                outcome.set_exception(error)

        self._outcome = outcome
        # A daemon: who interrupts the judging does not wait for its end.
        threading.Thread(target=work, name="judge", daemon=True).start()

    def verdict(self, folder: RunFolder) -> RunVerdict:
        """Return the verdict when it is there; one that nobody began to make is made."""
        return _judged(folder) if self._outcome is None else self._outcome.result()


def _judged(folder: RunFolder) -> RunVerdict:
    from harness import judging  # It takes long; by now the runner has had it imported.

    return judging.judge_and_report(folder)


def _order(task: Task, say: Callable[[str], None]) -> runner.Order:
    plan = task.plan
    refuse_remote([task.source], task.remote)
    backend, reason = choose(
        task.backend,
        say,
        foreign=plan.cluster.command is not None,
        attached=bool(plan.cluster.attach),
    )
    if plan.faults:
        check_faults(task.source, backend.name)
    again = ("wordaround", task.command, task.source.argument, "--backend", backend.name)
    allowed = (word for host in task.remote for word in ("--allow-remote", host))
    return runner.Order(
        plan=plan,
        scenario_text=task.source.text,
        runs_dir=task.runs_dir,
        backend=backend,
        backend_reason=reason,
        command=(*again, "--seed", str(plan.seed), *task.options, *allowed),
        timeout_s=task.timeout_s,
        web=task.web,
        label=task.label,
    )
