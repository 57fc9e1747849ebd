"""Every fault by the name that scenarios use."""

from harness.faults.base import Fault
from harness.faults.kill import Kill

FAULTS: dict[str, type[Fault]] = {"kill": Kill}
