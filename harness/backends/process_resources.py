"""Limits on what members that are processes may use of the machine.

CPU: a process of ours stops and continues the member in turn (`harness/throttle.py`). Memory: a thread of
ours kills the member when it holds more, as systemd-oomd would. Control groups would do both in the kernel,
but few users may write to them; this needs no rights and leaves nothing behind. A limit of CPU lasts over
restarts of the member, one of memory ends with it.
"""

import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from harness import throttle
from harness.backends.abilities import Evidence
from harness.backends.process_group import ProcessGroup
from harness.clock import deadline_ns, left_s
from harness.errors import HarnessError

_BEGINS_S = 10.0
_POLL_S = 0.01
_ENDS_S = 5.0  # For our own thread, which ends with the member.
_LOOK_S = 0.02  # How often a member that may not hold more is looked at.


class ProcessResources:
    """Limits members (see `harness.backends.abilities.Resources`). Safe to use from several threads."""

    def __init__(
        self,
        group_of: Callable[[str], ProcessGroup | None],
        *,
        environment: Mapping[str, str],
        folder: Path,
    ) -> None:
        """Prepare; nothing is started yet. `group_of` returns a member's process group."""
        self._group_of = group_of
        self._environment = environment
        self._folder = folder
        self._cores: dict[str, float] = {}
        self._throttles: dict[str, ProcessGroup] = {}
        self._ceilings: dict[str, _Ceiling] = {}
        self._lock = threading.RLock()
        self._closed = False

    def limit_cpu(self, member: str, cores: float | None) -> Evidence:
        """Let the member have that many cores' time at most.

        Raises:
            HarnessError: the member is down, or the limit could not be put in force.
        """
        with self._lock:
            self.let_be(member)
            self._cores.pop(member, None)
            if cores is None:
                return {"limit": "none"}
            if self._living(member) is None:
                raise HarnessError(f"the CPU of {member} cannot be limited: it is down")
            self._cores[member] = cores
            self.see_to(member)
        return {"limit": f"{cores:g} cores"}

    def limit_memory(self, member: str, bytes_: int | None) -> Evidence:
        """Kill the member as soon as it holds more than that.

        Raises:
            HarnessError: the member is down.
        """
        with self._lock:
            if (watched := self._ceilings.pop(member, None)) is not None:
                watched.over.set()
            if bytes_ is None:
                return {"limit": "none"}
            group = self._living(member)
            if group is None:
                raise HarnessError(f"the memory of {member} cannot be limited: it is down")
            self._ceilings[member] = _Ceiling(group, bytes_)
        return {"limit": f"{bytes_} bytes"}

    def ended_for_memory(self, member: str) -> str | None:
        """Return that we ended the member, which is down, and for how much; `None`: it ended otherwise."""
        with self._lock:
            watched = self._ceilings.get(member)
        return None if watched is None else watched.ended()

    def held_back(self, member: str) -> int:
        """Return how often the member was stopped by the limit that is in force; 0 where there is none."""
        with self._lock:
            group = self._living(member)
            if member not in self._throttles or group is None:
                return 0
            return self._log(group.pid).read_text().count(throttle.STOPPED)

    def usage(self, member: str) -> tuple[float, int]:
        """Return the seconds of CPU and the bytes of the member's living processes.

        Raises:
            HarnessError: it is down.
        """
        group = self._living(member)
        if group is None:
            raise HarnessError(f"{member} uses nothing: it is down")
        return throttle.used_s(group.pid), throttle.held_bytes(group.pid)

    def throttles(self, member: str) -> bool:
        """Return whether the member may be seen standing still because of its limit."""
        with self._lock:
            return member in self._throttles

    def let_be(self, member: str) -> None:
        """Let the member run, or whoever paused it have it to himself, until `see_to`. Idempotent."""
        with self._lock:
            if (running := self._throttles.pop(member, None)) is not None:
                running.end()
                if (group := self._living(member)) is not None:
                    group.resume()

    def see_to(self, member: str) -> None:
        """Put the member's limit in force on its present incarnation, where it has one."""
        with self._lock:
            group = self._living(member)
            if member not in self._cores or group is None or self._closed:
                return
            self.let_be(member)
            self._throttles[member] = self._started(group.pid, self._cores[member])

    def close(self) -> None:
        """End all limits. Idempotent."""
        with self._lock:
            self._closed = True
            for member in tuple(self._throttles):
                self.let_be(member)
            for ceiling in self._ceilings.values():
                ceiling.over.set()

    def _living(self, member: str) -> ProcessGroup | None:
        group = self._group_of(member)
        return group if group is not None and group.lives else None

    def _log(self, group: int) -> Path:
        return self._folder / f"throttle-{group}.log"

    def _started(self, group: int, cores: float) -> ProcessGroup:
        log = self._log(group)
        log.write_bytes(b"")
        # -P: a folder called `harness` where the user stands is not ours.
        command = (sys.executable, "-P", "-m", "harness.throttle", str(group), str(cores))
        try:
            running = ProcessGroup(command, folder=self._folder, environment=self._environment, log=log)
        except OSError as error:
            raise HarnessError(f"the CPU of process group {group} could not be limited: {error}") from error
        deadline = deadline_ns(_BEGINS_S)
        while not log.read_text().startswith(throttle.HOLDS):
            if not running.lives or not left_s(deadline):
                running.end()
                raise HarnessError(f"the CPU of process group {group} is not limited: {log.read_text()!r}")
            time.sleep(_POLL_S)
        return running


class _Ceiling:
    """Kills a group that holds more than it may, until it is over."""

    def __init__(self, group: ProcessGroup, bytes_: int) -> None:
        self.over = threading.Event()
        self._group, self._bytes = group, bytes_
        self._ended: str | None = None
        self._thread = threading.Thread(target=self._watch, name=f"memory of {group.pid}", daemon=True)
        self._thread.start()

    def ended(self) -> str | None:
        """Return by what and for what the group, which is down, was ended; `None`: not by us."""
        self._thread.join(_ENDS_S)
        return self._ended

    def _watch(self) -> None:
        while self._group.lives and not self.over.wait(_LOOK_S):
            held = throttle.held_bytes(self._group.pid)
            if held > self._bytes and self._group.end() == -signal.SIGKILL:
                self._ended = (
                    f"by the harness (SIGKILL), since it held {held} bytes, and may hold {self._bytes}"
                )
