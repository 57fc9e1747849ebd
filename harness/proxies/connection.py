"""One connection through a proxy: it was accepted, the target is dialled, and then two flows carry it.

    accepted ─▶ waits (the link is cut, or delayed) ─▶ dialling ─▶ established ─▶ over
        └──────────────── refused: reset at once ────────┴───────── reset ─────────┘

Until the connection is established nothing is read of it. Who gave up meanwhile is not passed on: as far as
the target can tell it never came.
"""

import errno
import socket
from collections.abc import Callable
from typing import Protocol

from harness.clock import now_ns
from harness.proxies.flow import Ending, Flow
from harness.proxies.loop import READ, WRITE, Loop
from harness.proxies.pipes import Pipe
from harness.proxies.sides import Side, dial, prepare


class Target(Protocol):
    """Where a connection is to lead."""

    address: tuple[str, int]

    def refused(self) -> None:
        """Nobody listens there."""


class Connection:
    """From its acceptance to its end; `over` is called once."""

    def __init__(
        self,
        loop: Loop,
        accepted: socket.socket,
        target: Target,
        there: Pipe,
        back: Pipe,
        over: Callable[["Connection"], None],
    ) -> None:
        """Take over an accepted socket; `there` leads from whoever connected to the target."""
        prepare(accepted)
        self._loop, self._target, self._over = loop, target, over
        self.there, self.back = there, back
        self._caller = Side(loop, accepted, self._caller_ready)
        self._called: Side | None = None
        self._flows: tuple[Flow, ...] = ()  # there, back; once it is established

    @property
    def established(self) -> bool:
        """Whether the target has accepted it."""
        return bool(self._flows)

    @property
    def cut(self) -> bool:
        """Whether one of its directions is cut."""
        return self.there.cut or self.back.cut

    def waiting(self, pipe: Pipe) -> int:
        """Return how many bytes of one of its directions wait."""
        if not self._flows:
            return self._caller.waiting() if pipe is self.there else 0
        return self._flows[0 if pipe is self.there else 1].waiting

    def begin(self, *, handshake: bool) -> None:
        """Connect to the target, with `handshake` as late as packets could have been there and back."""
        if self.cut:
            return
        if handshake and (lag_ns := self.there.lag_ns() + self.back.lag_ns()):
            self._loop.at(now_ns() + lag_ns, self._dial)
        else:
            self._dial()

    def refresh(self) -> None:
        """The rules have changed."""
        if self.there.refused or self.back.refused:
            self.reset()
        elif self._flows:
            for flow in self._flows:
                flow.refresh()
        elif self._called is None and not self.cut:
            self._dial()

    def reset(self) -> None:
        """End it with a RST to both sides. Idempotent."""
        self._caller.end(reset=True)
        if self._called is not None:
            self._called.end(reset=True)
        self._check_over()

    def abandoned(self) -> bool:
        """Tell whether it was given up before it was established; then it is over."""
        if self._flows or self._caller.ended or not self._caller.hung_up():
            return False
        self.reset()
        return True

    def lost(self, side: Side) -> None:
        """A side was reset, or is gone: the other side is to see that, in its turn."""
        side.end(reset=False)
        for flow in self._flows:
            if flow.sink is side:
                flow.abandon()
        for flow in self._flows:
            if flow.source is side:
                flow.end(Ending.RST)
        self._check_over()

    def end(self, sink: Side, ending: Ending) -> None:
        """Let a side see that the other one has ended."""
        if ending is Ending.RST:
            sink.end(reset=True)
        elif all(flow.finished for flow in self._flows):
            self._close()
        else:
            self._half_close(sink)
        self._check_over()

    def _dial(self) -> None:
        if self._caller.ended or self._called is not None or self.cut or self.abandoned():
            return
        sock, status = dial(self._target.address)
        self._called = Side(self._loop, sock, self._called_ready)
        if status == errno.EINPROGRESS:
            self._called.want(WRITE, wanted=True)
        else:
            self._dialled(status)

    def _dialled(self, status: int) -> None:
        assert self._called is not None
        self._called.want(WRITE, wanted=False)
        if status == errno.ECONNREFUSED:
            self._target.refused()
        if status:
            self.reset()
            return
        caller, called = self._caller, self._called
        self._flows = (
            Flow(self._loop, self.there, self.back, caller, called, self),
            Flow(self._loop, self.back, self.there, called, caller, self),
        )
        for flow in self._flows:
            flow.refresh()

    def _caller_ready(self, events: int) -> None:
        there, back = self._flows
        if events & READ:
            there.readable()
        if events & WRITE:
            back.writable()

    def _called_ready(self, events: int) -> None:
        if not self._flows:
            assert self._called is not None
            self._dialled(self._called.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            return
        there, back = self._flows
        if events & READ:
            back.readable()
        if events & WRITE:
            there.writable()

    def _half_close(self, sink: Side) -> None:
        try:
            sink.socket.shutdown(socket.SHUT_WR)
        except OSError:  # It was reset meanwhile.
            self.lost(sink)

    def _close(self) -> None:
        for flow in self._flows:
            flow.sink.end(reset=False)

    def _check_over(self) -> None:
        if self._caller.ended and (self._called is None or self._called.ended):
            self._over(self)
