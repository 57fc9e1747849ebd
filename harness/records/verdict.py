"""`verdict.json`: what the judge says of a run (design of the kinds in docs/decisions)."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


class Verdict(StrEnum):
    """The word on one finding, or on the whole run (which is never `n/a`)."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "n/a"


class StepKind(StrEnum):
    """What a step of a story was."""

    SEND = "send"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNANSWERED = "unanswered"  # the sender gave up waiting
    RECEIVED = "received"
    NEVER = "never"  # it should have come to `source` and did not, up to this moment
    JOINED = "joined"
    CONNECTED = "connected"
    CUT_OFF = "cut-off"
    READ = "read"  # a final read
    LACKING = "lacking"  # a final read that lacks what it should have


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of a story, between two of its people: what a sequence diagram draws as an arrow.

    `source` and `target` are names of the plan: bots, nodes, Redis. `target` is empty where the step is of
    `source` alone, or where nobody knows the other end. `position` is the place in the room's log that was
    named with it, 0: none.
    """

    t_ns: int
    kind: StepKind
    source: str
    target: str = ""
    label: str = ""
    position: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Witness:
    """One violation as a story for people, with the operations behind it.

    `t_ns` is the monotonic moment to mark in the timeline, `None` where there is none. `steps` are the
    operations once more, as a diagram needs them; verdicts of older versions have none.
    """

    story: str
    operations: tuple[str, ...] = ()
    t_ns: int | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Property:
    """A guarantee's finding. At most 32 witnesses are kept; the counts are always full."""

    name: str
    verdict: Verdict
    sentence: str
    checked: int  # how many things this check looked at
    counted: str  # what these things are: "acknowledged messages × nodes"
    violations: int = 0
    excused: int = 0
    reason: str = ""  # why `unknown` or `n/a`; empty otherwise
    witnesses: tuple[Witness, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A coverage or lifecycle finding."""

    name: str
    verdict: Verdict
    evidence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SendStats:
    """Messages by outcome (not attempts). `recovered`: indeterminate, but seen in the end."""

    attempted: int = 0
    acked: int = 0
    rejected: int = 0
    indeterminate: int = 0
    recovered: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantiles:
    """Milliseconds. A p99 needs 100 samples; below that it is `None` and `max` speaks."""

    count: int = 0
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    max: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReconnectionStats:
    """How long bots were without a joined connection after losing one, in milliseconds."""

    count: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reconnection:
    """One bot's way back after it lost its connection.

    `fault_id` is the fault in whose window the connection was lost, `None` when none was active.
    `back_ns` is when it was joined to all its rooms again; `None`: it never was.
    """

    bot: str
    fault_id: str | None
    lost_ns: int
    back_ns: int | None
    from_node: str
    to_node: str | None
    reason: str  # of the disconnect, as the client saw it
    caught_up: int = 0  # messages received by resume


@dataclass(frozen=True, kw_only=True, slots=True)
class Stats:
    """Figures of the whole run."""

    sends: SendStats = SendStats()
    deliveries: int = 0
    reconnections: ReconnectionStats = ReconnectionStats()
    ack_latency_ms: Quantiles = Quantiles()
    delivery_latency_ms: Quantiles = Quantiles()
    longest_wait_ms: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunVerdict:
    """The whole of `verdict.json`."""

    schema: int = 1
    verdict: Verdict
    expected: Literal["pass", "fail"]
    as_expected: bool
    unexpected: tuple[str, ...] = ()  # why not as expected, a sentence each
    scenario: str
    seed: int
    backend: str
    properties: tuple[Property, ...]
    coverage: tuple[Finding, ...]
    lifecycle: tuple[Finding, ...]
    stats: Stats
    reconnections: tuple[Reconnection, ...] = field(default=())
