"""The one thing that this package does: write the three reports of a run into its folder."""

from pathlib import Path

from harness.records.folder import RunFolder
from reports import html, junit, markdown
from reports.run import load


def write_reports(folder: RunFolder) -> None:
    """Write `report.html`, `junit.xml` and `summary.md`, each whole or not at all.

    Raises:
        ReportError: the folder is not that of a judged run.
    """
    run = load(folder)
    _replace(folder.report, html.render(run))
    _replace(folder.junit, junit.render(run))
    _replace(folder.summary, markdown.render(run))


def _replace(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, "utf-8")
    part.replace(path)
