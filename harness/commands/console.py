"""What all commands share: the two streams, and the exit code of whatever went wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.records.verdict import RunVerdict

Json = Annotated[bool, typer.Option("--json", help="Print verdict.json, and nothing else, on stdout.")]

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)


def code_of(work: Callable[[], int]) -> int:
    """Return the work's exit code; where the harness failed, say why and return the code for that.

    Whatever is not a `HarnessError` is not the user's to mend: it is shown as it is. It must not end as
    1, which would say that the cluster failed.
    """
    try:
        return work()
    except HarnessError as error:
        say_error(error)
        return error.exit_code
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        say_error(HarnessError(f"the machine refused: {error.strerror or error}{where}"))
        return HarnessError.exit_code
    except Exception:  # noqa: BLE001 - a bug of the harness, whatever it is, must not look like a verdict
        stderr.print_exception()
        return HarnessError.exit_code


def say_error(error: HarnessError) -> None:
    """Print the error's sentence on stderr."""
    stderr.print(f"wordaround: {error}", style="red", markup=False, soft_wrap=True)


def print_verdict(where: Path, verdict: "RunVerdict", *, as_json: bool) -> None:
    """Print a verdict as a summary, or `verdict.json` alone."""
    # Here, since `cli.py` imports this file for every command: they take long.
    from harness import judging
    from harness.records.codec import dump_json

    if as_json:
        typer.echo(dump_json(verdict).decode())
        return
    stdout.print(judging.summary(verdict, where), soft_wrap=True)


def print_one_line(where: Path, verdict: "RunVerdict") -> None:
    """Print a verdict of which there is nothing to look at."""
    from harness import judging

    stdout.print(judging.one_line(verdict, where), soft_wrap=True)
