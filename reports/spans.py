"""What happened when, from the two journals: the states of members and the windows of faults.

The watch sees whether a member is there and answers; that one is cut off from others, or says goodbye, is
what the journal of faults tells. A lane shows both: a fault's word covers what the watch saw of a member that
is alive.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.records.journal import FaultEntry, MemberEntry, MemberState
from harness.records.plan import Plan, Trait

CUT_OFF, DRAINING = "cut-off", "draining"
STATES = ("starting", "ready", "not-ready", "paused", CUT_OFF, DRAINING, "down")  # in the order of the keys
_SAYS_GOODBYE = ("stop", "restart")  # faults that ask a member to end, and wait until it did
_COVERED = (MemberState.READY, MemberState.NOT_READY)


@dataclass(frozen=True, kw_only=True, slots=True)
class StateSpan:
    """A member was in one state, as one incarnation, from `start_ns` to `end_ns`."""

    start_ns: int
    end_ns: int
    state: str  # one of STATES
    identity: str
    note: str = ""  # what was done to it: "partition node-2 from redis"

    @property
    def words(self) -> str:
        """The state as people read it."""
        return self.state.replace("-", " ")


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultRecord:
    """One injection as the journal tells it: its steps, in the order in which they were written."""

    fault_id: str
    fault: str
    targets: tuple[str, ...]
    peers: tuple[str, ...]  # the other ends of the links that it is about, as planned
    steps: tuple[FaultEntry, ...]
    traits: tuple[Trait, ...] = ()

    @property
    def cuts_off(self) -> bool:
        """Whether its targets cannot reach its peers while it lasts."""
        return bool(self.peers) and "cuts-silently" in self.traits

    @property
    def injected_ns(self) -> int | None:
        """When the injection began; `None`: it never did."""
        return next((step.t_ns for step in self.steps if step.step == "injected"), None)

    @property
    def over_ns(self) -> int | None:
        """When the heal was seen; the heal's own end where none was seen; `None`: it lasts."""
        for wanted in ("heal_proved", "healed"):
            found = next((step.done_ns for step in self.steps if step.step == wanted), None)
            if found is not None:
                return found
        return None

    @property
    def proved(self) -> bool:
        """Whether its effect was seen."""
        return any(step.step == "proved" for step in self.steps)

    @property
    def heal_seen(self) -> bool:
        """Whether its end was seen."""
        return any(step.step == "heal_proved" for step in self.steps)

    @property
    def failed(self) -> bool:
        """Whether any of its steps went wrong."""
        return any(step.step == "failed" for step in self.steps)

    @property
    def label(self) -> str:
        """What it is, in few words: `kill node-2`, `partition node-2 from redis`."""
        whom = f" {', '.join(self.targets)}" if self.targets else ""
        peers = [peer for peer in self.peers if self.targets != (peer,)]
        return f"{self.fault}{whom}{' from ' if peers else ''}{', '.join(peers)}"


def lane(
    entries: Iterable[MemberEntry], faults: Iterable[FaultRecord], member: str, end_ns: int
) -> tuple[StateSpan, ...]:
    """Return one member's states in order: as seen, and as its faults explain it."""
    spans = member_spans(entries, member, end_ns)
    for fault in faults:
        if member in fault.targets and fault.injected_ns is not None:
            if fault.cuts_off:
                over = end_ns if fault.over_ns is None else fault.over_ns
                spans = _covered(spans, fault, over, CUT_OFF)
            elif fault.fault in _SAYS_GOODBYE:
                spans = _covered(spans, fault, _gone_ns(spans, fault.injected_ns), DRAINING)
    return spans


def member_spans(entries: Iterable[MemberEntry], member: str, end_ns: int) -> tuple[StateSpan, ...]:
    """Return one member's states as they were seen; the last one lasts until `end_ns`."""
    own = sorted((entry for entry in entries if entry.member == member), key=lambda entry: entry.t_ns)
    if not own:
        return ()
    ends = [entry.t_ns for entry in own[1:]] + [max(end_ns, own[-1].t_ns)]
    return tuple(
        StateSpan(start_ns=entry.t_ns, end_ns=end, state=entry.state.value, identity=entry.identity)
        for entry, end in zip(own, ends, strict=True)
    )


def _gone_ns(spans: tuple[StateSpan, ...], asked_ns: int) -> int:
    """Return when the incarnation that was asked to end was seen gone."""
    asked = next((span for span in reversed(spans) if span.start_ns <= asked_ns), None)
    later = (span for span in spans if span.start_ns > asked_ns)
    gone = (span.start_ns for span in later if asked is None or span.identity != asked.identity)
    return next(gone, asked_ns)


def _covered(
    spans: tuple[StateSpan, ...], fault: FaultRecord, end_ns: int, state: str
) -> tuple[StateSpan, ...]:
    """Give the state to what lies between a fault's injection and a moment, where the member is alive."""
    start_ns = fault.injected_ns or 0
    found: list[StateSpan] = []
    for span in spans:
        begin, end = max(span.start_ns, start_ns), min(span.end_ns, end_ns)
        if span.state not in _COVERED or begin >= end:
            found.append(span)
            continue
        found.append(replace(span, end_ns=begin))
        found.append(replace(span, start_ns=begin, end_ns=end, state=state, note=fault.label))
        found.append(replace(span, start_ns=end))
    return _merged(span for span in found if span.end_ns > span.start_ns)


def _merged(spans: Iterable[StateSpan]) -> tuple[StateSpan, ...]:
    """Make one of neighbours that differ in nothing but their time."""
    found: list[StateSpan] = []
    for span in spans:
        if found and replace(found[-1], end_ns=span.end_ns) == replace(span, start_ns=found[-1].start_ns):
            found[-1] = replace(found[-1], end_ns=span.end_ns)
        else:
            found.append(span)
    return tuple(found)


def fault_records(plan: Plan, entries: Iterable[FaultEntry]) -> tuple[FaultRecord, ...]:
    """Group the journal by injection, in the order in which they first appear."""
    planned = {fault.id: fault for fault in plan.faults}
    by_id: dict[str, list[FaultEntry]] = {}
    for entry in entries:
        by_id.setdefault(entry.fault_id, []).append(entry)
    return tuple(
        FaultRecord(
            fault_id=fault_id,
            fault=steps[0].fault,
            targets=steps[0].targets,
            peers=planned[fault_id].peers if fault_id in planned else (),
            steps=tuple(steps),
            traits=planned[fault_id].traits if fault_id in planned else (),
        )
        for fault_id, steps in by_id.items()
    )
