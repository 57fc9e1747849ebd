"""What the kernel lets us do: ports, limits, mounts, clocks."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.backends.readiness import ephemeral_ports, free_port
from harness.doctor.finding import Finding, finding
from harness.doctor.trying import tried
from harness.errors import HarnessError

_PORTS = 8  # A cluster of the usual size, with proxies.
_LIBRARY = "libfaketimeMT.so.1"
_FOLDERS = ("usr/lib/*/faketime", "usr/lib*/faketime", "usr/local/lib*/faketime", "opt/*/lib/faketime")
_IS_SHIFTED = "import datetime; assert datetime.date.today().year < 2015"
_CGROUPS = Path("/sys/fs/cgroup")


def unshared(*namespaces: str) -> tuple[str, ...]:
    """Return the beginning of a command that runs in namespaces of its own."""
    as_root = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    return ("unshare", *as_root, *namespaces)


def ports() -> Iterator[Finding]:
    """The ports that members listen on."""
    failed = None
    try:
        for _ in range(_PORTS):
            free_port()
    except HarnessError as error:
        failed = str(error)
    first, last = ephemeral_ports()
    there = f"{_PORTS} free ones found, apart from {first} to {last}, which connections take"
    yield finding("everything", "ports", failed, there, "see what listens: ss -ltnp")


def mounts() -> Iterator[Finding]:
    """A small disk that only some processes see."""
    mount = ("mount", "-t", "tmpfs", "-o", "size=1m", "wordaround", tempfile.gettempdir())
    yield finding(
        "faults on processes",
        "mounts",
        tried((*unshared("--mount", "--propagation", "private"), *mount)),
        "a tmpfs can be mounted in a namespace of its own",
        "no disk-full and clock-skew on processes; run as root, or allow user namespaces "
        "(sysctl kernel.unprivileged_userns_clone=1)",
    )


def faketime() -> Iterator[Finding]:
    """A library that shifts the clock of one process."""
    found = [path for folder in _FOLDERS for path in sorted(Path("/").glob(f"{folder}/{_LIBRARY}"))]
    failed: str | None = f"{_LIBRARY} is not on this machine"
    if found:
        shifted = ("env", f"LD_PRELOAD={found[0]}", "FAKETIME=-5000d", sys.executable, "-c", _IS_SHIFTED)
        failed = tried(shifted)
    yield finding(
        "faults on processes",
        "libfaketime",
        failed,
        f"{found[0] if found else ''} shifts a clock",
        "no clock-skew on processes; on Debian or Ubuntu: apt-get install libfaketime",
    )


def cgroups() -> Iterator[Finding]:
    """The limits on CPU and memory that a container can have."""
    version = 2 if (_CGROUPS / "cgroup.controllers").exists() else 1 if (_CGROUPS / "cpu").exists() else None
    yield finding(
        "faults on containers",
        "cgroups",
        None if version else f"no control groups are mounted at {_CGROUPS}",
        f"v{version}",
        "no cpu and memory limits; mount them as your distribution does",
    )
