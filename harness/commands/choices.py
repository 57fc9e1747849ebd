"""Options of the commands that start a cluster.

Apart from `options.py`, because what they know of backends and scenarios takes a while to import.
"""

from typing import Annotated

import typer

from harness.backends.choose import CHOICES
from harness.commands import complete
from harness.scenario.model import LARGEST_SEED

BackendName = Annotated[
    str,
    typer.Option(
        "--backend",
        metavar="BACKEND",
        help=f"One of {', '.join(CHOICES)}.",
        autocompletion=complete.backends,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        min=0,
        max=LARGEST_SEED,
        help="Makes the same choices again; drawn when absent.",
    ),
]
