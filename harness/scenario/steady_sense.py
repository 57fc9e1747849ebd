"""Whether the probes of a steady state fit their bounds and the phases in which they are measured."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.records.steady import SHORTEST_WINDOW_S, UNITS, ProbeName
from harness.scenario.shape import valid_fields
from harness.scenario.source import Path
from harness.scenario.steady import SteadyProbe
from harness.scenario.values import shown

Finding = tuple[Path, str]
KEYS = ("min", "max")


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeFacts:
    """What is known of one probe; `raw` are its bounds as they stand in the file, where they are valid."""

    path: Path
    probe: ProbeName | None
    bounds: dict[str, float | None]  # by key; a key that is not valid is missing
    raw: dict[str, object]
    misspelt: bool  # it has an unknown key, which may have been meant for one of them


# An attached cluster always has one, so that it has to fit its phases (`harness/plan.py` says which).
ATTACHED = ProbeFacts(
    path=("steady_state",), probe="delivery_ratio", bounds={"min": 1.0, "max": None}, raw={}, misspelt=False
)


def probe_facts(data: object) -> tuple[ProbeFacts, ...] | None:
    """Collect what is valid; `None` where no steady state is asked for, or it is no list."""
    if not isinstance(data, tuple):
        return None
    return tuple(_facts(item, index) for index, item in enumerate(data))


def _facts(data: object, index: int) -> ProbeFacts:
    valid = valid_fields(SteadyProbe, data)
    bounds = {key: valid[key] for key in KEYS if key in valid}
    given = data if isinstance(data, dict) else {}
    return ProbeFacts(
        path=("steady_state", index),
        probe=valid.get("probe"),
        bounds=bounds,
        raw={key: given[key] for key, bound in bounds.items() if bound is not None},
        misspelt=not given.keys() <= SteadyProbe.model_fields.keys(),
    )


def findings(
    probes: tuple[ProbeFacts, ...] | None,
    *,
    nodes: int | None,
    steady_s: float | None,
    recovery_s: float | None,
) -> Iterator[Finding]:
    """Yield everything about the steady state that does not fit together."""
    if probes is None:
        return
    for number, probe in enumerate(probes):
        yield from _bounds(probe, nodes)
        if probe.probe is not None and any(probe.probe == other.probe for other in probes[:number]):
            yield (*probe.path, "probe"), f"{probe.probe!r} is here twice; one entry takes `min` and `max`"
    if probes and steady_s is not None and steady_s < SHORTEST_WINDOW_S:
        yield (
            ("phases", "steady"),
            f"the steady state is measured in it, which takes {SHORTEST_WINDOW_S:g}s at least",
        )
    if probes and recovery_s is not None and recovery_s < 2 * SHORTEST_WINDOW_S:
        yield (
            ("phases", "recovery"),
            "the steady state is measured again in its second half, so it takes "
            f"{2 * SHORTEST_WINDOW_S:g}s at least",
        )


def _bounds(probe: ProbeFacts, nodes: int | None) -> Iterator[Finding]:
    if probe.bounds == dict.fromkeys(KEYS) and not probe.misspelt:
        yield probe.path, "a probe wants `min` or `max`, or both; without them it holds whatever happens"
    least, most = probe.bounds.get("min"), probe.bounds.get("max")
    if least is not None and most is not None and least > most:
        yield (*probe.path, "max"), f"`max` is below `min`, so that no {probe.probe} could keep both"
    if probe.probe is None:
        return
    for key, raw in probe.raw.items():
        if wanted := _wanted(probe.probe, raw, nodes):
            yield (*probe.path, key), f"`{key}` of {probe.probe} wants {wanted}, not {shown(raw)}"


def _wanted(probe: ProbeName, raw: object, nodes: int | None) -> str:
    """Return what the bound of a probe must be, or nothing where it is that."""
    is_number = isinstance(raw, int | float)
    match UNITS[probe]:
        case "seconds":
            return "a duration like 250ms" if is_number else ""
        case "share":
            return "a share from 0 to 1, like 0.999" if not is_number or raw > 1 else ""  # type: ignore[operator]
        case "nodes":
            within = isinstance(raw, int) and (nodes is None or raw <= nodes)
            return "" if within else f"a whole number of nodes, {nodes or 'as many as there are'} at most"
    return "" if is_number else "a number of sends a second, like 50"
