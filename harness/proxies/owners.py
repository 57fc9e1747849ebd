"""Who is calling: which member owns the socket that has connected.

All nodes reach a node by the one address that it registers; so the address says nothing of the caller. But
the caller is a process of this machine, in the group of a member, and the kernel knows whose socket it is.
"""

import contextlib
import os
from collections.abc import Iterator

import psutil

Address = tuple[str, int]


class Owners:
    """The members' process groups, and ports of callers that were announced."""

    def __init__(self) -> None:
        self._groups: dict[str, int] = {}
        self._announced: dict[int, str] = {}

    def started(self, member: str, group: int) -> None:
        """A member was started (again), with this id of its process group."""
        self._groups[member] = group

    def announce(self, port: int, member: str) -> None:
        """Whoever connects next from this port of its own speaks for the member."""
        self._announced[port] = member

    def of(self, caller: Address, called: Address, *, besides: str) -> str | None:
        """Return the member, not `besides`, that connected from `caller` to `called`; `None`: no member."""
        announced = self._announced.pop(caller[1], None)
        if announced is not None:
            return announced
        for member, group in self._groups.items():
            if member != besides and any(_holds(pid, caller, called) for pid in _pids(group)):
                return member
        return None


def _pids(group: int) -> Iterator[int]:
    """Yield the processes of a group, its leader first: mostly there is no other."""
    yield group
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if pid != group and os.getpgid(pid) == group:
                yield pid


def _holds(pid: int, caller: Address, called: Address) -> bool:
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp4")
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # It has ended, or is not ours.
        return False
    return any(tuple(c.laddr) == caller and tuple(c.raddr) == called for c in connections)
