"""`steady_state` in a scenario: probes with bounds."""

from typing import Annotated

from harness.records.steady import PROBE_NAMES, ProbeName
from harness.scenario.keys import Part
from harness.scenario.values import Kind, choice, listed, seconds, shown


def bound() -> Kind:
    """Accept a number, or a duration, which becomes seconds; which of them it must be, the probe says."""

    def check(value: object) -> float:
        number = seconds(value) if isinstance(value, str) else value
        if not isinstance(number, int | float) or number < 0:
            raise ValueError(f"wants a number like 0.999 or a duration like 250ms, not {shown(value)}")
        return float(number)

    length = {
        "type": "string",
        "examples": ["250ms", "1s"],
        "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m)$",
    }
    return Kind(check, schema={"anyOf": [{"type": "number", "minimum": 0}, length]})


Bound = Annotated[float, bound()]


class SteadyProbe(Part):
    """One figure that must keep its bounds before the first fault, and again after recovery."""

    probe: Annotated[
        ProbeName, choice(*PROBE_NAMES, wanted=f"the name of a probe (there are: {listed(PROBE_NAMES)})")
    ]
    min: Bound | None = None
    max: Bound | None = None
