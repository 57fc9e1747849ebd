"""Where a target listens as others see it, and whether it does.

The listener is open while its target listens, and while the link is cut (nobody hears a refusal then). While
the target is down, or all who may call are to be refused, it is closed: the kernel then refuses.
"""

import errno
import socket
from collections.abc import Callable

from harness.clock import NS, now_ns
from harness.proxies.connection import Connection
from harness.proxies.loop import READ, WRITE, Loop
from harness.proxies.owners import Owners
from harness.proxies.pipes import Pipe, Pipes, Rule
from harness.proxies.sides import Side, bounded, close, dial
from harness.records.plan import CLIENTS

LOOPBACK = "127.0.0.1"
BACKLOG = 1024
ACCEPTED_AT_ONCE = 64
LOOK_AGAIN_NS = NS // 40  # how often a target that is down is looked at
STALLED_MANY = 32  # from then on those that gave up are looked for when another comes


class Target:
    """Where a member really listens. `up` follows what is seen; `changed` is told when it does."""

    def __init__(self, loop: Loop, port: int, changed: Callable[[], None]) -> None:
        self._loop = loop
        self._changed = changed
        self.address = (LOOPBACK, port)
        self.up = False
        self._probe: Side | None = None
        loop.at(now_ns(), self._look)

    def refused(self) -> None:
        """Somebody was refused."""
        if self.up:
            self.up = False
            self._look_later()
            self._changed()

    def _look_later(self) -> None:
        self._loop.at(now_ns() + LOOK_AGAIN_NS, self._look)

    def _look(self) -> None:
        sock, status = dial(self.address)
        self._probe = Side(self._loop, sock, self._answered)
        if status == errno.EINPROGRESS:
            self._probe.want(WRITE, wanted=True)
        else:
            self._seen(status)

    def _answered(self, _: int) -> None:
        assert self._probe is not None
        self._seen(self._probe.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _seen(self, status: int) -> None:
        self.close()
        self.up = status in (0, errno.ECONNRESET)  # Who resets has listened.
        if self.up:
            self._changed()
        else:
            self._look_later()

    def close(self) -> None:
        """End a look that is under way."""
        if self._probe is not None:
            self._probe.end(reset=False)


class Listener:
    """Accepts for one target. `callers` are who may call; of several it finds out which one it is."""

    def __init__(
        self,
        loop: Loop,
        pipes: Pipes,
        owners: Owners,
        *,
        port: int,
        to_port: int,
        target: str,
        callers: tuple[str, ...],
    ) -> None:
        self._loop, self._pipes, self._owners = loop, pipes, owners
        self._address = (LOOPBACK, port)
        self._name, self._callers = target, callers
        self._socket: socket.socket | None = None
        self.connections: set[Connection] = set()
        self._target = Target(loop, to_port, self.refresh)

    @property
    def is_open(self) -> bool:
        """Whether the kernel lets anybody connect."""
        return self._socket is not None

    def refresh(self) -> None:
        """The rules have changed, or the target was seen to be up or down."""
        cut = any(there.cut or back.cut for there, back in self._links())
        self._be_open(cut or (self._target.up and not self._refuses_all))

    def closed_by(self, rule: Rule) -> bool:
        """Tell whether it is closed since all who may call are to be refused, some of them by this rule."""
        ruled = any(rule in there.rules or rule in back.rules for there, back in self._links())
        return ruled and not self.is_open and self._refuses_all

    @property
    def _refuses_all(self) -> bool:
        return all(there.refused or back.refused for there, back in self._links())

    def _links(self) -> list[tuple[Pipe, Pipe]]:
        return [self._link(caller) for caller in self._callers]

    def close(self) -> None:
        """Accept no more."""
        self._be_open(False)
        self._target.close()

    def _be_open(self, wanted: bool) -> None:
        if wanted and self._socket is None:
            self._socket = _listening(self._address)
            self._loop.watch(self._socket, 0, READ, self._accept)
        elif not wanted and self._socket is not None:
            self._loop.watch(self._socket, READ, 0, self._accept)
            self._socket.close()
            self._socket = None

    def _accept(self, _: int) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            if self._socket is None:
                return
            try:
                accepted, caller = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            self._take(accepted, caller)

    def _take(self, accepted: socket.socket, caller: tuple[str, int]) -> None:
        announced = self._owners.announced(caller[1])
        there, back = self._link(announced or self._who(caller))
        if there.refused or back.refused:
            for rule in {*there.rules, *back.rules}:
                rule.refused += rule.impairment.effect == "reject"
            close(accepted, reset=True)
            return
        connection = Connection(self._loop, accepted, self._target, there, back, self.connections.discard)
        self.connections.add(connection)
        if connection.cut:
            self._sweep()
        # A probe of ours times its question and the answer, not how long it took to connect.
        connection.begin(handshake=announced is None)

    def _who(self, caller: tuple[str, int]) -> str:
        if len(self._callers) == 1:
            return self._callers[0]
        return self._owners.of(caller, self._address, besides=self._name) or CLIENTS

    def _link(self, caller: str) -> tuple[Pipe, Pipe]:
        return self._pipes.between(caller, self._name), self._pipes.between(self._name, caller)

    def _sweep(self) -> None:
        """Forget those who gave up while the link was cut, so that they do not pile up."""
        stalled = [connection for connection in self.connections if not connection.established]
        if len(stalled) >= STALLED_MANY:
            for connection in stalled:
                connection.abandoned()


def _listening(address: tuple[str, int]) -> socket.socket:
    sock = bounded(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setblocking(False)
    sock.bind(address)
    sock.listen(BACKLOG)
    return sock
