"""The side of `up`: start a supervisor, hear how it goes, then keep what it started, or have it ended."""

import contextlib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import IO

from harness.control import Link
from harness.errors import HarnessError, UsageError
from harness.interrupts import Interrupts
from harness.records.codec import dump_json, load_json
from harness.supervisor.records import ClusterStatus, Order

_END_S = 60.0  # What a supervisor has to end what it began.


def start(order: Order, say: Callable[[str], None], interrupts: Interrupts) -> ClusterStatus:
    """Start a cluster that stays when this process ends; returns when every member is ready.

    Raises:
        HarnessError: it could not be started; what was begun is ended.
        KeyboardInterrupt: somebody stopped it; what was begun is ended.
    """
    with interrupts.shield(), tempfile.TemporaryFile() as output:
        link, process = _spawn(order, output)
        keep = False
        try:
            with interrupts.exposed():
                status = _ready(link, order, say)
            link.send("keep")
            keep = True
        except (OSError, EOFError) as error:
            raise HarnessError(_last_words(process, output)) from error
        finally:
            link.close()  # Without a `keep` before, it ends everything.
            if not keep:
                _await_end(process)
    return status


@contextlib.contextmanager
def lent(order: Order) -> Iterator[ClusterStatus]:
    """Have a cluster for as long as the block lasts: it ends with the block, and with this process.

    Raises:
        HarnessError: it could not be started, or not be ended.
    """
    with tempfile.TemporaryFile() as output:
        link, process = _spawn(order, output)
        try:
            try:
                status = _ready(link, order, lambda text: None)
            except (OSError, EOFError) as error:
                raise HarnessError(_last_words(process, output)) from error
            yield status
        finally:
            link.close()  # Nobody said `keep`: the supervisor ends everything.
            _await_end(process)
        if process.returncode:
            raise HarnessError(_last_words(process, output))


def _spawn(order: Order, output: IO[bytes]) -> tuple[Link, "subprocess.Popen[bytes]"]:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "harness.supervisor", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",  # It stays, and must hold no folder of anybody.
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    return Link(ours), process


def _ready(link: Link, order: Order, say: Callable[[str], None]) -> ClusterStatus:
    """Give the order and follow the start.

    Raises:
        HarnessError: it failed.
        OSError, EOFError: the supervisor ended without a word.
    """
    link.send("order", order=dump_json(order).decode())
    for message in link.messages():
        match message["type"]:
            case "say":
                say(message["text"])
            case "ready":
                return load_json(ClusterStatus, message["status"])
            case "failed":
                kind = UsageError if message["code"] == UsageError.exit_code else HarnessError
                raise kind(message["text"])
    raise EOFError


def _await_end(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired as error:
        raise HarnessError(
            f"the supervisor (process {process.pid}) has not ended what it began within {_END_S:g} s; "
            f"see what it does, or end it with `kill -9 {process.pid}`: its watchdog then cleans up"
        ) from error


def _last_words(process: "subprocess.Popen[bytes]", output: IO[bytes]) -> str:
    _await_end(process)
    output.seek(0)
    said = output.read().decode("utf-8", "replace").strip()
    return f"the supervisor ended (status {process.returncode}), the cluster is not up: {said or 'silently'}"
