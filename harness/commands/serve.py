"""`wordaround serve`: the saved runs, and those that go on, as a web page of this machine."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import RunsDir
from harness.serving.server import Server


def serve(
    runs_dir: RunsDir = Path("runs"),
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="N", min=1, max=65535, help="Instead of 8088, or of a free one."),
    ] = None,
) -> None:
    """Serve a web page on 127.0.0.1: list the runs, open their reports, follow one that goes on."""
    server = Server(runs_dir, port=port)
    try:
        typer.echo(f"The runs in {runs_dir} are at {server.url} (Ctrl-C ends this)", err=True)
        server.serve()
    finally:
        server.close()
