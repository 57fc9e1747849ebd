"""Which checker judges which guarantee."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from harness.checkers import (
    acked_durable,
    availability,
    causal_order,
    complete_delivery,
    convergence,
    fifo_order,
    gapless_resume,
    integrity,
    monotonic_reads,
    no_duplicates,
    presence,
    read_your_writes,
    reconnection,
    total_order,
)
from harness.checkers.view import View
from harness.records.verdict import Property

Checker = Callable[[View], Property]

CHECKERS: Mapping[str, Checker] = MappingProxyType(
    {
        module.NAME: module.check
        for module in (
            acked_durable,
            complete_delivery,
            no_duplicates,
            integrity,
            total_order,
            fifo_order,
            causal_order,
            read_your_writes,
            monotonic_reads,
            gapless_resume,
            convergence,
            presence,
            reconnection,
            availability,
        )
    }
)

# Their violations stand whatever else is in doubt: no missing evidence could undo them.
SAFETY = frozenset(
    {
        no_duplicates.NAME,
        integrity.NAME,
        total_order.NAME,
        fifo_order.NAME,
        causal_order.NAME,
        read_your_writes.NAME,
        monotonic_reads.NAME,
    }
)

# They look at what nodes read from the store, so what is wrong with a tail read puts them in no doubt.
OF_THE_STORE = frozenset({acked_durable.NAME})
