"""Every fault by the name that scenarios use."""

from harness.faults.base import Fault
from harness.faults.kill import Kill

KINDS: tuple[type[Fault], ...] = (Kill,)

FAULTS: dict[str, type[Fault]] = {kind.spec.name: kind for kind in KINDS}
