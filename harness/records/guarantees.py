"""The published guarantees: their names, their order in every report, and one sentence each.

The names are what scenarios, `verdict.json`, JUnit and reports use; `docs/guarantees.md` defines each
in full. A broken guarantee is reported by quoting its sentence.
"""

from collections.abc import Mapping
from types import MappingProxyType

GUARANTEES: Mapping[str, str] = MappingProxyType(
    {
        "acked-durable": (
            "A message that was acknowledged to its sender is in the room's log on every node after recovery."
        ),
        "complete-delivery": (
            "Every recipient entitled to an acknowledged message has received it by the end of the run, "
            "live or by resume."
        ),
        "no-duplicates": (
            "Nobody receives a message twice within a membership, and no message has two places in the log."
        ),
        "integrity": (
            "Nobody receives what nobody sent, what was rejected, what was altered or given another sender, "
            "or what belongs to another room."
        ),
        "total-order": "All recipients and all nodes agree on one order of messages per room.",
        "fifo-order": "The messages of one producer in a room are never swapped for anyone.",
        "causal-order": (
            "Nobody sees an answer before what it answers, and whoever sends after seeing a message is "
            "ordered after it."
        ),
        "read-your-writes": (
            "Once its message is acknowledged, a sender's view of the room has that message, "
            "also after a failover."
        ),
        "monotonic-reads": (
            "The positions that a bot receives in a membership only rise, across all its connections."
        ),
        "gapless-resume": (
            "Whoever resumes misses nothing, or is told honestly, for an allowed cause, that it cannot."
        ),
        "convergence": (
            "After healing, all nodes serve the same history, from store and tail, within the deadline."
        ),
        "presence": "The user list equals the connected users within the deadline of the last change.",
        "reconnection": (
            "Every bot that lost its connection, to a fault or otherwise, is back in its rooms on a live "
            "node within the deadline."
        ),
        "availability": (
            "Sends succeed outside declared outages, and the longest time that a bot waits with none "
            "acknowledged stays within its budget."
        ),
    }
)

# What this version has a checker for, in the order above. `checks: all` means these.
IMPLEMENTED: tuple[str, ...] = tuple(GUARANTEES)

# What has no meaning in a mode of delivery, and why: decided before any run, never from its outcome.
NOT_APPLICABLE: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "durable": {},
        "pubsub": {
            "monotonic-reads": "the pub/sub mode has no positions that could rise",
            "gapless-resume": "the pub/sub mode has no positions, so nobody can resume",
        },
    }
)
