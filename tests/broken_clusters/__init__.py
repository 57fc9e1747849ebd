"""Real nodes with one planted bug each, to prove that the judge catches them.

`python -m tests.broken_clusters BUG [FOLDER]` runs one of our nodes with that bug, `list` tells them all, and
`matrix RUNS_DIR` makes the table of docs/guarantees.md from the verdicts of their runs. Nothing of this is in
`cluster/`: a bug replaces a method of one of its classes, or a line of one of its scripts.
"""
