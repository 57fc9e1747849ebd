"""The `wordaround` command: its root, and the list of its commands (one file each in `commands/`)."""

import sys
from typing import Annotated

import typer

from harness import __version__
from harness.commands.check import check
from harness.commands.console import code_of
from harness.commands.history import history
from harness.commands.report import report
from harness.commands.run import run
from harness.commands.scenarios import scenarios

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command (Typer itself makes exit code 130 of an interrupt)."""
    sys.exit(code_of(_app_code))


def _app_code() -> int:
    return int(app(standalone_mode=True) or 0)


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


for command in (run, check, history, report, scenarios):  # In the order of --help.
    app.command()(command)
