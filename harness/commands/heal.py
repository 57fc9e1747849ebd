"""`wordaround heal`: what runs whose harness died left behind."""

from typing import Annotated

import typer

from harness.healing.everything import heal_and_tell


def heal(
    run_id: Annotated[
        str | None, typer.Option("--run", metavar="ID", help="This run alone (meta.json has its id).")
    ] = None,
) -> None:
    """End what is left of runs whose harness died; those that are going on are not touched."""
    raise typer.Exit(heal_and_tell(run_id, typer.echo))
