"""Trying a command: what it said where it failed."""

import subprocess
from collections.abc import Sequence

_DEADLINE_S = 20.0


def tried(command: Sequence[str], *, timeout_s: float = _DEADLINE_S) -> str | None:
    """Run a command; return `None` when it succeeded, else why it did not, in one line."""
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError:
        return f"there is no `{command[0]}` on PATH"
    except OSError as error:
        return f"`{command[0]}` cannot be run: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"`{command[0]}` did not end within {timeout_s:g} s"
    if ended.returncode == 0:
        return None
    said = ended.stdout.decode("utf-8", "replace").strip().splitlines()
    return said[-1] if said else f"`{command[0]}` ended with status {ended.returncode}"
