"""Real nodes, and the page's chat client under Node.js."""

import contextlib
import importlib.util
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.npm import installed

HERE = Path(__file__).parent
PATIENCE_S = 30.0


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# The same nodes as in the node's own tests.
_world = _load("wordaround_page_world", HERE.parent / "integration" / "node" / "conftest.py")
shared_redis, world, own_world = _world.shared_redis, _world.world, _world.own_world
room, until = _world.room, _world.until


@dataclass
class Chat:
    """The chat client of one page, in a process of its own. Its storage outlives it."""

    folder: Path
    storage: Path
    user: str
    node: Any
    popen: "subprocess.Popen[str] | None" = None
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def open(self, *join: str, **more: Any) -> "Chat":
        """Load the page."""
        self.storage.touch()
        command = ["node", str(HERE / "driver.mjs"), str(self.folder), str(self.storage)]
        self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ask("start", user=self.user, node=self.node.url, join=list(join), **more)
        return self

    def ask(self, order: str, **given: Any) -> Any:
        """Give an order and return what came of it."""
        assert self.popen is not None
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.popen.stdin.write(json.dumps({"id": next(self._ids), "order": order, **given}) + "\n")
        self.popen.stdin.flush()
        answer = json.loads(self.popen.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def call(self, method: str, *args: Any) -> None:
        """Call a method of the client."""
        self.ask("call", method=method, args=list(args))

    def room(self, name: str) -> dict[str, Any]:
        return dict(self.ask("look")["rooms"][name])

    def texts(self, name: str) -> list[str]:
        """Return the texts of a room's messages, as they are shown."""
        return [message["text"] for message in self.room(name)["messages"]]

    def state(self) -> dict[str, Any]:
        return dict(self.ask("look")["state"])

    def wait(
        self, condition: Callable[[dict[str, Any]], Any], what: str, timeout_s: float = PATIENCE_S
    ) -> Any:
        """Look until a condition on what is seen holds."""
        until_s = time.monotonic() + timeout_s
        while not (found := condition(seen := self.ask("look"))):
            assert time.monotonic() < until_s, f"{self.user}, not within {timeout_s} s: {what}; seen: {seen}"
            time.sleep(0.05)  # Between two looks at another process there is nothing to wait for.
        return found

    def kill(self) -> None:
        """End the page as a crash of the browser does."""
        if self.popen is not None:
            self.popen.kill()
            self.popen.communicate()
            self.popen = None


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Callable[[str, Any], Chat]]:
    """Make a chat client for a user, to be opened at a node first."""
    folder = installed(HERE.parent / "contract" / "js" / "package.json")
    numbers = itertools.count(1)
    with contextlib.ExitStack() as stack:

        def make(user: str, node: Any) -> Chat:
            made = Chat(folder, tmp_path / f"storage-{next(numbers)}.json", user, node)
            stack.callback(made.kill)
            return made

        yield make
