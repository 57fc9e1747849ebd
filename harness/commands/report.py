"""`wordaround report`: a saved run's reports, written again."""

from pathlib import Path
from typing import Annotated

import typer

from harness import judging
from harness.records.folder import RunFolder


def report(run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A judged run folder.")]) -> None:
    """Write a saved run's reports again from its verdict."""
    judging.report(RunFolder(run_folder))
    typer.echo(str(RunFolder(run_folder).report))
