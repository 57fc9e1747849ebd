"""A scenario as a test names it: a shipped one, a file or a mapping, with keys that are otherwise here.

What is no file yet is written to one beside the runs, so that the command in the report runs it again. Its
name has the hash of its content: two tests, or two workers of pytest-xdist, never write different things to
one.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from harness.errors import UsageError
from harness.scenario.library import Source, load

_FOLDER = "scenarios"


def source_of(scenario: str | Mapping[str, Any], overrides: Mapping[str, Any], runs_dir: Path) -> Source:
    """Return the scenario.

    Raises:
        UsageError: there is none of this name, or it is wrong; lists all its mistakes.
    """
    if isinstance(scenario, str):
        source = load(scenario)
        if not overrides:
            return source
        base: Mapping[str, Any] = yaml.safe_load(source.text)
    else:
        base = scenario
    return load(str(_written(merged(base, overrides), runs_dir / _FOLDER)))


def merged(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings deeply; all else is replaced, and `None` takes a key away."""
    result = dict(base)
    for key, value in overrides.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(old := result.get(key), Mapping):
            result[key] = merged(old, value)
        else:
            result[key] = value
    return result


def _written(data: Mapping[str, Any], folder: Path) -> Path:
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    path = folder / f"{_stem(data)}-{digest}.yaml"
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_text(text, "utf-8")
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def _stem(data: Mapping[str, Any]) -> str:
    name = str(data.get("name", "scenario"))
    return name if name.replace("-", "").isalnum() and len(name) <= 64 else "scenario"  # else parsing tells
