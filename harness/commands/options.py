"""Options and arguments that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands import complete

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
