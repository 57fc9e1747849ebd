"""Hosts of our own: network namespaces on one switch, which nothing outside can reach.

The switch is a bridge in a namespace, too, and each host hangs on it by a pair of virtual interfaces that
never stand in the machine's own network. With a namespace its interfaces and rules are gone.
"""

import ctypes
import ipaddress
import json
import os
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
PREFIX = "wordaround-"  # `.ci/nothing-left` looks for it
NETWORK = ipaddress.ip_network("10.213.0.0/24")
_CLONE_NEWNET = 0x40000000


def run(*command: object) -> None:
    """Run a command that has to work."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr.strip()}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """One namespace with one address."""

    namespace: str
    address: str

    def command(self, command: Iterable[object]) -> list[str]:
        """Return the command that runs another one on this host, as the same process."""
        return ["ip", "netns", "exec", self.namespace, *map(str, command)]

    def get(self, url: str) -> tuple[int, Any]:
        """Return status and JSON of a GET from this host; status 0 where nobody answers."""

        def fetch() -> tuple[int, Any]:
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, json.load(error)
            except OSError:
                return 0, None

        return self._inside(fetch)

    def cut_off(self, other: "Host") -> None:
        """Drop all packets from and to another host; nobody is told."""
        run(*self.command(["iptables", "-A", "INPUT", "-s", other.address, "-j", "DROP"]))
        run(*self.command(["iptables", "-A", "OUTPUT", "-d", other.address, "-j", "DROP"]))

    def heal(self) -> None:
        """Drop nothing any more."""
        run(*self.command(["iptables", "-F"]))

    def _inside(self, what: Callable[[], T]) -> T:
        """Do something in a thread that stands in this namespace, and ends with it."""
        results: list[T] = []

        def enter() -> None:
            libc = ctypes.CDLL(None, use_errno=True)
            with Path("/run/netns", self.namespace).open() as namespace:
                if libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"cannot enter {self.namespace}")
            results.append(what())

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        return results[0]


@contextmanager
def network(*names: str) -> Iterator[tuple[Host, ...]]:
    """Make a switch and a host for each name; all are gone in the end, also when the making fails."""
    with ExitStack() as stack:
        ours = f"{PREFIX}{os.getpid()}-"
        switch = _namespace(stack, f"{ours}switch")
        run("ip", "-n", switch, "link", "add", "bridge", "type", "bridge")
        run("ip", "-n", switch, "link", "set", "bridge", "up")
        addresses = NETWORK.hosts()
        yield tuple(_host(stack, f"{ours}{name}", str(next(addresses)), switch) for name in names)


def _namespace(stack: ExitStack, name: str) -> str:
    run("ip", "netns", "add", name)
    stack.callback(run, "ip", "netns", "delete", name)
    run("ip", "-n", name, "link", "set", "lo", "up")
    return name


def _host(stack: ExitStack, name: str, address: str, switch: str) -> Host:
    _namespace(stack, name)
    port = f"port{address.rsplit('.', 1)[1]}"
    run("ip", "link", "add", "eth0", "netns", name, "type", "veth", "peer", "name", port, "netns", switch)
    run("ip", "-n", switch, "link", "set", port, "master", "bridge", "up")
    run("ip", "-n", name, "address", "add", f"{address}/{NETWORK.prefixlen}", "dev", "eth0")
    run("ip", "-n", name, "link", "set", "eth0", "up")
    return Host(namespace=name, address=address)
