"""Placeholders in the commands of a scenario: `{port}`, `{redis_url}` and so on.

A word in braces is a placeholder; doubled braces around a word stand for the word in plain braces. All
other braces stay as they are: `{"a": 1}` needs no care.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

# What each stands for; docs/scenarios.md says the same. Here: in the command that starts a node.
PLACEHOLDERS: Mapping[str, str] = MappingProxyType(
    {
        "name": "the node's name: node-1, node-2 …",
        "host": "the address that it has to listen on",
        "port": "the port that it has to listen on; the same over restarts",
        "url": "where clients reach it: http://HOST:PORT",
        "redis_url": "the run's Redis",
        "delivery": "the scenario's delivery",
        "folder": "an empty folder of the node's own; kept over restarts, removed after the run",
        "python": "the Python that WordAround itself runs on",
    }
)

# In the commands of a `command` fault. Those of a target make a command run for each target in turn.
FAULT_PLACEHOLDERS: Mapping[str, str] = MappingProxyType(
    {
        "name": "the target's name",
        "url": "where clients reach the target: http://HOST:PORT",
        "run_id": "the run's id: what the names of its rooms and users end with",
    }
)
OF_A_TARGET = frozenset({"name", "url"})

_WORD = re.compile(r"\{\{(?P<plain>[A-Za-z_]+)\}\}|\{(?P<name>[A-Za-z_]+)\}")


def names_in(text: str) -> Iterator[str]:
    """Yield the placeholders of a text in their order, known or not."""
    for match in _WORD.finditer(text):
        if match["name"] is not None:
            yield match["name"]


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return the text with its placeholders filled in; one without a value is a `KeyError`."""

    def filled(match: re.Match[str]) -> str:
        return f"{{{match['plain']}}}" if match["name"] is None else values[match["name"]]

    return _WORD.sub(filled, text)
