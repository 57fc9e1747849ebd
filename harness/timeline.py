"""A plan as lines for people."""

import shlex
from collections.abc import Iterable

from harness.faults.registry import FAULTS
from harness.records.plan import FaultPlan, PhasePlan, Plan, Setting
from harness.scenario.times import rounded


def timeline(plan: Plan, *, backend: str | None = None) -> tuple[str, ...]:
    """Return the plan as lines for people, in the order of their times; with `backend` also how."""
    moments = [*_phase_moments(plan), *_fault_moments(plan, backend)]
    moments.sort(key=lambda moment: moment[0])
    return tuple(f"{at_s:7.1f} s  {what}" for at_s, what in moments)


def _phase_moments(plan: Plan) -> Iterable[tuple[float, str]]:
    for phase in plan.phases:
        yield phase.start_s, _phase_line(plan, phase)
    if plan.cluster.command is not None:
        yield 0.0, f"each node is `{shlex.join(plan.cluster.command)}`"
    if plan.cluster.attach:
        nodes = zip(plan.cluster.nodes, plan.cluster.attach, strict=True)
        yield 0.0, f"attached, and not started: {', '.join(f'{name} {url}' for name, url in nodes)}"
    yield plan.load_s, f"load stops; within {plan.limits.drain_s:g} s all is resent, caught up and read"


def _phase_line(plan: Plan, phase: PhasePlan) -> str:
    if phase.name == "steady" and plan.steady_state:
        return f"steady: {', '.join(f'{bound.probe} {bound}' for bound in plan.steady_state)}"
    if phase.name != "warmup":
        return phase.name
    last_s = plan.bots[-1].start_at_s
    return (
        f"warmup: {len(plan.bots)} bots within {last_s:.1f} s, {len(plan.rooms)} "
        f"{'room' if len(plan.rooms) == 1 else 'rooms'}, {plan.messages_per_second:g} messages/s "
        f"over {', '.join(plan.cluster.nodes)} ({plan.cluster.delivery})"
    )


def _fault_moments(plan: Plan, backend: str | None) -> Iterable[tuple[float, str]]:
    for fault in plan.faults:
        yield fault.at_s, f"{_inject_line(fault)}{_how(fault, backend)}"
        if "comes-back" not in fault.traits and fault.heal_after_s is not None:
            yield rounded(fault.at_s + fault.heal_after_s), _heal_line(fault)


def _inject_line(fault: FaultPlan) -> str:
    peers = [peer for peer in fault.peers if fault.targets != (peer,)]
    whom = f" {', '.join(fault.targets)}" if fault.targets else ""
    ends = f" from {', '.join(peers)}" if peers else ""
    settings = [f"{key} {_value(value)}" for key, value in fault.settings.items() if value is not None]
    more = f", {', '.join(settings)}" if settings else ""
    stays = ", for good" if fault.heal_after_s is None and "takes-down" in fault.traits else ""
    return f"{fault.fault}{whom}{ends} ({fault.id}){more}{stays}{_moment(fault)}"


def _moment(fault: FaultPlan) -> str:
    if fault.after is None:
        return ""
    delay = f"{fault.after.delay_s:g} s after " if fault.after.delay_s else "once "
    return f", at the earliest: {delay}{fault.after.id} is {fault.after.event}"


def _value(value: Setting) -> str:
    if isinstance(value, tuple):
        return " | ".join(str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _how(fault: FaultPlan, backend: str | None) -> str:
    if backend is None:
        return ""
    mechanism = FAULTS[fault.fault].spec.mechanisms.get(backend)
    return f" [{mechanism}]" if mechanism else f" [cannot be had with {backend}]"


def _heal_line(fault: FaultPlan) -> str:
    targets = ", ".join(fault.targets)
    return f"start {targets} again ({fault.id})" if fault.duration_s is None else f"heal {fault.id}"
