"""One run from a command: choose the backend, run, judge, report; with progress, and stopped in order."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness import __version__, runner
from harness.backends.choose import choose
from harness.commands.console import say_error, stderr
from harness.commands.verdicts import EarlyVerdict
from harness.errors import HarnessError
from harness.hands import Hands
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
    verdict = EarlyVerdict()
    try:
        with interrupts:
            progress.say(f"WordAround {__version__}: {plan.scenario}, seed {plan.seed}")
            with contextlib.nullcontext() if not _by_hand(task) else contextlib.closing(Hands()) as hands:
                order = _order(task, progress.say, hands)
                folder = runner.run(order, progress, interrupts, on_folder, verdict.begin)
            progress.say("Judging")
            return verdict.of(folder)
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


def _by_hand(task: Task) -> bool:
    """Tell whether nodes of ours are in the user's hands; only those hand a control to their page."""
    cluster = task.plan.cluster
    return task.web is not None and task.web.hands and not (cluster.command or cluster.attach)


def _order(task: Task, say: Callable[[str], None], hands: Hands | None) -> runner.Order:
    plan = task.plan
    refuse_remote([task.source], task.remote)
    backend, reason = choose(
        task.backend,
        say,
        foreign=plan.cluster.command is not None,
        attached=bool(plan.cluster.attach),
        node_settings=None if hands is None else hands.node_settings,
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
        hands=hands,
        label=task.label,
    )
