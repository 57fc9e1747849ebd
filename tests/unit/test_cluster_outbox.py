"""Buffers: in order, whole frames, one write a tick, and an end for who reads too slowly."""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gevent
import pytest

from cluster.transport import frames, outbox
from cluster.transport.frames import text_frame
from cluster.transport.outbox import Outbox, Outlet

LIMIT = 400_000


@dataclass
class Connection:
    outlet: Outlet


class Peer:
    """A connection's two ends: `near` is the node's, and counts its writes."""

    def __init__(self, box: Outbox) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.far.setblocking(False)
        for end in (self.near, self.far):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        self.connection = Connection(Outlet(box))

    @property
    def outlet(self) -> Outlet:
        return self.connection.outlet

    def read(self, size: int) -> bytes:
        """Read so much while the hub goes on writing."""
        found = b""
        while len(found) < size:
            gevent.sleep(0)
            try:
                found += self.far.recv(min(65_536, size - len(found)))
            except BlockingIOError:
                gevent.sleep(0.001)  # The hub has to find the socket writable first.
        return found

    def read_to_the_end(self) -> bytes:
        found = b""
        while data := self.read_some():
            found += data
        return found

    def read_some(self) -> bytes:
        until = time.monotonic() + 5
        while time.monotonic() < until:
            gevent.sleep(0.001)  # as above
            try:
                return self.far.recv(65_536)
            except BlockingIOError:
                continue
        raise AssertionError("nothing more came, and no end")


@pytest.fixture
def box() -> Outbox:
    return Outbox(LIMIT)


@pytest.fixture
def peer(box: Outbox) -> Iterator[Peer]:
    peer = Peer(box)
    peer.outlet.bind(peer.near, first=b"")
    yield peer
    peer.outlet.abort()
    peer.near.close()
    peer.far.close()


def test_send__many_in_one_tick__one_write_in_order(box: Outbox, peer: Peer) -> None:
    sent = [text_frame(b"%d" % i) for i in range(100)]
    for frame in sent:
        box.send(peer.connection, [frame])
    assert box.writes == 0, "nothing is written before the tick ends"
    assert peer.read(sum(map(len, sent))) == b"".join(sent)
    assert box.writes == 1
    assert box.bytes_written == sum(map(len, sent))


def test_send__before_there_is_a_socket__written_behind_the_first_bytes(box: Outbox) -> None:
    peer = Peer(box)
    box.send(peer.connection, [text_frame(b"early")])
    peer.outlet.bind(peer.near, first=b"HTTP")
    assert peer.read(4 + len(text_frame(b"early"))) == b"HTTP" + text_frame(b"early")
    peer.near.close()
    peer.far.close()


def test_send__more_than_the_kernel_takes__the_rest_follows_as_it_is_read(box: Outbox, peer: Peer) -> None:
    sent = b"".join(text_frame(b"%06d" % i * 100) for i in range(400))
    box.send(peer.connection, [sent])
    gevent.sleep(0.01)  # Let the hub write what the kernel takes.
    assert 0 < peer.outlet.waiting < len(sent)
    assert peer.read(len(sent)) == sent
    assert peer.outlet.waiting == 0


def test_send__while_much_is_on_its_way__in_order_and_not_copied_with_it(box: Outbox, peer: Peer) -> None:
    first, frame = text_frame(b"x" * 200_000), text_frame(b"y" * 1000)
    box.send(peer.connection, [first])
    gevent.sleep(0.01)  # Let the hub write what the kernel takes.
    got = b""
    for _ in range(20):
        box.send(peer.connection, [frame])
        got += peer.read(5000)
        assert all(chunk is frame for chunk in peer.outlet._chunks[1:])
    assert len(peer.outlet._chunks) == 21
    got += peer.read(len(first) + 20 * len(frame) - len(got))
    assert got == first + frame * 20
    assert peer.outlet.waiting == 0


def test_flush__fails_for_one__the_others_of_the_tick_are_written(box: Outbox, peer: Peer) -> None:
    broken = Peer(box)
    broken.outlet.bind(broken.near, first=b"")
    broken.outlet._chunks.append(None)  # type: ignore[arg-type]  # a bug, of whatever kind
    box.send(broken.connection, [text_frame(b"x")])
    box.send(peer.connection, [text_frame(b"y")])
    assert peer.read(3) == text_frame(b"y")
    assert broken.outlet.shut
    broken.near.close()
    broken.far.close()


def test_reader__too_slow__the_begun_frame_whole_then_a_close_frame_with_the_reason(
    box: Outbox, peer: Peer
) -> None:
    frame = text_frame(b"x" * 50_000)
    for _ in range(20):
        box.send(peer.connection, [frame])
        gevent.sleep(0.002)  # Each in a tick of its own.
    assert box.too_slow == 1
    assert peer.outlet.waiting < 60_000, "what nobody will read is not kept"
    got = peer.read_to_the_end()
    whole, rest = divmod(len(got), len(frame))
    assert whole >= 1
    assert got[: whole * len(frame)] == frame * whole
    assert got[whole * len(frame) :] == frames.close_frame(frames.POLICY, outbox.TOO_SLOW)
    assert rest == len(frames.close_frame(frames.POLICY, outbox.TOO_SLOW))


def test_reader__a_little_behind_for_long__disconnected_too(box: Outbox, peer: Peer) -> None:
    now = [100.0]
    box.now_s = lambda: now[0]
    box.send(peer.connection, [text_frame(b"x" * 150_000)])
    gevent.sleep(0.01)  # Let the hub write what the kernel takes.
    assert LIMIT // outbox.SOFT_PART < peer.outlet.waiting < LIMIT
    now[0] += outbox.SOFT_S - 1
    box.send(peer.connection, [text_frame(b"y")])
    gevent.sleep(0.01)  # as above
    assert box.too_slow == 0
    now[0] += 2
    box.send(peer.connection, [text_frame(b"y")])
    gevent.sleep(0.01)  # as above
    assert box.too_slow == 1


def test_reader__behind_but_catching_up__is_left_alone(box: Outbox, peer: Peer) -> None:
    now = [100.0]
    box.now_s = lambda: now[0]
    for _ in range(4):
        box.send(peer.connection, [text_frame(b"x" * 150_000)])
        gevent.sleep(0.01)  # Let the hub write what the kernel takes.
        peer.read(len(text_frame(b"x" * 150_000)) - 1000)
        box.send(peer.connection, [text_frame(b"y")])
        peer.read(1000 + len(text_frame(b"y")))
        now[0] += outbox.SOFT_S
    assert box.too_slow == 0


def test_finish__what_waits_is_written_first_then_the_end(box: Outbox, peer: Peer) -> None:
    box.send(peer.connection, [text_frame(b"last words")])
    peer.outlet.finish(frames.NORMAL, "bye")
    box.send(peer.connection, [text_frame(b"never heard")])
    assert peer.read_to_the_end() == text_frame(b"last words") + frames.close_frame(frames.NORMAL, "bye")


def test_peer__gone__sending_to_it_is_no_error(box: Outbox, peer: Peer) -> None:
    peer.far.close()
    for _ in range(3):
        box.send(peer.connection, [text_frame(b"x")])
        gevent.sleep(0.002)  # Each in a tick of its own.
    assert peer.outlet.shut
    assert peer.outlet.waiting == 0


def test_drained__while_much_waits__only_when_it_was_read_or_the_connection_ends(box: Outbox) -> None:
    for end in (lambda p: p.read(300_000), lambda p: p.outlet.abort()):
        peer: Any = Peer(box)
        peer.outlet.bind(peer.near, first=b"")
        box.send(peer.connection, [text_frame(b"x" * 300_000)])
        waiter = gevent.spawn(peer.outlet.wait_until_drained, 5)
        gevent.sleep(0.02)  # It must still wait, though the hub wrote what it could.
        assert not waiter.ready()
        end(peer)
        assert waiter.get(timeout=5)
        peer.outlet.abort()
        peer.near.close()
        peer.far.close()


def test_drained__nothing_is_read__says_so_in_time(box: Outbox, peer: Peer) -> None:
    box.send(peer.connection, [text_frame(b"x" * 300_000)])
    gevent.sleep(0.01)  # Let the hub write what the kernel takes.
    assert not peer.outlet.wait_until_drained(0.05)
