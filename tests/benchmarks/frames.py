"""WebSocket frames (RFC 6455) as cheaply as Python can count them. Pure: bytes in, numbers out.

The loader must not be the bottleneck, so that frames are counted by jumping from header to header
through whatever a read returned; of a frame that carries a `message` event only its first bytes are
looked at. Everything else, acknowledgements and pings above all, is handed out whole.
"""

from dataclasses import dataclass

TEXT, CLOSE = 0x81, 0x88  # first bytes of whole frames: FIN and opcode
MESSAGE_EVENT = b'42["message",'
LENGTH_16, LENGTH_64 = 126, 127
_MASK = b"\x5a\xc3\x17\x9e"  # any but zero, so that no server is spared the work of unmasking


class BadStream(Exception):
    """What a server sent is not a stream of whole, unmasked frames."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a piece of a stream holds. Bytes from `consumed` on begin a frame that is not whole yet."""

    messages: int
    consumed: int
    last_message: bytes | None  # the payload of the newest `message` event
    others: list[tuple[int, bytes]]  # (first byte, payload) of all other frames


def scan(data: bytes) -> Scan:
    """Count the frames that carry a `message` event, and cut out all others.

    Raises:
        BadStream: a frame is masked, or a part of a longer message.
    """
    end = len(data)
    position = messages = 0
    last_start = last_stop = 0
    others: list[tuple[int, bytes]] = []
    while position + 2 <= end:
        length = data[position + 1]
        start = position + 2
        if length == LENGTH_16:
            start = position + 4
            if start > end:
                break
            length = data[position + 2] << 8 | data[position + 3]
        elif length == LENGTH_64:
            start = position + 10
            if start > end:
                break
            length = int.from_bytes(data[position + 2 : start], "big")
        elif length > LENGTH_64:
            raise BadStream("a server must not mask its frames")
        stop = start + length
        if stop > end:
            break
        first = data[position]
        if first == TEXT and data.startswith(MESSAGE_EVENT, start, stop):
            messages += 1
            last_start, last_stop = start, stop
        elif first & 0x80 and first & 0x0F:
            others.append((first, data[start:stop]))
        else:
            raise BadStream(f"a frame begins with {first:#04x}: no server here has reason to fragment")
        position = stop
    newest = data[last_start:last_stop] if messages else None
    return Scan(messages, position, newest, others)


def cut(data: bytes) -> tuple[list[bytes], int]:
    """Return the payloads of all whole frames, and how many bytes these took; raises as `scan` does."""
    payloads: list[bytes] = []
    consumed = 0
    while (found := _header(data, consumed)) is not None and found[1] <= len(data):
        start, consumed = found
        payloads.append(data[start:consumed])
    return payloads, consumed


def _header(data: bytes, position: int) -> tuple[int, int] | None:
    """Return where the payload of the frame at a position begins and ends; `None`: its header is cut."""
    if position + 2 > len(data):
        return None
    length = data[position + 1]
    if length > LENGTH_64:
        raise BadStream("a server must not mask its frames")
    size = {LENGTH_16: 2, LENGTH_64: 8}.get(length, 0)
    start = position + 2 + size
    if start > len(data):
        return None
    return start, start + (int.from_bytes(data[start - size : start], "big") if size else length)


def masked(first: int, payload: bytes) -> bytes:
    """Return a whole frame as clients must send it."""
    length = len(payload)
    if length < LENGTH_16:
        header = bytes((first, 0x80 | length))
    else:
        header = bytes((first, 0x80 | LENGTH_16)) + length.to_bytes(2, "big")
    pad = (_MASK * (length // 4 + 1))[:length]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return header + _MASK + mixed.to_bytes(length, "big")


def frame_bytes(payload: bytes) -> int:
    """Return how many bytes an unmasked frame with this payload has on the wire."""
    return len(payload) + (2 if len(payload) < LENGTH_16 else 4 if len(payload) < 1 << 16 else 10)
