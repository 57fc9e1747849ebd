"""How much of a run the page shows. Counts are always full, and every story that the verdict has is told."""

from dataclasses import dataclass

MOST_BYTES = 4_700_000  # of a page; below the 5 MB that are promised


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Numbers of things, and characters of texts."""

    text: int = 1_000  # of any one string from the run
    line: int = 300  # of one that is a line among many
    scenario: int = 100_000
    stories_open: int = 3  # as headings of their own; the others unfold
    operations: int = 24  # of a story
    diagrams: int = 8  # of a guarantee
    reasons: int = 6  # why nothing can be said, on the first screen
    unexpected: int = 40  # sentences of what is not as the scenario expects
    findings: int = 16  # of a kind on the first screen, where they pass
    faults: int = 200
    evidence: int = 500  # findings of coverage and lifecycle, where they pass
    bots: int = 200
    rooms: int = 100
    ways: int = 200  # back after one fault
    flows: int = 30  # from node to node after one fault
    groups: int = 100  # of ways back, each after one fault
    members: int = 24
    log_windows: int = 8  # of a member
    logs: int = 40  # whose last lines are shown
    versions: int = 60  # and facts of the machine


# A page that is too large is made again with the next.
LEVELS = (
    Limits(),
    Limits(text=400, line=160, scenario=20_000, operations=8, diagrams=3, faults=60, evidence=100, bots=50,
           ways=40, flows=20, groups=40, log_windows=4),
    Limits(text=160, line=80, scenario=5_000, operations=2, diagrams=1, faults=20, evidence=20, bots=20,
           rooms=20, ways=10, flows=8, groups=20, members=12, log_windows=1, logs=12),
)  # fmt: skip
