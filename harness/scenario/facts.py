"""What is known of a scenario while parts of it may still be wrong: the ground for the checks of sense.

`None` always means "not known, something is wrong there"; whoever needs it has nothing to say then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from harness.faults.base import Spec
from harness.faults.registry import FAULTS
from harness.scenario.keys import After, OneShot, Repeat, Reversible, Side, TakesDown, Target
from harness.scenario.model import Cluster, Expect, Load, Phases, Scenario, fault_model
from harness.scenario.shape import valid_fields
from harness.scenario.source import Path
from harness.scenario.steady_sense import ProbeFacts, probe_facts
from harness.scenario.targets import member_names
from harness.scenario.times import Timing


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultFacts:
    """What is known of one fault. Of `at` and `after`, `None` is what is left out, too."""

    path: Path
    written: frozenset[str]  # the keys that stand there
    valid: Mapping[str, Any]  # all its keys that are valid on their own
    spec: Spec | None
    id: str | None
    at: float | None
    after: After | None
    repeat: Repeat | None
    timing: Timing | None
    target: Target | None
    side: Side | None
    groups: tuple[tuple[str, ...], ...] | None
    values: Mapping[str, Any]  # of all its keys that are valid, its own included

    @property
    def takes_down(self) -> bool:
        """Whether its targets' processes end."""
        return self.spec is not None and "takes-down" in self.spec.traits


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is known of the whole scenario."""

    nodes: int | None
    delivery: str | None
    appendfsync: str | None
    command: tuple[str, ...] | None  # `None`, too, where it is left out
    no_command: bool  # it is left out, for certain
    ready: str | None  # as `command`
    attach: tuple[str, ...] | None  # as `command`
    cluster_keys: frozenset[str]  # what the scenario says of its cluster, right or wrong
    users: int | None
    rooms: int | None
    spawn_rate: float | None
    warmup: float | None
    steady: float | None
    chaos: float | None
    recovery: float | None
    steady_state: tuple[ProbeFacts, ...] | None
    faults: tuple[FaultFacts, ...]
    checks: tuple[str, ...] | None  # `None` for `all`, too: it contains what can be named
    verdict: str | None
    violates: tuple[str, ...] | None
    may_violate: tuple[str, ...] | None

    @property
    def attached(self) -> bool:
        """Whether it uses nodes that run already."""
        return "attach" in self.cluster_keys

    @property
    def members(self) -> tuple[str, ...]:
        """The members, Redis first where it is ours; no node where their number is not known."""
        return member_names(self.nodes or 0, redis=not self.attached)


def facts_of(data: Mapping[str, Any]) -> Facts:
    """Collect what is valid in a scenario's plain data."""
    top = valid_fields(Scenario, data)
    cluster, load, phases, expect = (
        _section(part, name, data, top)
        for part, name in ((Cluster, "cluster"), (Load, "load"), (Phases, "phases"), (Expect, "expect"))
    )
    listed = data.get("faults")
    checks = top.get("checks")
    written = data.get("cluster")
    cluster_keys = frozenset(written if isinstance(written, Mapping) else ())
    attach = cluster.get("attach")
    nodes = cluster.get("nodes") if "attach" not in cluster_keys else len(attach or ()) or None
    return Facts(
        nodes=nodes,
        delivery=cluster.get("delivery"),
        appendfsync=getattr(cluster.get("redis"), "appendfsync", None),
        command=cluster.get("command"),
        no_command=cluster.get("command", ()) is None,
        ready=cluster.get("ready"),
        attach=attach,
        cluster_keys=cluster_keys,
        users=load.get("users"),
        rooms=load.get("rooms"),
        spawn_rate=load.get("spawn_rate"),
        warmup=phases.get("warmup"),
        steady=phases.get("steady"),
        chaos=phases.get("chaos"),
        recovery=phases.get("recovery"),
        steady_state=probe_facts(data.get("steady_state")),
        faults=_faults(listed if isinstance(listed, tuple) else (), nodes),
        checks=checks if isinstance(checks, tuple) else None,
        verdict=expect.get("verdict"),
        violates=expect.get("violates"),
        may_violate=expect.get("may_violate"),
    )


def _section(
    model: type[BaseModel], name: str, data: Mapping[str, Any], top: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is valid in a section; its defaults where it is left out (and not just misspelt)."""
    if name in data:
        return valid_fields(model, data[name])
    return valid_fields(model, {}) if name in top else {}


def _faults(listed: tuple[object, ...], nodes: int | None) -> tuple[FaultFacts, ...]:
    found: list[FaultFacts] = []
    timings: dict[str, Timing] = {}
    for index, item in enumerate(listed):
        valid = valid_fields(fault_model(item), item)
        timing = _timing(valid, item, timings, nodes)
        fault = FaultFacts(
            path=("faults", index),
            written=frozenset(item) if isinstance(item, Mapping) else frozenset(),
            valid=valid,
            spec=FAULTS[valid["fault"]].spec if valid.get("fault") in FAULTS else None,
            id=valid.get("id"),
            at=valid.get("at"),
            after=valid.get("after"),
            repeat=valid.get("repeat"),
            timing=timing,
            target=valid.get("target"),
            side=valid.get("from_"),
            groups=valid.get("groups"),
            values=valid,
        )
        found.append(fault)
        if fault.id is not None and timing is not None:
            timings.setdefault(fault.id, timing)
    return tuple(found)


def _timing(
    valid: Mapping[str, Any], item: object, known: Mapping[str, Timing], nodes: int | None
) -> Timing | None:
    """Return when the fault happens, as far as that can be told: nothing that it needs may be wrong."""
    model = fault_model(item)
    target = valid.get("target")
    needed = {"at", "after", "repeat"} | ({"restart_after"} if issubclass(model, TakesDown) else set())
    if needed - set(valid) or nodes is None or (issubclass(model, Reversible) and "duration" not in valid):
        return None
    each = nodes if isinstance(target, Target) and target.mode == "each" and target.role == "node" else 1
    return Timing.of(
        at=valid["at"],
        after=valid["after"],
        repeat=valid["repeat"],
        each=each,
        length=_length(model, valid),
        known=known,
    )


def _length(model: type[BaseModel], valid: Mapping[str, Any]) -> float | None:
    """Return for how long one inject holds its target; `None`: for good."""
    if "duration" in valid and valid["duration"] is not None:
        return float(valid["duration"])
    if issubclass(model, OneShot) or not issubclass(model, TakesDown):
        return 0.0
    length: float | None = valid["restart_after"]
    return length
