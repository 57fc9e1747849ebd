"""How bugs are declared and planted: replaced methods, changed scripts, and which messages they hit."""

import functools
import hashlib
import os
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from cluster.storage.link import Script

Plant = Callable[[], None]


class Fault(StrEnum):
    """What a bug needs to show: nothing, or a fault that makes bots come back."""

    NONE = "none"
    NODE_KILL = "node-kill"
    REDIS_KILL = "redis-kill"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bug:
    """One planted bug. `must` fail in its run, `may` can fail too, nothing else; a control has neither."""

    name: str
    sentence: str
    plant: Plant
    must: tuple[str, ...]
    may: tuple[str, ...]
    fault: Fault
    recovery_s: float  # how long the load goes on after the chaos phase
    presence_s: float  # the limit for user lists

    @property
    def area(self) -> str:
        """The module that declares it, which says what part of a node is broken."""
        return self.plant.__module__.rpartition(".")[2]


DECLARED: dict[str, Bug] = {}


def bug(
    *must: str,
    may: tuple[str, ...] = (),
    fault: Fault = Fault.NONE,
    recovery_s: float = 3.0,
    presence_s: float = 6.0,
) -> Callable[[Plant], Plant]:
    """Declare a bug by the function that plants it: its name is the bug's, its docstring the sentence."""

    def declare(plant: Plant) -> Plant:
        name = plant.__name__.replace("_", "-")
        assert name not in DECLARED, name
        assert plant.__doc__, name
        DECLARED[name] = Bug(
            name=name,
            sentence=plant.__doc__,
            plant=plant,
            must=must,
            may=may,
            fault=fault,
            recovery_s=recovery_s,
            presence_s=presence_s,
        )
        return plant

    return declare


def instead_of(owner: Any, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Replace a method, or a function of a module; the replacement gets the original before all else."""
    original = getattr(owner, name)

    def replace(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def replacement(*args: Any, **kwargs: Any) -> Any:
            return function(original, *args, **kwargs)

        setattr(owner, name, replacement)
        return function

    return replace


def in_script(script: str, old: str, new: str) -> None:
    """Change a line of a Lua script; it must be there."""

    @instead_of(Script, "__init__")
    def changed(original: Callable[..., None], self: Script, name: str) -> None:
        original(self, name)
        if name == script:
            text = self.text.decode()
            assert old in text, f"{script}.lua has no {old!r} any more"
            self.text = text.replace(old, new).encode()
            self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest()


def on_node(*names: str) -> bool:
    """Tell whether this process is one of these nodes."""
    return os.environ.get("WORDAROUND_SERVER_ID") in names


def second_life() -> bool:
    """Tell whether this node was started before in this run; its folder remembers."""
    mark = Path(sys.argv[2]) / "lived"
    lived = mark.exists()
    mark.touch()
    return lived


def hit(text: str | bytes, *, one_in: int) -> bool:
    """Choose some messages by their own text, so that all nodes choose the same."""
    raw = text if isinstance(text, bytes) else text.encode()
    return zlib.crc32(raw) % one_in == 0
