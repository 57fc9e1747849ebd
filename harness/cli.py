"""The `wordaround` command: its root, and the list of its commands (one file each in `commands/`).

A command's file is imported when the command is called, or its help asked for: what the commands work with
takes half a second of CPU to import, and `--version`, `--help` and the shell's completion need nothing of it.
"""

import importlib
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from harness import __version__
from harness.commands.console import code_of

# In the order of --help. The line is the first of the docstring of `harness.commands.<name>.<name>`, or of
# the callback where the file has an `app` with commands of its own.
COMMANDS = {
    "run": "Run scenarios, one after the other: start, drive, hurt, judge, report.",
    "load": "Start a cluster and bots under Locust's web page; when it is stopped, judge and report.",
    "up": "Start a cluster and leave it up; returns when every member is ready.",
    "status": "Show a cluster that `up` started: members, states, identities, addresses, since when.",
    "down": "End a cluster that `up` started, in order; says what was ended.",
    "check": "Judge saved runs again, and write their verdicts and reports anew.",
    "history": "Export what every client of a run saw.",
    "report": "Write a saved run's reports again from its verdict.",
    "serve": "Serve a web page on 127.0.0.1: list the runs, open their reports, follow one that goes on.",
    "diff": "Compare two runs, or two sets of runs; exit code 1 when the second one is worse.",
    "runs": "List saved runs, and remove old ones.",
    "doctor": "Examine this machine: what is there, what is missing, and how to mend it.",
    "faults": "List the faults, and for each backend whether this machine can have it; why not, where not.",
    "heal": "End what is left of runs whose harness died; those that are going on are not touched.",
    "scenarios": "List the scenarios that ship with WordAround.",
}


def load(name: str) -> Any:
    """Import a command and return it as Typer's own object."""
    module = importlib.import_module(f"harness.commands.{name}")
    command = getattr(module, "app", None)
    if command is None:
        command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        command.command(name)(getattr(module, name))
    return typer.main.get_command(command)


class _Late(TyperGroup):
    """Knows its commands by name and line; imports the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        return name, load(name) if name else None, rest


app = typer.Typer(
    cls=_Late,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command (Typer itself makes exit code 130 of an interrupt)."""
    sys.exit(code_of(_app_code))


def _app_code() -> int:
    return int(app(prog_name="wordaround", standalone_mode=True) or 0)


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


def _only_listed() -> None:
    raise AssertionError("`_Late` puts the command itself in the place of this one")


for _name, _line in COMMANDS.items():
    app.command(_name, help=_line)(_only_listed)
