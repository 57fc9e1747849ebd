"""`python -P -m harness.supervisor FD`: what `wordaround up` starts; FD is the socket to it."""

import socket
import sys
import traceback

from harness.control import Link
from harness.errors import HarnessError
from harness.interrupts import Interrupts
from harness.supervisor.supervisor import Starter, supervise


def main(arguments: list[str]) -> int:
    """Supervise until the end; returns 0 when all was ended in order."""
    [file] = arguments
    starter = Starter(Link(socket.socket(fileno=int(file))))
    interrupts = Interrupts(starter.say)
    try:
        with interrupts:
            supervise(starter, interrupts)
    except KeyboardInterrupt:
        starter.say("All was ended")
    except HarnessError as error:
        return _failed(starter, str(error), error.exit_code)
    except Exception:  # noqa: BLE001 - a bug, whatever it is; nobody sees this process's own stderr
        return _failed(starter, traceback.format_exc(), HarnessError.exit_code)
    return 0


def _failed(starter: Starter, text: str, code: int) -> int:
    starter.say(text)
    starter.tell("failed", text=text, code=code)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
