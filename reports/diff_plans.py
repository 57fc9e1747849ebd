"""What two sets of runs were made of, key by key: their plans, and the machine and versions under them.

A key is a path like `faults.crash.restart_after_s`; parts of lists go by their `id` or `name`. What differs
between runs of one side (targets that each seed draws anew, say) says nothing about the sides: such keys are
only named. Bots are many and alike: what differs in them is told once, with how many of them it concerns.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.records.codec import dump_json
from reports.diff_sets import Pair, RunSet
from reports.run import Run

Flat = Mapping[str, str]  # key -> value, as JSON text

ABSENT = "–"
_VALUE_SHOWN = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A key that has one value in all runs of A and another one in all runs of B."""

    key: str
    before: str  # as JSON; `–`: the key is not there
    after: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """All that differs. `varying` are the keys that differ within a side."""

    differing: tuple[Setting, ...]
    varying: tuple[str, ...]


def plan_settings(pair: Pair) -> Settings:
    """Compare plans."""
    return _compared(pair, lambda run: _flat(json.loads(dump_json(run.plan))))


def environment_settings(pair: Pair) -> Settings:
    """Compare versions, machine and backend."""
    return _compared(pair, _environment)


def _environment(run: Run) -> Flat:
    meta = run.meta
    return {
        "backend": _text(meta.backend),
        **{f"version of {name}": _text(value) for name, value in meta.versions.items()},
        **{f"machine: {name}": _text(value) for name, value in meta.machine.items()},
    }


def _compared(pair: Pair, flat: Any) -> Settings:
    before, after = _values(pair.before, flat), _values(pair.after, flat)
    differing, varying = [], []
    for key in dict.fromkeys((*before, *after)):
        ours, theirs = before.get(key, {ABSENT}), after.get(key, {ABSENT})
        if len(ours) > 1 or len(theirs) > 1:
            varying.append(key)
        elif ours != theirs:
            differing.append(Setting(key=key, before=_shown(ours), after=_shown(theirs)))
    return Settings(differing=tuple(_folded(differing)), varying=tuple(_folded_names(varying)))


def _values(side: RunSet, flat: Any) -> dict[str, set[str]]:
    """Return for each key the values that the runs of a side have; one that some lack is absent there."""
    all_flat: list[Flat] = [flat(run) for run in side.runs]
    keys = dict.fromkeys(key for each in all_flat for key in each)
    return {key: {each.get(key, ABSENT) for each in all_flat} for key in keys}


def _shown(values: set[str]) -> str:
    (value,) = values
    return value if len(value) <= _VALUE_SHOWN else f"{value[: _VALUE_SHOWN - 1]}…"


def _flat(value: Any, path: str = "") -> dict[str, str]:
    """Return the leaves of JSON data by their paths; what is empty is a leaf."""
    pairs = _parts(value)
    if pairs is None:
        return {path: _text(value)}
    return {
        key: text
        for name, part in pairs
        for key, text in _flat(part, f"{path}.{name}" if path else name).items()
    }


def _parts(value: Any) -> list[tuple[str, Any]] | None:
    if isinstance(value, dict) and value:
        return list(value.items())
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [(str(item.get("id") or item.get("name") or place), item) for place, item in enumerate(value)]
    return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# --- bots --------------------------------------------------------------------------------------------------


def _of_bots(key: str) -> str | None:
    """Return `bots.*.seed` for `bots.bot-07.seed`."""
    parts = key.split(".")
    return ".".join(("bots", "*", *parts[2:])) if parts[0] == "bots" and len(parts) > 2 else None


def _folded(settings: Iterable[Setting]) -> Iterator[Setting]:
    counts: dict[str, int] = {}
    for setting in settings:
        bots = _of_bots(setting.key)
        if bots is None:
            yield setting
        else:
            counts[bots] = counts.get(bots, 0) + 1
    for key, count in counts.items():
        yield Setting(key=key, before="…", after=f"differs in {count:,} bot{'' if count == 1 else 's'}")


def _folded_names(keys: Iterable[str]) -> Iterator[str]:
    return iter(dict.fromkeys(_of_bots(key) or key for key in keys))
