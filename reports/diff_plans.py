"""What two sets of runs were made of, key by key: their plans, and the machine and versions under them.

A key is a path like `faults.crash.restart_after_s`; parts of lists go by their `id` or `name`. What differs
between runs of one side (targets that each seed draws anew, say) says nothing about the sides: such keys are
only named. Bots are many and alike, and so are the injections of a repeated fault: what differs in them is
told once, with how many of them it concerns.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.records.codec import dump_json
from reports.diff_sets import Pair, RunSet
from reports.run import Run
from reports.sentence import plural

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


# --- what is many and alike --------------------------------------------------------------------------------

_ALIKE = (
    (re.compile(r"bots\.[^.]+\.(.+)"), r"bots.*.\1", "bot"),
    (re.compile(r"faults\.([^#]+)#\d+\.(.+)"), r"faults.\1#*.\2", "injection"),  # of a repeated fault
)


def _folded_key(key: str) -> tuple[str, str]:
    """Return `bots.*.seed` and "bot" for `bots.bot-07.seed`; any other key as it is, and no word."""
    for pattern, folded, noun in _ALIKE:
        if match := pattern.fullmatch(key):
            return match.expand(folded), noun
    return key, ""


def _folded(settings: Iterable[Setting]) -> Iterator[Setting]:
    """Yield one setting for all those that are alike, in the place of the first of them."""
    alike: dict[tuple[str, str], list[Setting]] = {}
    for setting in settings:
        alike.setdefault(_folded_key(setting.key), []).append(setting)
    for (key, noun), found in alike.items():
        if noun:
            yield Setting(key=key, before="…", after=f"differs in {plural(len(found), noun)}")
        else:
            yield from found


def _folded_names(keys: Iterable[str]) -> Iterator[str]:
    return iter(dict.fromkeys(_folded_key(key)[0] for key in keys))
