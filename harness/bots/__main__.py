"""`python -m harness.bots CONFIG.json`: the bots' process, started by the runner.

Exit status: 0 when the runner said `quit`; 1 when it vanished; 143 on SIGTERM; 4 when the bots failed.
"""

from gevent import monkey

monkey.patch_all()  # Before anything else that opens a socket or makes a lock.

import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from pydantic import ValidationError  # noqa: E402

from harness import control  # noqa: E402
from harness.bots.crew import Crew  # noqa: E402
from harness.errors import HarnessError, UsageError  # noqa: E402
from harness.records.bots import TOKEN_VARIABLE, BotsConfig  # noqa: E402
from harness.records.codec import read_json  # noqa: E402


def main(arguments: list[str]) -> int:
    """Run the bots of a configuration; returns the exit status."""
    config, token = _read_order(arguments)
    try:
        link = control.connect(Path(config.control_socket), token, bots=len(config.bots))
    except OSError as error:
        raise HarnessError(f"the runner's control socket {config.control_socket}: {error}") from error
    return Crew(config, link).run()


def _read_order(arguments: list[str]) -> tuple[BotsConfig, str]:
    if len(arguments) != 1:
        raise UsageError("usage: python -m harness.bots CONFIG.json (the runner starts this)")
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        raise UsageError(f"{TOKEN_VARIABLE} is not set: the runner gives the control socket's token in it")
    try:
        return read_json(BotsConfig, Path(arguments[0])), token
    except (OSError, ValidationError) as error:
        raise UsageError(f"the bots' configuration {arguments[0]} cannot be read: {error}") from error


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        status = error.exit_code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # Locust leaves greenlets behind; all that matters is on disk by now.
