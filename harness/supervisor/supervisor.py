"""The supervisor: owns one cluster, from the order to its end.

It is a process of a session of its own. `up` holds a socket to it and may hang up only after it said `keep`:
until then the end of `up`, whatever it is, ends the supervisor and all that it started.

    up:          order ──────────────────────────────────▶ keep, hang up
    supervisor:        claim, watchdog, cluster ──▶ ready ────────────────▶ … ──▶ `down` or SIGTERM: end
"""

import contextlib
import os
import secrets
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import clock
from harness.backends.base import Backend
from harness.backends.choose import choose
from harness.claims import Claim
from harness.control import Link
from harness.errors import HarnessError
from harness.guard import Guard
from harness.interrupts import Interrupts
from harness.records.codec import dump_json, load_json
from harness.records.journal import Journal
from harness.supervisor.answers import Answers
from harness.supervisor.clusters import ClusterFolder
from harness.supervisor.control import ControlSocket
from harness.supervisor.members import Members
from harness.supervisor.records import Access, Order
from harness.supervisor.web import ControlWeb
from harness.watch import MemberWatch

_WATCH_S = 1.0  # How often members are looked at: for people, for as long as the cluster is up.


class Remains(HarnessError):
    """Not everything could be ended."""


class Starter:
    """The process that ordered the cluster. Its end is ours, until it has said that it keeps us."""

    def __init__(self, link: Link) -> None:
        """Wait for the order."""
        self._link = link
        self._messages = link.messages()
        self._keeps = False
        self.order = load_json(Order, next(self._messages)["order"])
        threading.Thread(target=self._listen, name="starter", daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):  # It ended with words of ours unread.
            for message in self._messages:
                self._keeps = self._keeps or message["type"] == "keep"
        if not self._keeps:
            os.kill(os.getpid(), signal.SIGTERM)

    def say(self, text: str) -> None:
        """Say what takes long, into the log too."""
        sys.stderr.write(f"{clock.utc_now():%Y-%m-%dT%H:%M:%SZ} {text}\n")
        sys.stderr.flush()
        self.tell("say", text=text)

    def tell(self, kind: str, **fields: Any) -> None:
        """Tell it something, if it is still there; `_listen` sees to it when it is not."""
        with contextlib.suppress(OSError):
            self._link.send(kind, **fields)


def supervise(starter: Starter, interrupts: Interrupts) -> None:
    """Start the cluster, keep it until somebody asks for its end, and end it.

    Raises:
        HarnessError: it could not be started, or not be ended.
        KeyboardInterrupt: somebody asked for its end, and all was ended.
    """
    order, token = starter.order, secrets.token_hex(16)
    with interrupts.shield(), contextlib.closing(ControlWeb(token)) as web:
        with interrupts.exposed():
            backend, reason = choose(order.backend, starter.say, node_settings=web.node_settings)
        with _owned(order, backend) as folder, Journal(folder.members) as journal:
            watch = MemberWatch(backend, journal, interval_s=_WATCH_S)
            access = Access(socket=str(folder.socket), url=web.url, token=token)
            answers = Answers(order, backend, reason, Members(backend, watch), folder, web.url)
            folder.write_access(access)
            with contextlib.closing(ControlSocket(folder.socket, token, answers.ask)):
                web.open(answers.ask, node_urls=answers.node_urls)
                _keep(starter, interrupts, backend, watch, answers)


def _keep(
    starter: Starter, interrupts: Interrupts, backend: Backend, watch: MemberWatch, answers: Answers
) -> None:
    """Have the cluster until an interrupt; then, or when its start fails, end it."""
    order = starter.order
    try:
        with interrupts.exposed():
            starter.say(
                f"Starting Redis and {len(order.cluster.nodes)} nodes ({backend.name}: {answers.reason})"
            )
            backend.start(order.cluster, run_id=order.run_id, logs=answers.folder.logs)
            watch.start()
            starter.tell("ready", status=dump_json(answers.status()).decode())
            threading.Event().wait()  # An interrupt ends it.
    finally:
        ended = tuple(member.name for member in backend.members())
        try:
            _end(starter, backend, watch)
        except HarnessError as error:
            answers.close(ended, error)
            raise Remains(str(error)) from error
        answers.close(ended, None)


def _end(starter: Starter, backend: Backend, watch: MemberWatch) -> None:
    try:
        watch.stop()
    except HarnessError as error:  # No reason to keep the cluster.
        starter.say(f"The members were not watched to the end: {error}")
    finally:
        backend.close()


@contextlib.contextmanager
def _owned(order: Order, backend: Backend) -> Iterator[ClusterFolder]:
    """Hold the claim of the cluster, and a folder for what goes with it."""
    folder = ClusterFolder.create(order.run_id)
    _log_to(folder.log)
    try:
        guard = Guard(
            Claim(
                run_id=order.run_id,
                backend=backend.name,
                folder=str(folder.path),
                command=order.command,
            )
        )
    except BaseException:
        shutil.rmtree(folder.path)
        raise
    try:
        yield folder
    except Remains as error:
        guard.abandon(str(error))
        raise
    except BaseException:
        _leave(guard, folder)
        raise
    _leave(guard, folder)


def _log_to(path: Path) -> None:
    """Let all that this process and its libraries print go there from now on."""
    with path.open("ab") as log:
        for file in (sys.stdout.fileno(), sys.stderr.fileno()):
            os.dup2(log.fileno(), file)


def _leave(guard: Guard, folder: ClusterFolder) -> None:
    try:
        guard.release()
    finally:
        shutil.rmtree(folder.path)
