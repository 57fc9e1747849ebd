"""Faults as the journal tells them: windows in time, with their receipts.

A window lasts from the beginning of the inject to the proven heal; without one, to the end of the run.

A fault *holds* the members that cannot do their part while it lasts: its targets; where it is about links
(it has peers), the nodes among its targets, and those that it cuts off from Redis or from the clients. Redis
itself is held by a fault on its links only if that cuts off every node. A fault that only degrades (slows a
link, starves a processor, shifts a clock) holds nobody, nor does one that closes connections of members that
go on: who was cut off can be back at once.

A *declared outage* is the window of a fault by which nobody can be served: it holds Redis, or it holds all
nodes; of faults on links only those that cut every node off from Redis or from the clients. That is narrow on
purpose, since an outage excuses: one frozen node or one link of Redis is none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.records.journal import FaultEntry
from harness.records.plan import CLIENTS, ClusterPlan, FaultPlan, Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultWindow:
    """One planned fault and what became of it. All stamps are `None` for a step that never came."""

    plan: FaultPlan
    began_ns: int | None = None
    injected_ns: int | None = None  # the inject was over
    proved: FaultEntry | None = None
    heal_proved: FaultEntry | None = None
    failures: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.plan.id

    @property
    def must_heal(self) -> bool:
        """Whether the plan says that it ends before the run does."""
        return self.plan.heal_after_s is not None

    @property
    def takes_down(self) -> bool:
        """Whether its targets' processes end."""
        return "takes-down" in self.plan.traits

    @property
    def cuts_off(self) -> bool:
        """Whether clients' connections to its targets are closed for certain."""
        closes = "cuts-off" in self.plan.traits and (not self.plan.peers or CLIENTS in self.plan.peers)
        return self.takes_down or closes

    @property
    def ended_ns(self) -> int | None:
        """When it was over; `None`: not before the end of the run."""
        return self.heal_proved.done_ns if self.heal_proved is not None else None

    def covers(self, t_ns: int) -> bool:
        """Whether a moment lies in the window (closed interval)."""
        if self.began_ns is None or t_ns < self.began_ns:
            return False
        return self.ended_ns is None or t_ns <= self.ended_ns


def read_windows(plan: Plan, entries: Sequence[FaultEntry]) -> tuple[FaultWindow, ...]:
    """Return a window per planned fault, in the plan's order."""
    return tuple(_window(fault, [e for e in entries if e.fault_id == fault.id]) for fault in plan.faults)


def _window(fault: FaultPlan, entries: Iterable[FaultEntry]) -> FaultWindow:
    steps: dict[str, FaultEntry] = {}
    failures = []
    for entry in entries:
        if entry.step == "failed":
            failures.append(entry.evidence.get("error", "no reason was given"))
        else:
            steps.setdefault(entry.step, entry)
    injected = steps.get("injected")
    return FaultWindow(
        plan=fault,
        began_ns=injected.t_ns if injected else None,
        injected_ns=injected.done_ns if injected else None,
        proved=steps.get("proved"),
        heal_proved=steps.get("heal_proved"),
        failures=tuple(failures),
    )


def left_alive(plan: Plan) -> tuple[str, ...]:
    """Return the members that the plan leaves alive: all but those whose last fault is a death for good."""
    last_death = {
        target: fault
        for fault in sorted(plan.faults, key=lambda fault: fault.at_s)
        if "takes-down" in fault.traits
        for target in fault.targets
    }
    dead = {member for member, fault in last_death.items() if fault.heal_after_s is None}
    return tuple(member for member in plan.cluster.members if member not in dead)


def declared_outages(plan: Plan, windows: Iterable[FaultWindow]) -> tuple[FaultWindow, ...]:
    """Return the windows in which the whole service was taken away on purpose."""
    return tuple(
        window
        for window in windows
        if window.began_ns is not None and _takes_everything(plan.cluster, window.plan)
    )


def held(cluster: ClusterPlan, fault: FaultPlan) -> frozenset[str]:
    """Return the members that a fault holds."""
    if {"degrades", "cuts-off"} & set(fault.traits):
        return frozenset()
    if not fault.peers:
        return frozenset(fault.targets)
    nodes = {target for target in fault.targets if target in cluster.nodes}
    without_redis = {node for node in cluster.nodes if _cuts(fault, node, cluster.redis)}
    redis = {cluster.redis} if without_redis >= set(cluster.nodes) else set()
    return frozenset(nodes | without_redis | redis)


def _takes_everything(cluster: ClusterPlan, fault: FaultPlan) -> bool:
    nodes, holds = frozenset(cluster.nodes), held(cluster, fault)
    if not fault.peers:
        return cluster.redis in holds or nodes <= holds
    return bool(holds) and all(
        _cuts(fault, node, cluster.redis) or _cuts(fault, node, CLIENTS) for node in nodes
    )


def _cuts(fault: FaultPlan, one: str, other: str) -> bool:
    """Whether a fault is about the link between two."""
    return (one in fault.targets and other in fault.peers) or (one in fault.peers and other in fault.targets)
