"""`wordaround history`: what every client of a run saw, for other tools."""

from pathlib import Path
from typing import Annotated

import typer

from harness import exports
from harness.commands import complete, options
from harness.commands.console import stderr
from harness.records.folder import RunFolder


def history(
    run_folder: options.RunFolder,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help=f"One of {', '.join(exports.FORMATS)}.",
            autocompletion=complete.formats,
        ),
    ] = "jsonl",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Where to; else JSON lines go to stdout, Parquet into the folder.",
        ),
    ] = None,
) -> None:
    """Export what every client of a run saw."""
    exports.check_format(format_)
    folder = RunFolder(run_folder)
    files = exports.histories(folder)
    for file in files:
        if file.torn:
            stderr.print(
                f"{file.name} is torn at its end: {file.torn:,} bytes are left out",
                markup=False,
                soft_wrap=True,
            )
    if format_ == "parquet":
        path = output or folder.path / "history.parquet"
        rows = exports.parquet(files, path)
        typer.echo(f"{path}: {rows} events")
    elif output is not None:
        with output.open("w", encoding="utf-8") as out:
            out.writelines(f"{line}\n" for line in exports.jsonl(files))
    else:
        for line in exports.jsonl(files):
            typer.echo(line)
