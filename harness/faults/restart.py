"""restart: a member is asked to end and is started again at once, as an upgrade would do it.

A rolling restart is this with `mode: each`: the plan makes it one injection a member, each after the heal
of the one before.
"""

from typing import ClassVar

from harness.faults.base import Spec
from harness.faults.downtime import NOT_OURS
from harness.faults.stop import Stop
from harness.scenario.keys import OneShot


class Restart(Stop):
    """Stops all targets and starts them again as soon as they ended."""

    spec: ClassVar[Spec] = Spec(
        name="restart",
        summary="SIGTERM, and started again at once; with `mode: each` one member after the other (rolling).",
        keys=OneShot,
        mechanisms={"process": "SIGTERM to the process group", "docker": "SIGTERM by the engine"},
        why_not=NOT_OURS,
        traits=("takes-down", "comes-back"),
    )
    noun = "the stop"
    past = "restarted"
