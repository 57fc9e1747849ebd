"""Reports: a run folder in, `report.html`, `junit.xml` and `summary.md` out."""
