"""Python and what is installed for it, Redis, Chromium."""

import platform
import shutil
import sys
from collections.abc import Iterator

from harness import __version__
from harness.backends.redis_binary import find_redis_binary
from harness.doctor.finding import Finding, finding
from harness.doctor.trying import tried
from harness.errors import HarnessError

_LEAST_PYTHON = (3, 11)
_IMPORT_S = 60.0
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def python() -> Iterator[Finding]:
    """Python itself, and WordAround."""
    version = platform.python_version()
    yield finding(
        "everything",
        "Python",
        None if sys.version_info >= _LEAST_PYTHON else f"{version} is too old",
        f"{version} ({sys.executable})",
        f"install {'.'.join(map(str, _LEAST_PYTHON))} or newer",
    )
    yield Finding(needed_for="everything", what="WordAround", ok=True, text=__version__)


def bots() -> Iterator[Finding]:
    """What the bots' process imports; in a process of its own, because it patches the one that imports it."""
    program = "import gevent.monkey; gevent.monkey.patch_all(); import locust, socketio, numpy"
    yield finding(
        "everything",
        "bots",
        tried((sys.executable, "-P", "-W", "ignore", "-c", program), timeout_s=_IMPORT_S),
        "Locust and gevent can be imported",
        "install WordAround anew: pip install --force-reinstall wordaround",
    )


def redis() -> Iterator[Finding]:
    """The server that the process backend starts."""
    try:
        binary = find_redis_binary()
    except HarnessError as error:
        yield Finding(needed_for="the process backend", what="Redis", ok=False, text=str(error))
        return
    there = f"{binary.product} {binary.version} ({binary.source}) at {binary.path}"
    yield Finding(needed_for="the process backend", what="Redis", ok=True, text=there)


def chromium() -> Iterator[Finding]:
    """The browser of the tests."""
    found = next((path for name in _CHROMIUM if (path := shutil.which(name))), None)
    yield finding(
        "working on WordAround",
        "Chromium",
        None if found else f"none of {', '.join(_CHROMIUM)} is on PATH",
        found or "",
        "tests in a browser are left out; on Debian or Ubuntu: apt-get install chromium",
    )
