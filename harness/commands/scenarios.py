"""`wordaround scenarios`: what ships with WordAround, and the language itself for editors."""

import json
from typing import Annotated

import typer

from harness.scenario.library import shipped
from harness.scenario.schema import json_schema


def scenarios(
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of scenarios, for editors.")
    ] = False,
) -> None:
    """List the scenarios that ship with WordAround."""
    if schema:
        typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
        return
    for name, description in shipped().items():
        typer.echo(f"{name}\n    {description}")
