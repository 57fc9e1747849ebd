"""`wordaround report`: a saved run's reports, written again."""

import typer

from harness import judging
from harness.commands import options
from harness.records.folder import RunFolder


def report(run_folder: options.RunFolder) -> None:
    """Write a saved run's reports again from its verdict."""
    judging.report(RunFolder(run_folder))
    typer.echo(str(RunFolder(run_folder).report))
