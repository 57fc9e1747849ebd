"""Whom a fault holds, and which faults are a declared outage: what excuses is narrow."""

import pytest

from harness.checkers.fault_windows import FaultWindow, declared_outages, held
from harness.records.plan import CLIENTS, ClusterPlan, Expectation, FaultPlan, Limits, PhasePlan, Plan

NODES = ("node-1", "node-2", "node-3")
CLUSTER = ClusterPlan(nodes=NODES, delivery="durable", appendfsync="always")
EVERYONE = ("redis", *NODES, CLIENTS)


def _fault(targets: tuple[str, ...], peers: tuple[str, ...] = (), *traits: str) -> FaultPlan:
    return FaultPlan(
        id="f", fault="partition", at_s=1.0, targets=targets, duration_s=1.0, peers=peers, traits=traits
    )  # type: ignore[arg-type]


def _is_outage(fault: FaultPlan, *, began_ns: int | None = 1) -> bool:
    plan = Plan(
        scenario="s",
        description="",
        seed=1,
        cluster=CLUSTER,
        rooms=(),
        bots=(),
        messages_per_second=0.0,
        phases=(PhasePlan(name="steady", start_s=0.0, end_s=9.0),),
        faults=(fault,),
        checks=(),
        checks_named=False,
        limits=Limits(),
        expect=Expectation(),
    )
    return bool(declared_outages(plan, [FaultWindow(plan=fault, began_ns=began_ns)]))


@pytest.mark.parametrize(
    ("targets", "peers", "traits", "holds", "outage"),
    [
        # What is done to members.
        (("redis",), (), (), ("redis",), True),
        (NODES, (), (), NODES, True),
        (("node-1", "node-2"), (), (), ("node-1", "node-2"), False),
        ((), (), (), (), False),  # a `command` that names no target
        # Links with Redis, from either end.
        (NODES, ("redis",), (), ("redis", *NODES), True),
        (("redis",), NODES, (), ("redis", *NODES), True),
        (("redis",), EVERYONE, (), ("redis", *NODES), True),
        (("redis",), ("node-1",), (), ("node-1",), False),
        (("redis",), ("node-1", "node-2"), (), ("node-1", "node-2"), False),
        (("redis",), (CLIENTS,), (), (), False),
        (("node-2",), ("redis",), (), ("node-2",), False),
        # Links with clients, and with each other.
        (NODES, (CLIENTS,), (), NODES, True),
        (("node-2",), (CLIENTS,), (), ("node-2",), False),
        (("node-2",), EVERYONE, (), ("node-2",), False),
        (NODES, NODES, (), NODES, False),
        (("node-1",), ("node-2", "node-3"), (), ("node-1",), False),
        (NODES, EVERYONE, (), ("redis", *NODES), True),
        # What only degrades excuses nothing.
        (("redis",), NODES, ("degrades",), (), False),
        (("redis",), (), ("degrades",), (), False),
        (NODES, (), ("degrades",), (), False),
        # Nor does what closes connections of members that go on.
        (NODES, (), ("comes-back", "cuts-off"), (), False),
        (NODES, ("redis",), ("comes-back", "cuts-off"), (), False),
    ],
)
def test_fault__whom_it_holds__and_whether_it_is_an_outage(
    targets: tuple[str, ...],
    peers: tuple[str, ...],
    traits: tuple[str, ...],
    holds: tuple[str, ...],
    outage: bool,
) -> None:
    fault = _fault(targets, peers, *traits)
    assert held(CLUSTER, fault) == frozenset(holds)
    assert _is_outage(fault) is outage


@pytest.mark.parametrize(
    ("traits", "peers", "cuts"),
    [
        (("takes-down",), (), True),
        (("cuts-off",), (), True),
        (("cuts-off",), (CLIENTS,), True),
        (("cuts-off",), ("redis",), False),
        (("cuts-silently",), (CLIENTS,), False),
    ],
)
def test_fault__whether_it_closes_clients_connections_for_certain(
    traits: tuple[str, ...], peers: tuple[str, ...], cuts: bool
) -> None:
    assert FaultWindow(plan=_fault(("node-1",), peers, *traits)).cuts_off is cuts


def test_fault__never_injected__no_outage() -> None:
    assert not _is_outage(_fault(("redis",)), began_ns=None)
