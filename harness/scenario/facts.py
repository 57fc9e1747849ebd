"""What is known of a scenario while parts of it may still be wrong: the ground for the checks of sense.

`None` always means "not known, something is wrong there"; whoever needs it has nothing to say then.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from harness.scenario.model import Cluster, Expect, Fault, Load, Phases, Scenario, Target
from harness.scenario.shape import valid_fields
from harness.scenario.source import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultFacts:
    """What is known of one fault; `restart_after` is infinite where the member stays down."""

    path: Path
    id: str | None
    at: float | None
    restart_after: float | None
    target: Target | None

    @property
    def down(self) -> tuple[float, float] | None:
        """From when to when its targets are down, in seconds from the start of chaos."""
        if self.at is None or self.restart_after is None:
            return None
        return self.at, round(self.at + self.restart_after, 6)


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is known of the whole scenario."""

    nodes: int | None
    delivery: str | None
    command: tuple[str, ...] | None  # `None`, too, where it is left out
    no_command: bool  # it is left out, for certain
    ready: str | None  # as `command`
    attach: tuple[str, ...] | None  # as `command`
    cluster_keys: frozenset[str]  # what the scenario says of its cluster, right or wrong
    users: int | None
    rooms: int | None
    spawn_rate: float | None
    warmup: float | None
    chaos: float | None
    recovery: float | None
    faults: tuple[FaultFacts, ...]
    checks: tuple[str, ...] | None  # `None` for `all`, too: it contains what can be named
    verdict: str | None
    violates: tuple[str, ...] | None
    may_violate: tuple[str, ...] | None


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
    return Facts(
        nodes=cluster.get("nodes") if "attach" not in cluster_keys else len(attach or ()) or None,
        delivery=cluster.get("delivery"),
        command=cluster.get("command"),
        no_command=cluster.get("command", ()) is None,
        ready=cluster.get("ready"),
        attach=attach,
        cluster_keys=cluster_keys,
        users=load.get("users"),
        rooms=load.get("rooms"),
        spawn_rate=load.get("spawn_rate"),
        warmup=phases.get("warmup"),
        chaos=phases.get("chaos"),
        recovery=phases.get("recovery"),
        faults=tuple(
            _fault(item, index) for index, item in enumerate(listed if isinstance(listed, tuple) else ())
        ),
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


def _fault(data: object, index: int) -> FaultFacts:
    valid = valid_fields(Fault, data)
    return FaultFacts(
        path=("faults", index),
        id=valid.get("id"),
        at=valid.get("at"),
        restart_after=_restart_after(valid),
        target=valid.get("target"),
    )


def _restart_after(valid: Mapping[str, Any]) -> float | None:
    if "restart_after" not in valid:
        return None
    length: float | None = valid["restart_after"]
    return math.inf if length is None else length
