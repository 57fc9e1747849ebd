"""The kernel's packet queues (NFQUEUE), spoken to over netlink, with nothing but the standard library.

A rule `-j NFQUEUE --queue-num N` hands packets to whoever has bound queue N and holds each until it is given
a verdict. What goes over the socket: a message header, `nfgenmsg` (family, version, queue number), then
attributes of length, type and padded value. Numbers in messages are of the network's byte order, those in
headers of the machine's. Source: linux/netfilter/nfnetlink_queue.h.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

DROP = 0
REPEAT = 4  # Goes through the same table again, from its beginning.

_NETLINK_NETFILTER = 12
_SOL_NETLINK, _NO_ENOBUFS = 270, 5
_QUEUE_SUBSYSTEM = 3 << 8
_PACKET, _VERDICT, _CONFIG = 0, 1, 2
_NLMSG_ERROR = 2
_REQUEST, _ACK = 1, 4
_CFG_COMMAND, _CFG_PARAMS, _CFG_MAXLEN, _CFG_MASK, _CFG_FLAGS = 1, 2, 3, 4, 5
_BIND = 1
_COPY_PACKET = 2
_WHOLE_GSO = 4  # Segments that the network card would cut come in one piece.
_ATTR_PACKET, _ATTR_VERDICT, _ATTR_MARK, _ATTR_PAYLOAD = 1, 2, 3, 10
_ATTR_TYPE = 0x3FFF
_HEADER = struct.Struct("=IHHII")
_GENERIC = struct.Struct(">BBH")
_ATTRIBUTE = struct.Struct("=HH")
_MOST_HELD = 65536  # Packets that the kernel holds for us; what comes beyond them is dropped.
_BUFFER = 16 << 20
_READ = 1 << 17


class Packet(NamedTuple):
    """A packet that waits for its verdict; `data` is as much of it as the queue was bound for.

    No dataclass, since one of those takes five times as long to make.
    """

    queue: int
    id: int
    mark: int
    data: bytes


class Queues:
    """Some of the kernel's queues, bound on one socket."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        # Many packets at once must not be lost on their way to us.
        self._socket.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), _BUFFER)
        self._socket.setsockopt(_SOL_NETLINK, _NO_ENOBUFS, 1)

    def fileno(self) -> int:
        """Return the socket's descriptor, to wait for packets."""
        return self._socket.fileno()

    def bind(self, queue: int, *, copy: int, whole: bool) -> None:
        """Take the packets of a queue, with their first `copy` bytes.

        `whole`: large segments come in one piece, which is cheaper; else cut, as on the wire.

        Raises:
            OSError: the queue is taken, or the kernel has none.
        """
        self._configure(queue, _attribute(_CFG_COMMAND, struct.pack(">BxH", _BIND, socket.AF_INET)))
        self._configure(queue, _attribute(_CFG_PARAMS, struct.pack(">IB", copy, _COPY_PACKET)))
        self._configure(queue, _attribute(_CFG_MAXLEN, struct.pack(">I", _MOST_HELD)))
        flags = struct.pack(">I", _WHOLE_GSO if whole else 0)
        mask = struct.pack(">I", _WHOLE_GSO)
        self._configure(queue, _attribute(_CFG_FLAGS, flags) + _attribute(_CFG_MASK, mask))

    def _configure(self, queue: int, attributes: bytes) -> None:
        self._socket.send(_message(_CONFIG, _REQUEST | _ACK, queue, attributes))
        while True:
            answer = self._socket.recv(_READ)
            kind = _HEADER.unpack_from(answer)[1]
            if kind == _NLMSG_ERROR:  # Also an acknowledgement, with error 0.
                code = -struct.unpack_from("=i", answer, _HEADER.size)[0]
                if code:
                    raise OSError(code, f"queue {queue}: {os.strerror(code)}")
                return

    def packets(self) -> Iterator[Packet]:
        """Yield what is there by now, without waiting."""
        while True:
            try:
                data = self._socket.recv(_READ, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            yield from _packets(data)

    def decide(self, verdicts: list[tuple[Packet, int, int]]) -> None:
        """Give packets their verdicts and marks, in order."""
        for start in range(0, len(verdicts), 256):
            parts = [_verdict(*each) for each in verdicts[start : start + 256]]
            try:
                self._socket.send(b"".join(parts))
            except OSError as error:
                if error.errno != errno.ENOENT:  # The kernel flushed it, as when its device went away.
                    raise


def _attribute(kind: int, value: bytes) -> bytes:
    padding = -len(value) % 4
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(padding)


def _message(kind: int, flags: int, queue: int, attributes: bytes) -> bytes:
    body = _GENERIC.pack(socket.AF_UNSPEC, 0, queue) + attributes
    return _HEADER.pack(_HEADER.size + len(body), _QUEUE_SUBSYSTEM | kind, flags, 0, 0) + body


def _verdict(packet: Packet, verdict: int, mark: int) -> bytes:
    attributes = _attribute(_ATTR_VERDICT, struct.pack(">II", verdict, packet.id))
    return _message(
        _VERDICT, _REQUEST, packet.queue, attributes + _attribute(_ATTR_MARK, struct.pack(">I", mark))
    )


def _packets(data: bytes) -> Iterator[Packet]:
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind = _HEADER.unpack_from(data, at)[:2]
        if length < _HEADER.size:
            return
        if kind == _QUEUE_SUBSYSTEM | _PACKET:
            yield _packet(data, at + _HEADER.size, at + length)
        at += (length + 3) & ~3


def _packet(data: bytes, at: int, end: int) -> Packet:
    queue = _GENERIC.unpack_from(data, at)[2]
    at += _GENERIC.size
    number, mark, payload = 0, 0, b""
    while at + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        kind &= _ATTR_TYPE
        if kind == _ATTR_PACKET:
            number = int.from_bytes(data[at + 4 : at + 8], "big")
        elif kind == _ATTR_MARK:
            mark = int.from_bytes(data[at + 4 : at + 8], "big")
        elif kind == _ATTR_PAYLOAD:
            payload = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return Packet(queue=queue, id=number, mark=mark, data=payload)
