"""The `wordaround` command: parse, call one function, map what came of it to an exit code."""

import functools
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness import __version__, exports, judging
from harness.backends.choose import CHOICES, check_name, choose
from harness.errors import HarnessError, UsageError
from harness.foreign import judge_foreign
from harness.interrupts import Interrupts
from harness.judge import exit_code, judge_folder, worst
from harness.plan import make_plan
from harness.progress import make_progress
from harness.records.codec import dump_json
from harness.records.folder import RunFolder
from harness.records.verdict import RunVerdict
from harness.runner import Order, run
from harness.scenario.library import Source, check_backend, load, shipped
from harness.scenario.model import LARGEST_SEED
from harness.timeline import timeline

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Where run folders are kept.")]
Json = Annotated[bool, typer.Option("--json", help="Print verdict.json, and nothing else, on stdout.")]

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)


def main() -> None:
    """Run the command (Typer itself makes exit code 130 of an interrupt)."""
    sys.exit(_code_of(_app_code))


def _app_code() -> int:
    return int(app(standalone_mode=True) or 0)


def _code_of(work: Callable[[], int]) -> int:
    """Return the work's exit code; where the harness failed, say why and return the code for that.

    Whatever is not a `HarnessError` is not the user's to mend: it is shown as it is. It must not end as
    1, which would say that the cluster failed.
    """
    try:
        return work()
    except HarnessError as error:
        _say_error(error)
        return error.exit_code
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _say_error(HarnessError(f"the machine refused: {error.strerror or error}{where}"))
        return HarnessError.exit_code
    except Exception:  # noqa: BLE001 - a bug of the harness, whatever it is, must not look like a verdict
        stderr.print_exception()
        return HarnessError.exit_code


def _say_error(error: HarnessError) -> None:
    stderr.print(f"wordaround: {error}", style="red", markup=False, soft_wrap=True)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"wordaround {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Chaos tests for Socket.IO: start a real cluster, drive it, hurt it, judge what its clients saw.

    Exit codes: 0 as expected, 1 other than expected, 2 usage or scenario, 3 unknown, 4 the harness itself
    failed, 130 interrupted.
    """


@app.command("run")
def run_command(
    scenarios: Annotated[
        list[str], typer.Argument(metavar="SCENARIO", help="YAML files, or bare names of shipped scenarios.")
    ],
    backend: Annotated[
        str, typer.Option("--backend", help=f"One of {', '.join(CHOICES)}.", show_default=True)
    ] = "auto",
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", min=0, max=LARGEST_SEED, help="Makes the same choices again; drawn when absent."
        ),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the resolved timeline; start nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run scenarios, one after the other: start, drive, hurt, judge, report."""
    check_name(backend)
    sources = _load_all(scenarios, backend)
    if dry_run:
        for source in sources:
            _print_timeline(source, seed)
        return
    codes = [
        _code_of(functools.partial(_run_one, source, backend, seed, runs_dir, as_json=as_json))
        for source in sources
    ]
    raise typer.Exit(worst(codes))


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


@app.command()
def check(
    runs: Annotated[list[Path] | None, typer.Argument(metavar="RUN", help="Run folders.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="GUARANTEE", help="Check these alone; writes nothing. Repeatable."),
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain", metavar="GUARANTEE", help="Say how it is judged and, of runs, all that was found."
        ),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option("--history", metavar="FOLDER", help="Judge a foreign history (docs/history.md)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge saved runs again, and write their verdicts and reports anew."""
    checks = judging.named([*(only or ()), *([explain] if explain else ())])
    explained = judging.named([explain])[0] if explain else None
    if not runs and history is None:
        if explained is None:
            raise UsageError("name a run folder, or a foreign history with --history")
        typer.echo(judging.definition(explained))
        return
    order = _Check(checks=checks, explained=explained, as_json=as_json)
    codes = [_code_of(functools.partial(_check_one, RunFolder(path), order)) for path in runs or ()]
    if history is not None:
        codes.append(_code_of(functools.partial(_check_foreign, history, order)))
    raise typer.Exit(worst(codes))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Check:
    checks: tuple[str, ...]
    explained: str | None
    as_json: bool


def _check_one(folder: RunFolder, order: _Check) -> int:
    """Judge a run. Only the verdict on all of its checks is kept in the folder."""
    if order.checks:
        verdict = judge_folder(folder, order.checks)
        _say_checked(verdict, folder.path, order)
    else:
        verdict = judging.judge_and_report(folder)
        _say_checked(verdict, folder.report, order)
    return exit_code(verdict)


def _check_foreign(folder: Path, order: _Check) -> int:
    verdict = judge_foreign(folder, order.checks)
    _say_checked(verdict, folder, order)
    return exit_code(verdict)


def _say_checked(verdict: RunVerdict, where: Path, order: _Check) -> None:
    if order.explained is not None and not order.as_json:
        stdout.print(judging.explanation(verdict, order.explained), soft_wrap=True, markup=False)
        return
    _print_verdict(where, verdict, as_json=order.as_json)


@app.command("history")
def history_command(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    format_: Annotated[str, typer.Option("--format", help=f"One of {', '.join(exports.FORMATS)}.")] = "jsonl",
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Where to; else JSON lines go to stdout, Parquet into the folder."),
    ] = None,
) -> None:
    """Export what every client of a run saw."""
    exports.check_format(format_)
    folder = RunFolder(run_folder)
    files = exports.histories(folder)
    if format_ == "parquet":
        path = output or folder.path / "history.parquet"
        rows = exports.parquet(files, path)
        typer.echo(f"{path}: {rows} events")
    elif output is not None:
        with output.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in exports.jsonl(files))
    else:
        for line in exports.jsonl(files):
            typer.echo(line)


@app.command()
def report(run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A judged run folder.")]) -> None:
    """Write a saved run's reports again from its verdict."""
    judging.report(RunFolder(run_folder))
    typer.echo(str(RunFolder(run_folder).report))


@app.command("scenarios")
def scenarios_command() -> None:
    """List the scenarios that ship with WordAround."""
    for name, description in shipped().items():
        typer.echo(f"{name}\n    {description}")


def _seed_for(source: Source, asked: int | None) -> int:
    if asked is not None:
        return asked
    if source.scenario.seed is not None:
        return source.scenario.seed
    return random.SystemRandom().randrange(10**6)


def _print_timeline(source: Source, seed: int | None) -> None:
    plan = make_plan(source.scenario, seed=_seed_for(source, seed))
    typer.echo(f"{plan.scenario}, seed {plan.seed}")
    for line in timeline(plan):
        typer.echo(f"  {line}")


def _run_one(source: Source, backend_name: str, seed: int | None, runs_dir: Path, *, as_json: bool) -> int:
    plan = make_plan(source.scenario, seed=_seed_for(source, seed))
    progress = make_progress(stderr)
    interrupts = Interrupts(progress.say)
    try:
        with interrupts:
            progress.say(f"WordAround {__version__}: {plan.scenario}, seed {plan.seed}")
            backend, reason = choose(backend_name, progress.say, foreign=plan.cluster.command is not None)
            command = (
                "wordaround", "run", source.argument, "--backend", backend.name, "--seed", str(plan.seed)
            )  # fmt: skip
            folder = run(
                Order(
                    plan=plan,
                    scenario_text=source.text,
                    runs_dir=runs_dir,
                    backend=backend,
                    backend_reason=reason,
                    command=command,
                ),
                progress,
                interrupts,
            )
            progress.say("Judging")
            verdict = judging.judge_and_report(folder)
    except KeyboardInterrupt:
        progress.say("Interrupted; everything that was started is stopped")
        raise
    except HarnessError as error:
        if interrupts.asked:  # What could not be cleaned up must be told, and no other scenario started.
            _say_error(error)
            raise KeyboardInterrupt from error
        raise
    finally:
        progress.close()
    _print_verdict(folder.report, verdict, as_json=as_json)
    return exit_code(verdict)


def _print_verdict(where: Path, verdict: RunVerdict, *, as_json: bool) -> None:
    if as_json:
        typer.echo(dump_json(verdict).decode())
        return
    stdout.print(judging.summary(verdict, where), soft_wrap=True)
