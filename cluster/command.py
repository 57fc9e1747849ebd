"""`python -m cluster --help` and `--version`; a node itself takes no arguments, only its environment.

Nothing here imports more than the settings: help is there at once, also where Redis' client or gevent
is not installed.
"""

import sys
from collections.abc import Sequence

from cluster import __version__
from cluster.settings import declared

EXIT_DONE, EXIT_USAGE = 0, 2
USAGE = "usage: python -m cluster [--help | --version]"
_INTRODUCTION = f"""{USAGE}

Run one WordAround chat node until SIGTERM or SIGINT. It is configured by environment variables; wrong
ones are all told at once, and so is one that looks like a misspelt setting.
"""
_EXIT_CODES = """Exit codes: 0 after SIGTERM or SIGINT; 1 when the node cannot work (port taken, wrong
cluster); 2 when the environment or an argument is wrong; 70 after a bug in the node.
"""


def answer(arguments: Sequence[str]) -> int:
    """Print what the arguments ask for; return the exit code."""
    match list(arguments):
        case ["--help" | "-h"]:
            sys.stdout.write(help_text())
            return EXIT_DONE
        case ["--version"]:
            sys.stdout.write(f"WordAround chat node {__version__}\n")
            return EXIT_DONE
    sys.stderr.write(f"{USAGE}\nunknown arguments: {' '.join(arguments)!r}\n")
    return EXIT_USAGE


def help_text() -> str:
    """Return the help: every variable, its default and its meaning, in columns."""
    rows = [(s.variable, s.shown_default or "(empty)", s.meaning) for s in declared()]
    variable, default = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"  {v:{variable}}  {d:{default}}  {meaning}\n" for v, d, meaning in rows]
    return f"{_INTRODUCTION}\n{''.join(lines)}\n{_EXIT_CODES}"


def settings_table() -> str:
    """Return the table of the settings in docs/protocol.md."""
    rows = [f"| `{s.variable}` | {_code(s.shown_default)} | {s.meaning} |\n" for s in declared()]
    return f"| variable | default | |\n|---|---|---|\n{''.join(rows)}"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""
