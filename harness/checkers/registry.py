"""Which checker judges which guarantee."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from harness.checkers import (
    acked_durable,
    complete_delivery,
    gapless_resume,
    integrity,
    no_duplicates,
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
            gapless_resume,
            reconnection,
        )
    }
)

# Their violations stand whatever else is in doubt: no missing evidence could undo them.
SAFETY = frozenset({"no-duplicates", "integrity", "total-order"})

# They look at what nodes read from the store, so what is wrong with a tail read puts them in no doubt.
OF_THE_STORE = frozenset({acked_durable.NAME})
