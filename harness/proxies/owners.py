"""Who is calling: which member owns the socket that has connected.

All nodes reach a node by the one address that it registers; so the address says nothing of the caller. But
the caller is a process of this machine, in the group of a member, and the kernel knows whose socket it is:
the socket has an inode (`socket_inodes.py`), and a process has that among its open files.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from harness.proxies.socket_inodes import Address, inode_of


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

    def announced(self, port: int) -> str | None:
        """Return for whom the connection that came from the port speaks, where that was announced."""
        return self._announced.pop(port, None)

    def of(self, caller: Address, called: Address, *, besides: str) -> str | None:
        """Return the member, not `besides`, that connected from `caller` to `called`; `None`: no member."""
        holds = _looks_for(caller, called)
        groups = {group: member for member, group in self._groups.items() if member != besides}
        # The leaders first: most members are one process.
        for pid, group in (*((leader, leader) for leader in groups), *_others(groups)):
            if holds(pid):
                return groups[group]
        return None


def _others(groups: dict[int, str]) -> Iterator[tuple[int, int]]:
    """Yield the processes of the groups, with their group."""
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if pid not in groups and (group := os.getpgid(pid)) in groups:
                yield pid, group


def _looks_for(caller: Address, called: Address) -> Callable[[int], bool]:
    """Return what tells of a process whether it holds the caller's socket."""
    inode = inode_of(caller, called)
    if inode is None:
        return lambda pid: _connected(pid, caller, called)
    return lambda pid: inode > 0 and _has_open(pid, f"socket:[{inode}]")


def _has_open(pid: int, name: str) -> bool:
    try:
        with os.scandir(f"/proc/{pid}/fd") as files:
            return any(_target(file.path) == name for file in files)
    except OSError:  # It has ended, or is not ours.
        return False


def _target(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except FileNotFoundError:  # It was closed meanwhile.
        return ""


def _connected(pid: int, caller: Address, called: Address) -> bool:
    """Ask where there is no such thing as above; takes long where the machine has many connections."""
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp4")
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
    return any(tuple(c.laddr) == caller and tuple(c.raddr) == called for c in connections)
