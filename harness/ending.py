"""The ordered end of a run whose load has stopped: last answers, final reads, catching up."""

from collections.abc import Callable, Iterable

from harness import clock
from harness.backends.base import Member
from harness.checkers.fault_windows import left_alive
from harness.final_reads import read_until_stable
from harness.load import Load
from harness.records.history_format import HistoryWriter
from harness.records.plan import Plan, wire_name

READS_S = 5.0  # what final reads, and then catching up, have at least, however long the drain took
SHOWN = 5


def end_in_order(
    load: Load,
    reader: HistoryWriter,
    *,
    plan: Plan,
    nodes: Iterable[Member],
    run_id: str,
    say: Callable[[str], None],
) -> None:
    """Let everything come to rest, read the nodes that the plan leaves alive, and let the bots go."""
    deadline = clock.deadline_ns(plan.limits.drain_s)
    if not load.wait_resolved(deadline):
        say("Some sends were still without an answer at the deadline")
    alive = left_alive(plan)
    reads = read_until_stable(
        reader,
        (node for node in nodes if node.name in alive),  # whether they are alive or not
        (wire_name(room, run_id) for room in plan.rooms),
        deadline_ns=max(deadline, clock.deadline_ns(READS_S)),
    )
    if not reads.stable:
        say(f"The final reads did not settle: {reads.trouble}")
    behind = load.catch_up(reads.heads, max(deadline, clock.deadline_ns(READS_S)))
    for bot, how in list(behind.items())[:SHOWN]:
        say(f"{bot} did not catch up: {how}")
    load.quit()
