"""The runner's handle on the bots' process: start it, tell it the phases, hear what it sees."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from harness import clock
from harness.backends.readiness import tail_lines
from harness.control import Link, Listener
from harness.errors import HarnessError
from harness.final_reads import Head
from harness.interrupts import undisturbed
from harness.labels import labelled, temporary_folder
from harness.records.bots import TOKEN_VARIABLE, BotsConfig, NodeAddress
from harness.records.codec import write_json

HELLO_TIMEOUT_S = 20.0
QUIT_TIMEOUT_S = 10.0
FLUSH_TIMEOUT_S = 10.0
LAST_WORDS_S = 2.0  # for what the process said before it ended

Live = dict[str, Any]


class Load:
    """The bots' process, from its start to its end. All waits have deadlines."""

    def __init__(self, make_config: Callable[[Path], BotsConfig], *, run_id: str, log: Path) -> None:
        """`make_config` gets the control socket's path; what the process prints goes to `log`."""
        self._make_config = make_config
        self._log = log
        # A short path of its own: a Unix socket's path may have 107 bytes, a run folder's may have more.
        self._run_id = run_id
        self._scratch = temporary_folder(run_id, "control")
        self._process: subprocess.Popen[bytes] | None = None
        self._listener: Listener | None = None
        self._link: Link | None = None
        self._reader: threading.Thread | None = None
        self._changed = threading.Condition()
        self._live: Live = {}
        self._answers: dict[str, dict[str, Any]] = {}
        self._trouble = ""
        self._leaving = False

    @property
    def live(self) -> Live:
        """The newest figures: attempted, acked, delivered, connected, joined, …"""
        return self._live

    def start(self) -> None:
        """Start the process; returns at once, so that it can import what it needs beside the cluster."""
        scratch = Path(self._scratch.name)
        self._listener = Listener(scratch / "control")
        config = scratch / "bots.json"
        write_json(config, self._make_config(self._listener.path))
        undisturbed(self._spawn, config, self._listener.token)

    def greet(self) -> None:
        """Wait for the process's hello."""
        assert self._listener is not None
        try:
            self._link = self._listener.accept(timeout_s=HELLO_TIMEOUT_S, alive=self._is_alive)
        except HarnessError as error:
            raise self._died(str(error)) from error
        finally:
            self._listener.close()
        self._reader = threading.Thread(
            target=self._listen, args=(self._link,), name="load-link", daemon=True
        )
        self._reader.start()

    def go(self, load_began_ns: int, nodes: Iterable[NodeAddress]) -> None:
        """Let the bots connect, join and send; time zero of the plan is `load_began_ns`."""
        addresses = [[node.name, node.url, node.called] for node in nodes]
        self._send("go", load_began_ns=load_began_ns, nodes=addresses)

    def flush(self) -> None:
        """Wait until all that the bots have seen so far is in their history's file."""
        self._answers.pop("flushed", None)
        self._send("flush")
        if self._wait_for("flushed", clock.deadline_ns(FLUSH_TIMEOUT_S)) is None:
            raise self._died(f"it did not write its history within {FLUSH_TIMEOUT_S:.0f} s")

    def check(self) -> None:
        """Raise a `HarnessError` when the bots' process has ended or gave up."""
        if self._trouble or not self._is_alive():
            raise self._died(self._trouble or "it ended in the middle of the run")

    def stop_load(self) -> None:
        """No new messages; what is not resolved is sent again."""
        self._send("stop_load")

    def wait_resolved(self, deadline_ns: int) -> bool:
        """Wait until no send is unresolved; `False` when the deadline came first."""
        return self._wait_for("resolved", deadline_ns) is not None

    def catch_up(self, heads: dict[str, Head], deadline_ns: int) -> dict[str, str]:
        """Wait until the bots' cursors reach the heads; returns who is behind and how."""
        self._send("catch_up", heads=heads, deadline_ns=deadline_ns)
        answer = self._wait_for("caught_up", deadline_ns + 2 * clock.NS)
        if answer is None:
            return {"the bots' process": "did not answer before the deadline"}
        return {str(bot): str(how) for bot, how in answer["behind"].items()}

    def quit(self) -> None:
        """Let the bots leave; returns when their history is complete on disk and the process is gone."""
        assert self._process is not None
        if not self._leaving:  # Else it was told already, and the waiting for it was cut short.
            self._leaving = True
            self._send("quit")
        try:
            status = self._process.wait(QUIT_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise self._died(f"it did not end within {QUIT_TIMEOUT_S:.0f} s of being told to") from error
        if status != 0:
            raise self._died("it failed while it ended")
        assert self._reader is not None
        self._reader.join(LAST_WORDS_S)

    def close(self) -> None:
        """End the process, whatever it is doing, and remove the control socket. Idempotent."""
        self._leaving = True
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()  # the bots flush their history on this
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if self._listener is not None:
            self._listener.close()
        if self._link is not None:
            self._link.close()
            self._link = None
        self._scratch.cleanup()

    def _spawn(self, config: Path, token: str) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                # -P: a folder called `harness` where the user stands is not ours.
                [sys.executable, "-P", "-m", "harness.bots", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=labelled({**os.environ, TOKEN_VARIABLE: token}, self._run_id),
                start_new_session=True,  # Ctrl-C in the terminal is the runner's to handle.
            )

    def _is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _send(self, kind: str, **fields: Any) -> None:
        if self._link is None:
            raise HarnessError("the bots' process was not started")
        try:
            self._link.send(kind, **fields)
        except OSError as error:
            raise self._died(f"it could not be told '{kind}': {error}") from error

    def _listen(self, link: Link) -> None:
        try:
            for message in link.messages():
                with self._changed:
                    self._take(message)
                    self._changed.notify_all()
            ended = "it closed the control connection"
        except (OSError, ValueError, KeyError) as error:
            ended = f"the control connection broke: {error!r}"
        with self._changed:
            if not self._leaving:  # Else it was told to go, or `close` from this side ended the reading.
                self._trouble = self._trouble or ended
            self._changed.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        match message.pop("type"):
            case "live":
                self._live = message
            case "error":
                self._trouble = str(message["text"])
            case kind:
                self._answers[kind] = message

    def _wait_for(self, kind: str, deadline_ns: int) -> dict[str, Any] | None:
        with self._changed:
            while kind not in self._answers:
                left = clock.left_s(deadline_ns)
                if not left:
                    return None
                self.check()
                self._changed.wait(min(left, 0.5))
            return self._answers[kind]

    def _died(self, why: str) -> HarnessError:
        status = self._process.poll() if self._process else None
        state = "is running" if status is None else f"ended with status {status}"
        tail = "".join(f"\n    {line}" for line in tail_lines(self._log, 15)) if self._log.exists() else ""
        return HarnessError(f"the bots' process ({state}): {why}\n  the last lines of its log:{tail}")
