"""Options and arguments that several commands have."""

from typing import Annotated

import typer

ClusterId = Annotated[
    str | None,
    typer.Argument(metavar="ID", help="Which cluster, where several are up; the beginning is enough."),
]
