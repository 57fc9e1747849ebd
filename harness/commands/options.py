"""Options and arguments that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

RunsDir = Annotated[Path, typer.Option("--runs-dir", metavar="DIR", help="Where run folders are kept.")]
ClusterId = Annotated[
    str | None,
    typer.Argument(metavar="ID", help="Which cluster, where several are up; the beginning is enough."),
]
