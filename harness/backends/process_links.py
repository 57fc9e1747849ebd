"""The links of a cluster of processes: who reaches whom by which port, and what is wrong on the way.

`LinkPorts` are the addresses that members and clients are given in place of each other's. `ProcessLinks`
speaks to the process that carries the links (`harness/proxies`), which is there while the cluster is.
The harness itself goes past it: what a fault does to links must not blind who watches.
"""

import itertools
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.backends.abilities import Evidence, Impairment
from harness.backends.process_group import ProcessGroup, spoken_end
from harness.backends.readiness import LOOPBACK, free_port, tail_lines
from harness.clock import NS, deadline_ns, left_s, now_ns
from harness.errors import HarnessError
from harness.labels import labelled
from harness.proxies.commands import decoded, encoded
from harness.records.plan import CLIENTS, ClusterPlan

_ANSWER_S = 5.0  # The proxies answer within a millisecond, on a machine that does anything at all.
_POLL_S = 0.01  # How often the proxies are asked whether they have seen what the harness has.
_LEAST_S = 0.001  # To a socket, a timeout of 0 means not to wait at all.
_HTTP_QUESTION = b"GET /health HTTP/1.1\r\nHost: wordaround\r\nConnection: close\r\n\r\n"
_REDIS_QUESTION = b"PING\r\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class NodePorts:
    """Of one node: where clients and where other nodes reach it, and where it reaches Redis."""

    clients: int
    nodes: int
    redis: int


class LinkPorts(dict[str, NodePorts]):
    """The ports of the proxies, by the name of the node."""

    @classmethod
    def chosen(cls, cluster: ClusterPlan) -> "LinkPorts":
        """Choose free ports for all nodes of a cluster."""
        return cls(
            {
                name: NodePorts(clients=free_port(), nodes=free_port(), redis=free_port())
                for name in cluster.nodes
            }
        )


class ProcessLinks:
    """Cuts and slows links (see `harness.backends.abilities.Links`)."""

    def __init__(
        self, cluster: ClusterPlan, ports: LinkPorts, *, folder: Path, log: Path, run_id: str
    ) -> None:
        """Start the process that carries the links; what goes wrong in it is in `log`.

        Raises:
            HarnessError: it could not be started.
        """
        self._redis, self._ports, self._log = cluster.redis, ports, log
        self._handles = map(str, itertools.count(1))
        self._asking = threading.Lock()
        self._closed = False
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(_ANSWER_S)
        self._answers = self._socket.makefile("rb")
        with theirs:
            try:
                self._group = ProcessGroup(
                    # -P: a folder called `harness` where the user stands is not ours.
                    (sys.executable, "-P", "-m", "harness.proxies", str(theirs.fileno())),
                    folder=folder,
                    environment=labelled(os.environ, run_id),
                    log=log,
                    inherited=(theirs.fileno(),),
                )
            except OSError as error:
                self._hang_up()
                raise HarnessError(f"the proxies of the links could not be started: {error}") from error

    @property
    def pid(self) -> int:
        """The process that carries the links."""
        return self._group.pid

    def listen(self, real_ports: Mapping[str, int]) -> None:
        """Begin to listen for all members, which really listen on these ports.

        Raises:
            HarnessError: a port was taken meanwhile, or the proxies have ended.
        """
        for name, ports in self._ports.items():
            others = tuple(other for other in self._ports if other != name)
            for port, target, callers in (
                (ports.clients, name, (CLIENTS,)),
                (ports.nodes, name, others),
                (ports.redis, self._redis, (name,)),
            ):
                if callers:  # A node that is alone is called by nobody.
                    to_port = real_ports[target]
                    self._ask("listen", port=port, to_port=to_port, target=target, callers=callers)

    def wait_serving(self, *, timeout_s: float) -> None:
        """Wait until all members, who are ready, are reached through the proxies as well.

        Raises:
            HarnessError: that took longer, or the proxies have ended.
        """
        deadline = deadline_ns(timeout_s)
        while not self._ask("serving"):
            if not left_s(deadline):
                raise HarnessError(f"the proxies of the links did not open within {timeout_s:g} s")
            time.sleep(_POLL_S)

    def started(self, member: str, group: int) -> None:
        """A member was started in this process group: what its processes connect to is its own."""
        self._ask("started", member=member, group=group)

    def check(self) -> None:
        """Raise a `HarnessError` when the proxies have ended: nothing seen is the cluster's doing then."""
        if not self._closed and not self._group.lives:
            raise self._ended()

    def close(self) -> None:
        """End the proxies, and with them every connection. Idempotent."""
        if not self._closed:
            self._closed = True
            self._hang_up()
            self._group.end()

    def impair(self, impairment: Impairment) -> str:
        """Put it in force, for what is connected already, too; return its handle.

        Raises:
            HarnessError: the effect cannot be had, there is no such link, or the proxies have ended.
        """
        if impairment.effect == "loss":
            raise HarnessError(
                f"loss of packets on links of {impairment.member} cannot be had with the process backend: "
                "a TCP proxy has no packets; use --backend docker, or the fault latency"
            )
        if impairment.effect == "rate" and impairment.bytes_per_s < 1:
            raise HarnessError(
                f"a rate of {impairment.bytes_per_s} bytes/s is none; `drop` lets nothing pass"
            )
        self._require_links(impairment.member, impairment.peers)
        handle = next(self._handles)
        self._ask("impair", handle=handle, impairment=impairment)
        return handle

    def evidence(self, handle: str) -> Evidence:
        """Return counts of bytes and connections that it hit; of one that was ended, what it had hit then."""
        found: dict[str, str] = self._ask("evidence", handle=handle)
        return found

    def restore(self, handle: str) -> None:
        """End it; what was stalled goes on. Idempotent."""
        self._ask("restore", handle=handle)

    def in_force(self) -> dict[str, Impairment]:
        """Return all that holds now, by the word of the proxies."""
        found: dict[str, dict[str, Any]] = self._ask("in_force")
        return {handle: decoded(plain) for handle, plain in found.items()}

    def reset(self, member: str, peers: tuple[str, ...]) -> int:
        """Reset the established connections between the member and its peers; return how many."""
        self._require_links(member, peers)
        count: int = self._ask("reset", member=member, peers=peers)
        return count

    def round_trip(self, member: str, peer: str, *, timeout_s: float) -> float | None:
        """Return the seconds from a question to its answer, on a connection just made; `None`: none in time.

        Between two nodes the member is the one that asks; Redis and clients are never asked for it.
        """
        port = self._port(member, peer)
        caller = CLIENTS if peer == CLIENTS else peer if member == self._redis else member
        question = _REDIS_QUESTION if self._redis in (member, peer) else _HTTP_QUESTION
        deadline = deadline_ns(timeout_s)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.bind((LOOPBACK, 0))
            own = sock.getsockname()[1]
            self._ask("announce", port=own, member=caller)
            try:
                return _exchange(sock, port, question, deadline)
            finally:
                self._ask("withdraw", port=own)  # Refused, it did not use it up: another may get the port.

    def _require_links(self, member: str, peers: tuple[str, ...]) -> None:
        if not peers:
            raise HarnessError(f"no peer of {member} was named whose link with it is meant")
        for peer in peers:
            self._port(member, peer)

    def _port(self, member: str, peer: str) -> int:
        """Return the port by which one of them reaches the other, or clients the one."""
        match member, peer:
            case (node, other) if node in self._ports and other == CLIENTS:
                return self._ports[node].clients
            case (node, other) if node in self._ports and other == self._redis:
                return self._ports[node].redis
            case (other, node) if node in self._ports and other == self._redis:
                return self._ports[node].redis
            case (node, other) if node in self._ports and other in self._ports and node != other:
                return self._ports[other].nodes
        ends = ", ".join((self._redis, *self._ports))
        raise HarnessError(
            f"there is no link between {member} and {peer}; links are between two of {ends}, and between "
            f"{CLIENTS} and nodes"
        )

    def _ask(self, command: str, **arguments: Any) -> Any:
        with self._asking:
            self.check()
            try:
                self._socket.sendall(encoded(command, **arguments))
                line = self._answers.readline()
            except OSError as error:
                raise self._ended() from error
        if not line.endswith(b"\n"):
            raise self._ended()
        answer = json.loads(line)
        if "error" in answer:
            raise HarnessError(f"the proxies of the links say: {answer['error']}")
        return answer["result"]

    def _ended(self) -> HarnessError:
        if self._closed:
            return HarnessError("the links are closed, and so is the cluster")
        how = "do not answer" if self._group.lives else spoken_end(self._group.end())
        last = "".join(f"\n    {line}" for line in tail_lines(self._log, 15))
        return HarnessError(
            f"the process of the links' proxies {how}, so nothing that members and clients see of each other "
            f"is the cluster's doing any more; run again. Its log is {self._log}{last}"
        )

    def _hang_up(self) -> None:
        self._answers.close()
        self._socket.close()


def _exchange(sock: socket.socket, port: int, question: bytes, deadline: int) -> float | None:
    try:
        sock.settimeout(max(_LEAST_S, left_s(deadline)))
        sock.connect((LOOPBACK, port))
        asked_ns = now_ns()
        sock.sendall(question)
        sock.settimeout(max(_LEAST_S, left_s(deadline)))
        answered = bool(sock.recv(256))
        return (now_ns() - asked_ns) / NS if answered else None
    except OSError:  # Refused, reset, or too late: the link does not work, which is the answer.
        return None
