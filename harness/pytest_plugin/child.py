"""`python -P -m harness.pytest_plugin.child FD`: makes one run for a test; FD is the socket to pytest.

    pytest:   order ───────────────────────────────▶ hangs up
    child:          a run, as `wordaround run` makes it ──▶ judged {folder} | failed {text}

Where pytest hangs up before, the run is ended like one at whose terminal somebody pressed Ctrl-C.
"""

import contextlib
import os
import random
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

from harness.commands.options import duration_option
from harness.commands.running import Task, carry_out
from harness.control import Link, Message
from harness.errors import HarnessError
from harness.interrupts import INTERRUPTED
from harness.plan import make_plan
from harness.pytest_plugin.overrides import source_of
from harness.records.folder import RunFolder
from harness.scenario.library import check_backend


class _Test:
    """The test that ordered the run. Its end is ours, until the run has ended."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._messages = link.messages()
        self._answered = False
        self.order: Message = next(self._messages)
        threading.Thread(target=self._listen, args=(self._messages,), name="test", daemon=True).start()

    def _listen(self, messages: Iterator[Message]) -> None:
        with contextlib.suppress(OSError):  # It ended with words of ours unread.
            for _ in messages:
                pass
        if not self._answered:
            os.kill(os.getpid(), signal.SIGINT)

    def answer(self, kind: str, **fields: str) -> None:
        self._answered = True
        with contextlib.suppress(OSError):
            self._link.send(kind, **fields)


def main(arguments: list[str]) -> int:
    """Make the run; returns 0 when it was judged, whatever the verdict."""
    [file] = arguments
    test = _Test(Link(socket.socket(fileno=int(file))))
    try:
        test.answer("judged", folder=str(_made(test.order).resolve()))
    except KeyboardInterrupt:
        return INTERRUPTED
    except HarnessError as error:
        test.answer("failed", text=str(error))
        return error.exit_code
    except Exception:  # noqa: BLE001 - a bug of ours, whatever it is, must not look like a verdict
        test.answer("failed", text=traceback.format_exc())
        return HarnessError.exit_code
    return 0


def _made(order: Message) -> Path:
    runs_dir = Path(order["runs_dir"])
    source = source_of(order["scenario"], order["overrides"], runs_dir)
    check_backend(source, order["backend"])
    drawn = random.SystemRandom().randrange(10**6)
    seed = next(each for each in (order["seed"], source.scenario.seed, drawn) if each is not None)
    folders: list[RunFolder] = []
    task = Task(
        source=source,
        plan=make_plan(source.scenario, seed=seed),
        backend=order["backend"],
        runs_dir=runs_dir,
        timeout_s=duration_option("timeout", order["timeout"]),
    )
    carry_out(task, folders.append)
    return folders[0].path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
