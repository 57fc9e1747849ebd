"""Whether a fault can be had on a backend of this machine: what its specification says, what a try shows."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass

from harness.faults.registry import FAULTS

BACKENDS = ("process", "docker", "attach")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ability:
    """What became of the question for one fault and backend; `missing` is `None` where it can be had."""

    fault: str
    backend: str
    mechanism: str | None  # how it is done there; `None`: the backend has no way to do it
    missing: str | None


@functools.cache
def ability(fault: str, backend: str) -> Ability:
    """Look, and where there is a mechanism, try it out (`Fault.available`). Asked once in a process."""
    kind = FAULTS[fault]
    mechanism = kind.spec.mechanisms.get(backend)
    if mechanism is None:
        missing: str | None = kind.spec.why_not.get(backend, "this backend has no way to do it")
    else:
        missing = kind.available(backend)
    return Ability(fault=fault, backend=backend, mechanism=mechanism, missing=missing)


def alternatives(fault: str, backend: str) -> str:
    """Return where the fault can be had instead, in words."""
    others = [other for other in BACKENDS if other != backend and FAULTS[fault].spec.mechanisms.get(other)]
    return (
        f"; it can be had with {' and '.join(f'`--backend {other}`' for other in others)}" if others else ""
    )


def lacking(faults: Iterable[str], backend: str) -> dict[str, Ability]:
    """Return those of the faults that cannot be had on the backend, by their names."""
    found = {fault: ability(fault, backend) for fault in dict.fromkeys(faults)}
    return {fault: able for fault, able in found.items() if able.missing is not None}
