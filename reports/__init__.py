"""Reports: a run folder in, `report.html`, `junit.xml` and `summary.md` out.

    run.py             the run folder, read once into frozen records
    text.py            hostile and endless strings made harmless to the eye
    sentence.py        the verdict in one sentence; numbers and durations for people
    spans.py           what happened when: member states and fault windows, from the journals
    figures.py         series from the history: rates, latencies, connections
    reconnections.py   who was cut off, grouped by fault; return_curve.py draws how soon they were back
    sequence.py        who stands in the diagram of a story; sequence_drawing.py draws it
    picture.py         what the picture of the run shows
    timeline.py        the picture, drawn with panels.py, annotations.py and svg.py
    sections.py        the sections of the page: a template and its facts each; limits.py: how much of them
    pages.py           how all pages print what comes from a run
    html.py, junit.py, markdown.py   one module a report; github.py: annotations of a job
    diff.py            two sets of runs side by side, with diff_*.py

Everything behind `run.py` is pure. Of the harness only `harness.records` is imported.
"""

from reports.run import ReportError
from reports.write import write_reports

__all__ = ["ReportError", "write_reports"]
