"""`wordaround diff`: two runs, or two sets of runs, side by side."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands import complete
from harness.commands.console import stdout
from harness.errors import UsageError
from harness.records.codec import dump_json
from harness.run_sets import gather
from reports import diff_html, diff_text
from reports.diff import Diff, LeftOut, NothingToCompare
from reports.diff import diff as compare
from reports.diff_sets import run_set

WORSE = 1

_SIDE = "a run, a folder of runs, a pattern in quotes, or several with commas between them"


def diff(
    a: Annotated[
        str,
        typer.Argument(metavar="A", help=f"What to compare with: {_SIDE}.", autocompletion=complete.runs),
    ],
    b: Annotated[
        str, typer.Argument(metavar="B", help="What is compared; the same.", autocompletion=complete.runs)
    ],
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the comparison as a page, too.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the comparison as JSON, and nothing else, on stdout.")
    ] = False,
) -> None:
    """Compare two runs, or two sets of runs; exit code 1 when the second one is worse."""
    if more:
        raise UsageError(
            f"diff compares two sides, and was given {2 + len(more)}; a shell that meets a pattern like "
            "runs/*-kill-* makes many of it: put it in quotes, or commas between the runs of a side"
        )
    found = _compared(a, b)
    if html is not None:
        _write(html, diff_html.render(found))
    if as_json:
        typer.echo(dump_json(found).decode())
    else:
        stdout.print(diff_text.render(found), soft_wrap=True)
        if html is not None:
            typer.echo(str(html))
    raise typer.Exit(WORSE if found.worse else 0)


def _compared(a: str, b: str) -> Diff:
    sides = gather(a), gather(b)
    left_out = tuple(
        LeftOut(folder=str(path), why=why) for side in sides for path, why in side.left_out.items()
    )
    before, after = (run_set(side.argument, side.runs.values()) for side in sides)
    ours, theirs = ({path.resolve(): path for path in side.runs} for side in sides)
    try:
        return compare(before, after, left_out, tuple(str(ours[path]) for path in ours if path in theirs))
    except NothingToCompare as error:
        raise UsageError(str(error)) from error


def _write(path: Path, page: str) -> None:
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        raise UsageError(f"--html {path}: cannot be written: {error.strerror or error}") from error
