"""Options and arguments that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands import complete
from harness.errors import UsageError
from harness.scenario.values import seconds

RunsDir = Annotated[Path, typer.Option("--runs-dir", metavar="DIR", help="Where run folders are kept.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.", autocompletion=complete.runs)]
ClusterId = Annotated[
    str | None,
    typer.Argument(
        metavar="ID",
        help="Which cluster, where several are up; the beginning is enough.",
        autocompletion=complete.cluster_ids,
    ),
]

WebFlag = Annotated[
    bool, typer.Option("--web", help="Show Locust's web page on 127.0.0.1 while the run goes on.")
]


def duration_option(option: str, value: str | None) -> float | None:
    """Return the seconds that an option's `90s` or `5m` means; `None` where it was not given.

    Raises:
        UsageError: it is no duration above zero.
    """
    if value is None:
        return None
    length = seconds(value)
    if not length:
        raise UsageError(f"{option} wants a duration above zero like 90s or 5m, not {value!r}")
    return length
