"""`wordaround runs`: the runs that were saved, and the removal of old ones."""

import functools
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.console import code_of
from harness.commands.options import RunsDir
from harness.errors import UsageError
from harness.saved_runs import SavedRun, parse_age, remove, saved_runs, size, to_prune

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def runs() -> None:
    """List saved runs, and remove old ones."""


@app.command("list")
def list_(
    runs_dir: RunsDir = Path("runs"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a list of objects, and nothing else, on stdout.")
    ] = False,
) -> None:
    """List saved runs, the newest first: verdict, scenario, seed, backend, when, how long, folder."""
    found = saved_runs(runs_dir)
    if as_json:
        typer.echo(json.dumps([_plain(run) for run in found], indent=2))
    elif not found:
        typer.echo(f"no runs in {runs_dir}", err=True)
    for run in found if not as_json else ():
        typer.echo(_visible(_line(run)))


@app.command()
def prune(
    runs_dir: RunsDir = Path("runs"),
    keep: Annotated[
        int | None, typer.Option("--keep", min=0, metavar="N", help="Remove all but the N newest.")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="Remove those older than 12h, 7d, 2w …")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed.")] = False,
) -> None:
    """Remove the folders of old runs; one that is under way stays."""
    if (keep is None) == (older_than is None):
        raise UsageError("say what to remove: either --keep N or --older-than AGE")
    age = parse_age(older_than) if older_than is not None else None
    removed = to_prune(saved_runs(runs_dir), keep=keep, older_than=age)
    codes = [code_of(functools.partial(_prune, run, dry_run=dry_run)) for run in removed]
    if not removed:
        typer.echo("nothing to remove")
    raise typer.Exit(max(codes, default=0))


def _prune(run: SavedRun, *, dry_run: bool) -> int:
    freed = _spoken_size(size(run))
    if dry_run:
        typer.echo(f"would remove {run.path} ({freed})")
        return 0
    remove(run)
    typer.echo(f"removed {run.path} ({freed})")
    return 0


def _plain(run: SavedRun) -> dict[str, object]:
    return {**asdict(run), "path": str(run.path), "began": run.began.isoformat()}


def _line(run: SavedRun) -> str:
    began = f"{run.began:%Y-%m-%d %H:%M:%S}"
    if run.scenario is None:
        return f"{run.verdict:<10}  {began}  {run.path}{f': {run.why}' if run.why else ''}"
    took = "" if run.seconds is None else f"{run.seconds:.0f} s"
    unexpected = ", unexpected" if run.as_expected is False else ""
    why = f": {run.why}" if run.why else ""
    return (
        f"{run.verdict + unexpected:<10}  {began}  {took:>6}  {run.backend:<8} {run.scenario} "
        f"(seed {run.seed})  {run.path}{why}"
    )


def _visible(line: str) -> str:
    """Return the line with what would not be seen, or would be obeyed by a terminal, spelled out."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in line
    )


def _spoken_size(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
