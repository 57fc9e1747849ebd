"""Real nodes, and real client libraries that talk to them."""

import contextlib
import functools
import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.npm import installed

HERE = Path(__file__).parent


def _load(name: str, path: Path) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


# The same nodes as in the node's own tests.
_world = _load("wordaround_contract_world", HERE.parent / "integration" / "node" / "conftest.py")
shared_redis, pair, world, own_world = _world.shared_redis, _world.pair, _world.world, _world.own_world
room, until = _world.room, _world.until


@pytest.fixture(scope="session")
def driven() -> ModuleType:
    """`driven.py`: real client libraries in processes of their own."""
    return _load("wordaround_driven", HERE / "driven.py")


@pytest.fixture(scope="session")
def check_room(driven: ModuleType) -> Callable[..., Any]:
    """`check_room` of `driven.py`."""
    return driven.check_room  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def hosts() -> ModuleType:
    """`hosts.py`: network namespaces of our own."""
    return _load("wordaround_hosts", HERE / "hosts.py")


@pytest.fixture(scope="session")
def raw() -> ModuleType:
    """`raw.py`: a WebSocket client that shows every byte."""
    return _load("wordaround_raw", HERE / "raw.py")


@pytest.fixture(scope="session")
def processes() -> ModuleType:
    """What the node's own tests start processes with."""
    return _world


@pytest.fixture(scope="session")
def javascript_client() -> Path:
    """The folder with the official JavaScript client, installed once for each version of package.json."""
    return installed(HERE / "js" / "package.json")


@pytest.fixture(
    params=["python-socketio", pytest.param("socket.io-client", marks=pytest.mark.javascript)],
)
def library(request: pytest.FixtureRequest) -> str:
    """The client library that is under test."""
    return str(request.param)


@pytest.fixture
def command(request: pytest.FixtureRequest) -> Callable[[str], list[str]]:
    """Tell how to start a library's driver."""

    def of(library: str) -> list[str]:
        if library == "python-socketio":
            return [sys.executable, str(HERE / "python" / "driver.py")]
        return ["node", str(HERE / "js" / "driver.mjs"), str(request.getfixturevalue("javascript_client"))]

    return of


@pytest.fixture
def chat_on(
    driven: ModuleType, command: Callable[[str], list[str]], tmp_path: Path
) -> Iterator[Callable[[str, str], Any]]:
    """Make a chat application for a user, on a library by name."""
    numbers = itertools.count(1)
    with contextlib.ExitStack() as stack:

        def make(library: str, user: str) -> Any:
            made = driven.Chat(command(library), tmp_path / f"driver-{next(numbers)}.log", user)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def chat(chat_on: Callable[[str, str], Any], library: str) -> Callable[[str], Any]:
    """Make a chat application for a user, on the library under test."""
    return functools.partial(chat_on, library)
