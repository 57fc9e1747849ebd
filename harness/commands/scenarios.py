"""`wordaround scenarios`: what ships with WordAround."""

import typer

from harness.scenario.library import shipped


def scenarios() -> None:
    """List the scenarios that ship with WordAround."""
    for name, description in shipped().items():
        typer.echo(f"{name}\n    {description}")
