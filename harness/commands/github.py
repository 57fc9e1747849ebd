"""A verdict where GitHub Actions looks for it: annotations in the log, the summary on the job's page.

Annotations go to stderr, which the runner reads as well as stdout: `--json` stays alone on its own.
"""

import os
from pathlib import Path

import typer

from harness.records.folder import RunFolder

ACTIONS = "GITHUB_ACTIONS"  # "true" on a runner
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"  # the file that becomes a part of the job's page
MOST_BYTES = 1_000_000  # of it; the runner takes 1 MiB of a step, and nothing at all of more


def tell(folder: RunFolder) -> None:
    """Tell GitHub Actions of a judged run, where it is GitHub Actions that runs this.

    Raises:
        HarnessError: the run cannot be read.
        OSError: the runner's file cannot be written.
    """
    if os.environ.get(ACTIONS) != "true":
        return
    # Here, since templates take long to import, and nobody else needs them in this process.
    from harness import judging

    for line in judging.annotations(folder):
        typer.echo(line, err=True)
    if path := os.environ.get(STEP_SUMMARY):
        _append(Path(path), folder.summary)


def _append(path: Path, summary: Path) -> None:
    text = summary.read_text("utf-8")
    there = path.stat().st_size if path.exists() else 0
    if there + len(text.encode()) > MOST_BYTES:  # One more run would take those away that are there.
        typer.echo(f"wordaround: the job's summary is full; that of this run is in {summary} alone", err=True)
        return
    with path.open("a", encoding="utf-8") as file:
        file.write(text + "\n")
