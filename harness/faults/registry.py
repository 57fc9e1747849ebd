"""Every fault by the name that scenarios use."""

from harness.faults.base import Fault
from harness.faults.command import Command
from harness.faults.kill import Kill

KINDS: tuple[type[Fault], ...] = (Kill, Command)

FAULTS: dict[str, type[Fault]] = {kind.spec.name: kind for kind in KINDS}
