"""What happened when, from the two journals: the states of members and the windows of faults."""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.records.journal import FaultEntry, MemberEntry, MemberState
from harness.records.plan import Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class StateSpan:
    """A member was seen in one state, as one incarnation, from `start_ns` to `end_ns`."""

    start_ns: int
    end_ns: int
    state: MemberState
    identity: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultRecord:
    """One injection as the journal tells it: its steps, in the order in which they were written."""

    fault_id: str
    fault: str
    targets: tuple[str, ...]
    peers: tuple[str, ...]  # the other ends of the links that it is about, as planned
    steps: tuple[FaultEntry, ...]

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


def member_spans(entries: Iterable[MemberEntry], member: str, end_ns: int) -> tuple[StateSpan, ...]:
    """Return one member's states in order; the last one lasts until `end_ns`."""
    own = sorted((entry for entry in entries if entry.member == member), key=lambda entry: entry.t_ns)
    if not own:
        return ()
    ends = [entry.t_ns for entry in own[1:]] + [max(end_ns, own[-1].t_ns)]
    return tuple(
        StateSpan(start_ns=entry.t_ns, end_ns=end, state=entry.state, identity=entry.identity)
        for entry, end in zip(own, ends, strict=True)
    )


def fault_records(plan: Plan, entries: Iterable[FaultEntry]) -> tuple[FaultRecord, ...]:
    """Group the journal by injection, in the order in which they first appear."""
    peers = {fault.id: fault.peers for fault in plan.faults}
    by_id: dict[str, list[FaultEntry]] = {}
    for entry in entries:
        by_id.setdefault(entry.fault_id, []).append(entry)
    return tuple(
        FaultRecord(
            fault_id=fault_id,
            fault=steps[0].fault,
            targets=steps[0].targets,
            peers=peers.get(fault_id, ()),
            steps=tuple(steps),
        )
        for fault_id, steps in by_id.items()
    )
