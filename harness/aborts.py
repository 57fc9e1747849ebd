"""When a run is stopped before its end: the steady state not reached, too much unavailable, out of time.

None of it is an error of the harness, and none says that the cluster broke a promise: what is left of the run
is kept and judged, its verdict is unknown (a violation of safety that was seen stands), and `meta.json` says
why. Whatever is open of the faults is healed before anything else.
"""

from collections.abc import Iterable, Mapping

from harness.records.journal import MemberState
from harness.records.steady import SteadyBound


class Aborted(Exception):
    """The run must not go on. The message says which rule stopped it and what was seen, as a whole phrase."""


def check_available(states: Mapping[str, MemberState], most: int | None) -> None:
    """Stop the run when more members are unavailable at once than the scenario allows.

    A member is unavailable that is down, paused, starting or not ready, whoever made it so.

    Raises:
        Aborted: there are more than `most`.
    """
    away = [f"{name} ({state.value})" for name, state in states.items() if state is not MemberState.READY]
    if most is not None and len(away) > most:
        raise Aborted(
            f"{len(away)} members were unavailable at once, and `limits.max_unavailable` allows {most}: "
            f"{', '.join(away)}"
        )


def check_steady(measured: Iterable[tuple[SteadyBound, float | None]]) -> None:
    """Stop the run when the steady state does not hold before the first fault.

    Raises:
        Aborted: a value is out of its bounds, or there was nothing to measure.
    """
    if broken := [bound.spoken(value) for bound, value in measured if not bound.holds(value)]:
        raise Aborted(
            f"the steady state did not hold before the first fault, so none was injected: {'; '.join(broken)}"
        )


def out_of_time(timeout_s: float) -> Aborted:
    """Return the abort of a run that took longer than it was given."""
    return Aborted(f"the run took longer than `--timeout` gives it ({timeout_s:g} s)")
