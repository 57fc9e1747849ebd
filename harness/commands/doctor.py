"""`wordaround doctor`: what this machine has, and what to do about what it has not."""

from itertools import groupby
from typing import Annotated

import typer

from harness.commands.console import stdout
from harness.doctor import Examination, Finding, examine
from harness.errors import HarnessError
from harness.records.codec import dump_json


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")] = False,
) -> None:
    """Examine this machine: what is there, what is missing, and how to mend it."""
    examination = examine()
    if as_json:
        typer.echo(dump_json(examination).decode())
    else:
        _show(examination)
    raise typer.Exit(0 if examination.backends else HarnessError.exit_code)


def _show(examination: Examination) -> None:
    for needed_for, findings in groupby(examination.findings, key=lambda finding: finding.needed_for):
        stdout.print(f"For {needed_for}", style="bold", soft_wrap=True)
        for finding in findings:
            stdout.print(_line(finding), style=None if finding.ok else "yellow", markup=False, soft_wrap=True)
    able = " and ".join(examination.backends)
    stdout.print(
        f"\nClusters can be started here with: {able}" if able else "\nNo cluster can be started here"
    )


def _line(finding: Finding) -> str:
    return f"  {'ok' if finding.ok else '--'}  {finding.what:<13} {finding.text}"
