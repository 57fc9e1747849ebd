"""`wordaround run`: scenarios, one after the other and as often as wanted, each judged as it ends."""

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from harness.backends.choose import check_name, choose
from harness.commands import complete, github
from harness.commands.choices import BackendName, Seed
from harness.commands.console import Json, code_of, print_one_line, print_verdict, stderr, stdout
from harness.commands.options import RunsDir, WebFlag, duration_option
from harness.commands.running import Task, carry_out
from harness.errors import HarnessError, UsageError
from harness.judge.exit_codes import exit_code, worst
from harness.plan import make_plan
from harness.records.codec import dump_json
from harness.records.folder import RunFolder
from harness.scenario.library import Source, check_backend, load, refuse_remote
from harness.series import Outcome, seeds, summarize, table
from harness.timeline import timeline
from harness.web import Web

MOST_REPEATS = 10_000

AllowRemote = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-remote",
        metavar="HOST",
        help="Attach to nodes on this host, which is not this machine. Repeatable.",
    ),
]


def run(
    scenarios: Annotated[
        list[str],
        typer.Argument(
            metavar="SCENARIO",
            help="YAML files, or bare names of shipped scenarios.",
            autocompletion=complete.scenarios,
        ),
    ],
    backend: BackendName = "auto",
    seed: Seed = None,
    repeat: Annotated[
        int,
        typer.Option(
            "--repeat",
            metavar="N",
            min=1,
            max=MOST_REPEATS,
            help="Runs of each scenario, with its seed and those after it, or each with one drawn.",
        ),
    ] = 1,
    runs_dir: RunsDir = Path("runs"),
    allow_remote: AllowRemote = None,
    timeout: Annotated[
        str | None,
        typer.Option(
            "--timeout",
            metavar="T",
            help="Wall time for each run, like 90s or 5m: then it is healed and ended.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the resolved timeline; start nothing.")
    ] = False,
    web: WebFlag = False,
    as_json: Json = False,
) -> None:
    """Run scenarios, one after the other: start, drive, hurt, judge, report."""
    check_name(backend)
    timeout_s = duration_option("--timeout", timeout)
    sources = _load_all(scenarios, backend)
    if dry_run:
        for source in sources:
            _print_timeline(source, _seeds(source, seed, 1)[0], backend)
        return
    remote = tuple(allow_remote or ())
    refuse_remote(sources, remote)
    series = _Series(
        options=_Options(
            backend=backend,
            runs_dir=runs_dir,
            timeout_s=timeout_s,
            web=Web() if web else None,
            remote=remote,
            as_json=as_json,
        ),
        runs=[(source, own) for source in sources for own in _seeds(source, seed, repeat)],
    )
    raise typer.Exit(series.make())


def _load_all(arguments: list[str], backend: str) -> list[Source]:
    """Read every scenario before anything starts; the mistakes of all of them are told together."""
    sources, problems = [], []
    for argument in arguments:
        try:
            source = load(argument)
            check_backend(source, backend)
            sources.append(source)
        except UsageError as error:
            problems.append(str(error))
    if problems:
        raise UsageError("\n".join(problems))
    return sources


def _seeds(source: Source, asked: int | None, count: int) -> tuple[int, ...]:
    first = asked if asked is not None else source.scenario.seed
    return seeds(first, count, lambda: random.SystemRandom().randrange(10**6))


def _print_timeline(source: Source, seed: int, backend_name: str) -> None:
    plan = make_plan(source.scenario, seed=seed)
    backend, reason = choose(
        backend_name,
        stderr.print,
        foreign=plan.cluster.command is not None,
        attached=bool(plan.cluster.attach),
    )
    typer.echo(f"{plan.scenario}, seed {plan.seed}, {backend.name} ({reason})")
    for line in timeline(plan, backend=backend.name):
        typer.echo(f"  {line}")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Options:
    backend: str
    runs_dir: Path
    timeout_s: float | None
    web: Web | None
    remote: tuple[str, ...]
    as_json: bool


class _Series:
    """All runs that were asked for, in order. One that fails does not keep the next from being made."""

    def __init__(self, options: _Options, runs: list[tuple[Source, int]]) -> None:
        self._options = options
        self._runs = runs
        self._outcomes: list[Outcome] = []

    def make(self) -> int:
        """Make them; return the exit code that counts. What was done is summed up also when interrupted."""
        try:
            for number, (source, seed) in enumerate(self._runs, 1):
                self._make_one(source, seed, f"run {number}/{len(self._runs)}" if self._is_series else "")
        finally:
            if self._is_series and self._outcomes:
                self._print_summary()
        return worst(outcome.exit_code for outcome in self._outcomes)

    @property
    def _is_series(self) -> bool:
        return len(self._runs) > 1

    def _make_one(self, source: Source, seed: int, label: str) -> None:
        outcome = Outcome(scenario=source.scenario.name, seed=seed, exit_code=HarnessError.exit_code)

        def made(folder: RunFolder) -> None:
            nonlocal outcome
            outcome = replace(outcome, folder=folder.path)

        def work() -> int:
            nonlocal outcome
            try:
                verdict = carry_out(self._task(source, seed, label), made)
            except HarnessError as error:
                outcome = replace(outcome, trouble=str(error))
                raise
            outcome = replace(outcome, verdict=verdict)
            self._print_one(outcome)
            if outcome.folder is not None:
                github.tell(RunFolder(outcome.folder))
            return exit_code(verdict)

        code = code_of(work)
        self._outcomes.append(
            replace(outcome, exit_code=code, trouble=outcome.trouble or ("" if outcome.verdict else "a bug"))
        )

    def _task(self, source: Source, seed: int, label: str) -> Task:
        options = self._options
        return Task(
            source=source,
            plan=make_plan(source.scenario, seed=seed),
            backend=options.backend,
            runs_dir=options.runs_dir,
            timeout_s=options.timeout_s,
            web=options.web,
            remote=options.remote,
            label=label,
        )

    def _print_one(self, outcome: Outcome) -> None:
        """Print the whole verdict; in a series only where there is something to see in it."""
        assert outcome.verdict is not None
        assert outcome.folder is not None
        report = RunFolder(outcome.folder).report
        if not self._is_series:
            print_verdict(report, outcome.verdict, as_json=self._options.as_json)
        elif not self._options.as_json:
            whole = exit_code(outcome.verdict) != 0
            if whole:
                print_verdict(report, outcome.verdict, as_json=False)
            else:
                print_one_line(report, outcome.verdict)

    def _print_summary(self) -> None:
        summary = summarize(self._outcomes)
        if self._options.as_json:
            typer.echo(dump_json(summary).decode())
        else:
            stdout.print(table(summary), soft_wrap=True)
