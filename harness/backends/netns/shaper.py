"""Delays and slows what a member sends and gets, packet by packet, in its network namespace.

    python3 -m netns.shaper --name w1 --bit 1 --out 1 --in 2 --delay 0.1 --jitter 0.02 --rate 0 --seed 7

Rules hand packets to the queues `--out` (what the member sends) and `--in` (what it gets). Each is let go
when its time has come, with the bit in its mark by which the rules know it.

What the member gets waits in the kernel, and so does what it sends at a rate: TCP sends no third packet while
two of a connection wait on its own machine (TCP small queues), and so waits itself, as before a network card
that is busy, instead of losing packets.

What it sends with a delay must not wait there: a third packet would come late by what those two still had to
wait. It is taken out of the kernel at once, and sent anew from here when its time has come.

It goes into the background when the queues are bound. Told to stop, it lets go of everything at once. When
it dies, packets pass as if it had never been there (`--queue-bypass`), but for those that it held.
"""

import argparse
import fcntl
import heapq
import os
import random
import select
import signal
import socket
import time
from pathlib import Path

from .nfqueue import DROP, REPEAT, Packet, Queues
from .shape import Shape

_IP_HEADER = 20
_WHOLE_PACKET = 0xFFFF
_SO_MARK = getattr(socket, "SO_MARK", 36)


class Shaper:
    """Holds packets until their time has come."""

    def __init__(self, shape: Shape, *, bit: int, queue_in: int | None, queue_out: int | None) -> None:
        self._shape = shape
        self._bit = bit
        self._taken_out = queue_out if not shape.bytes_per_s else None
        self._out = queue_out
        self._held: list[tuple[float, int, Packet]] = []  # a heap: when, which came first, what
        self._count = 0
        self._queues = Queues()
        self._sockets: dict[int, socket.socket] = {}  # by the mark with which they send
        if queue_in is not None:
            # Only the delay of a large segment is that of its parts; a rate must cut it.
            self._queues.bind(queue_in, copy=_IP_HEADER, whole=not shape.bytes_per_s)
        if queue_out is not None:
            copy = _WHOLE_PACKET if queue_out == self._taken_out else _IP_HEADER
            self._queues.bind(queue_out, copy=copy, whole=False)

    def run(self, stop: int) -> None:
        """Hold and release until the descriptor `stop` has something to read; then release all."""
        while True:
            wait = max(0.0, self._held[0][0] - time.monotonic()) if self._held else None
            readable, _, _ = select.select([self._queues.fileno(), stop], [], [], wait)
            if stop in readable:
                self._release(float("inf"))
                return
            if readable:
                self._take()
            self._release(time.monotonic())

    def _take(self) -> None:
        decided: list[tuple[Packet, int, int]] = []
        for packet in self._queues.packets():
            size = int.from_bytes(packet.data[2:4], "big")
            at = self._shape.release_at(self._way(packet), size, time.monotonic())
            if at is not None:
                self._count += 1
                heapq.heappush(self._held, (at, self._count, packet))
            if at is None or packet.queue == self._taken_out:
                decided.append((packet, DROP, packet.mark))
        self._queues.decide(decided)

    def _way(self, packet: Packet) -> tuple[int, bytes]:
        """Return the direction and the peer's address: what packets share that must keep their order."""
        return packet.queue, packet.data[16:20] if packet.queue == self._out else packet.data[12:16]

    def _release(self, until: float) -> None:
        decided: list[tuple[Packet, int, int]] = []
        while self._held and self._held[0][0] <= until:
            packet = heapq.heappop(self._held)[2]
            if packet.queue == self._taken_out:
                self._send(packet)
            else:
                decided.append((packet, REPEAT, packet.mark | self._bit))
        self._queues.decide(decided)

    def _send(self, packet: Packet) -> None:
        try:
            self._sender(packet.mark | self._bit).sendto(
                packet.data, (socket.inet_ntoa(packet.data[16:20]), 0)
            )
        except OSError:
            # Another rule drops it, or the network is gone: lost, as any packet may be.
            return

    def _sender(self, mark: int) -> socket.socket:
        if mark not in self._sockets:
            sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            sender.setsockopt(socket.SOL_SOCKET, _SO_MARK, mark)
            self._sockets[mark] = sender
        return self._sockets[mark]


def _start(options: argparse.Namespace) -> None:
    shape = Shape(
        delay_s=options.delay,
        jitter_s=options.jitter,
        bytes_per_s=options.rate,
        choice=random.Random(options.seed),
    )
    shaper = Shaper(shape, bit=options.bit, queue_in=getattr(options, "in"), queue_out=options.out)
    if os.fork():
        return
    os.setsid()
    stop, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    signal.signal(signal.SIGTERM, lambda *_: None)
    with _life_of(options.name).open("w") as life:
        fcntl.flock(life, fcntl.LOCK_EX)  # Ends with us, however we end.
        life.write(str(os.getpid()))
        life.flush()
        _let_go_of_output()
        shaper.run(stop)


def _life_of(name: str) -> Path:
    """Return the file that a living shaper holds locked; it has its pid. SIGTERM ends it."""
    return Path("/run") / f"shaper-{name}"


def _let_go_of_output() -> None:
    """Whoever started us waits for the end of our output."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)


def main() -> None:
    """Start a shaper in the background."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--bit", type=int, required=True)
    parser.add_argument("--in", type=int)
    parser.add_argument("--out", type=int)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--jitter", type=float, default=0.0)
    parser.add_argument("--rate", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    _start(parser.parse_args())


if __name__ == "__main__":
    main()
