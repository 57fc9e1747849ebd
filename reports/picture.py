"""What the picture of a run shows, collected from its records; how it looks is the timeline's affair."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from reports import sentence
from reports.anchors import witness_id
from reports.figures import Figures, figures, last_activity_ns
from reports.populations import Populations, few, together
from reports.run import Run
from reports.shades import Stretch, stretches
from reports.spans import FaultRecord, StateSpan, fault_records, lane
from reports.text import clipped

_LEAD_IN = 0.08  # The share of the load's length that may be shown before it, for the start of the cluster.
_TIP = 300  # characters of a tool tip
_FAULT = 160  # characters of what is said of a fault
_MOST_SPANS = 1_000  # states that are drawn, of all members together
FAULTS_SHOWN = 200  # that have windows of their own, and names
FAULTS_TOLD = 20  # in the description
_STRETCHES = 500  # of time that the other faults are shaded as


class Violation(NamedTuple):
    """A violation that has a moment, and the place on the page where its story is told."""

    t_ns: int
    words: str
    anchor: str


class Lane(NamedTuple):
    """A member and its states."""

    member: str
    spans: tuple[StateSpan, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """All that is drawn."""

    run: Run
    figures: Figures
    start_ns: int
    end_ns: int
    lanes: tuple[Lane, ...]
    connected: Populations  # per node
    cut_off: Populations
    faults: tuple[FaultRecord, ...]
    violations: tuple[Violation, ...]

    @property
    def injected(self) -> tuple[FaultRecord, ...]:
        """The faults that have a time."""
        return tuple(record for record in self.faults if record.injected_ns is not None)

    @property
    def own_windows(self) -> tuple[FaultRecord, ...]:
        """The faults that are drawn and named one by one."""
        return self.injected[:FAULTS_SHOWN]

    @property
    def crowded(self) -> int:
        """How many faults are not."""
        return max(0, len(self.injected) - FAULTS_SHOWN)

    @property
    def crowd(self) -> tuple[Stretch, ...]:
        """The times of these."""
        return stretches(
            self.injected[FAULTS_SHOWN:], start_ns=self.start_ns, end_ns=self.end_ns, most=_STRETCHES
        )


def collect(run: Run) -> Picture:
    """Collect what is drawn: from the load's start (and a little before) to the last thing that moved."""
    end = _end_ns(run)
    found = figures(run.history, run.verdict.reconnections, start_ns=run.zero_ns, end_ns=end)
    faults = fault_records(run.plan, run.faults)
    nodes = {name: found.connected[name] for name in run.plan.cluster.nodes if name in found.connected}
    return Picture(
        run=run,
        figures=found,
        start_ns=_start_ns(run, end),
        end_ns=end,
        lanes=_lanes(run, faults, max(end, run.meta.ended_ns or 0)),
        connected=together(few(nodes)),
        cut_off=together({"cut off": found.cut_off}),
        faults=faults,
        violations=tuple(_violations(run)),
    )


def _lanes(run: Run, faults: Iterable[FaultRecord], last_ns: int) -> tuple[Lane, ...]:
    """Return the states of every member; of one with very many, the longest."""
    members = run.plan.cluster.members
    most = max(1, _MOST_SPANS // max(1, len(members)))
    found = {member: lane(run.members, tuple(faults), member, last_ns) for member in members}
    longest = {
        m: sorted(own, key=lambda span: span.start_ns - span.end_ns)[:most] for m, own in found.items()
    }
    return tuple(
        Lane(member, tuple(sorted(longest[member], key=lambda span: span.start_ns))) for member in members
    )


def _end_ns(run: Run) -> int:
    """Return when the last thing happened that is drawn; the plan's end where nothing ever did."""
    moments = [last_activity_ns(run.history), run.meta.load_ended_ns]
    moments += [way.back_ns for way in run.verdict.reconnections]
    moments += [violation.t_ns for violation in _violations(run)]
    planned = run.zero_ns + round(run.plan.load_s * 1e9)
    return max((t for t in moments if t is not None and t > run.zero_ns), default=planned)


def _start_ns(run: Run, end_ns: int) -> int:
    first = min((entry.t_ns for entry in run.members), default=run.zero_ns)
    lead_in = max(first, run.zero_ns - round(_LEAD_IN * (end_ns - run.zero_ns)))
    return min(run.zero_ns, lead_in, *(violation.t_ns for violation in _violations(run)))


def _violations(run: Run) -> Iterable[Violation]:
    for finding in run.verdict.properties:
        for index, witness in enumerate(finding.witnesses):
            if witness.t_ns is not None:
                words = clipped(f"{finding.name}: {witness.story}", _TIP)
                yield Violation(witness.t_ns, words, witness_id(finding.name, index))


def untold(run: Run) -> int:
    """Return how many violations have no mark: their witnesses have no moment, or were too many to keep."""
    return sum(finding.violations for finding in run.verdict.properties) - sum(1 for _ in _violations(run))


def description(shown: Picture) -> str:
    """Say in words what the picture shows, for those who cannot see it."""
    run = shown.run
    sends = run.verdict.stats.sends
    faults = [fault_words(run, record) for record in shown.faults[:FAULTS_TOLD]]
    more = len(shown.faults) - len(faults)
    return " ".join(
        [
            "Member states, send and delivery rates and latencies over",
            f"{sentence.seconds(run.at_s(shown.end_ns))}.",
            f"{sends.attempted:,} messages sent, {sends.acked:,} acknowledged.",
            *(faults or ["No fault was injected."]),
            *([f"And {sentence.plural(more, 'more fault')}."] if more else []),
            f"{sentence.plural(len(shown.violations), 'violation mark')}.",
        ]
    )


def fault_words(run: Run, record: FaultRecord) -> str:
    """Say what was done to whom, and from when to when."""
    name = clipped(f"{record.label} ({record.fault_id})", _FAULT)
    if record.injected_ns is None:
        return f"{name}: never injected."
    over = "not healed" if record.over_ns is None else f"over at {sentence.moment(run.at_s(record.over_ns))}"
    return f"{name}: at {sentence.moment(run.at_s(record.injected_ns))}, {over}."


def phase_spans(shown: Picture) -> list[tuple[str, float, float]]:
    """Return name, start and end of each phase in seconds; what follows the load is the drain."""
    run, end = shown.run, shown.run.at_s(shown.end_ns)
    starts = [phase.start_s for phase in run.plan.phases]
    if run.meta.recovery_began_ns is not None:  # Later than planned where a heal took its time.
        starts[-1] = run.at_s(run.meta.recovery_began_ns)
    drain = run.plan.load_s if run.meta.load_ended_ns is None else run.at_s(run.meta.load_ended_ns)
    names = [phase.name.replace("warmup", "warm-up") for phase in run.plan.phases]
    spans = list(zip(names, starts, [*starts[1:], drain], strict=True))
    return [*spans, ("drain", drain, end)] if end > drain else spans
