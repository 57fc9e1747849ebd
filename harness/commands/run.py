"""`wordaround run`: scenarios, one after the other, each judged as it ends."""

import functools
import random
from pathlib import Path
from typing import Annotated

import typer

from harness import __version__, judging, runner
from harness.backends.choose import CHOICES, check_name, choose
from harness.commands.console import Json, code_of, print_verdict, say_error, stderr
from harness.errors import HarnessError, UsageError
from harness.interrupts import Interrupts
from harness.judge import exit_code, worst
from harness.plan import make_plan
from harness.progress import make_progress
from harness.scenario.library import Source, check_backend, check_faults, check_targets, load
from harness.scenario.model import LARGEST_SEED
from harness.timeline import timeline

RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Where run folders are kept.")]

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
    allow_remote: AllowRemote = None,
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
            _print_timeline(source, seed, backend)
        return
    remote = tuple(allow_remote or ())
    _refuse_remote(sources, remote)
    codes = [
        code_of(functools.partial(_run_one, source, backend, seed, runs_dir, remote, as_json=as_json))
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


def _refuse_remote(sources: list[Source], allowed: tuple[str, ...]) -> None:
    """Refuse to attach to anything that is not this machine and was not allowed by its name."""
    problems = [str(error) for source in sources if (error := check_targets(source, allowed)) is not None]
    if problems:
        raise UsageError("\n".join(problems))


def _seed_for(source: Source, asked: int | None) -> int:
    if asked is not None:
        return asked
    if source.scenario.seed is not None:
        return source.scenario.seed
    return random.SystemRandom().randrange(10**6)


def _print_timeline(source: Source, seed: int | None, backend_name: str) -> None:
    plan = make_plan(source.scenario, seed=_seed_for(source, seed))
    backend, reason = choose(
        backend_name,
        stderr.print,
        foreign=plan.cluster.command is not None,
        attached=bool(plan.cluster.attach),
    )
    typer.echo(f"{plan.scenario}, seed {plan.seed}, {backend.name} ({reason})")
    for line in timeline(plan, backend=backend.name):
        typer.echo(f"  {line}")


def _run_one(
    source: Source,
    backend_name: str,
    seed: int | None,
    runs_dir: Path,
    remote: tuple[str, ...],
    *,
    as_json: bool,
) -> int:
    plan = make_plan(source.scenario, seed=_seed_for(source, seed))
    progress = make_progress(stderr)
    interrupts = Interrupts(progress.say)
    try:
        with interrupts:
            progress.say(f"WordAround {__version__}: {plan.scenario}, seed {plan.seed}")
            backend, reason = choose(
                backend_name,
                progress.say,
                foreign=plan.cluster.command is not None,
                attached=bool(plan.cluster.attach),
            )
            check_faults(source, backend.name)
            command = (
                "wordaround", "run", source.argument, "--backend", backend.name, "--seed", str(plan.seed),
                *(word for host in remote for word in ("--allow-remote", host)),
            )  # fmt: skip
            folder = runner.run(
                runner.Order(
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
            say_error(error)
            raise KeyboardInterrupt from error
        raise
    finally:
        progress.close()
    print_verdict(folder.report, verdict, as_json=as_json)
    return exit_code(verdict)
