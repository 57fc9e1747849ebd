"""Frames from a socket, however the kernel cuts them."""

import socket
import threading
from itertools import pairwise

import pytest
import websocket
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.bots.engine import BufferedWebSocket, ReadingEngine

TEXT, CONTINUATION, PING = 0x1, 0x0, 0x9
LENGTHS = st.sampled_from([0, 1, 124, 125, 126, 127, 300, 65_535, 65_536, 70_000])


def frame(payload: bytes, opcode: int = TEXT, *, last: bool = True) -> bytes:
    head = bytes([(0x80 if last else 0) | opcode])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 65_536:
        return head + b"\x7e" + len(payload).to_bytes(2, "big") + payload
    return head + b"\x7f" + len(payload).to_bytes(8, "big") + payload


class Line:
    """A websocket whose other end is ours."""

    def __init__(self) -> None:
        self.ours, theirs = socket.socketpair()
        self.web = BufferedWebSocket()
        self.web.sock, self.web.connected = theirs, True

    def feed(self, data: bytes, cuts: list[int]) -> None:
        """Send in pieces, from beside: the socket's buffer is smaller than some frames."""
        places = sorted({cut % (len(data) + 1) for cut in cuts})
        edges = [0, *places, len(data)]
        pieces = [data[a:b] for a, b in pairwise(edges)]

        def send() -> None:
            for piece in pieces:
                self.ours.sendall(piece)
            self.ours.shutdown(socket.SHUT_WR)

        self._feeder = threading.Thread(target=send)
        self._feeder.start()

    def received(self) -> list[str | bytes]:
        got = []
        while True:
            try:
                got.append(self.web.recv())
            except websocket.WebSocketConnectionClosedException:
                return got

    def close(self) -> None:
        self._feeder.join()
        self.ours.close()
        self.web.shutdown()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(LENGTHS, st.sampled_from("aß€🦊")), max_size=6),
    st.lists(st.integers(0, 10**6), max_size=9),
)
@example([(300, "a"), (10, "€"), (126, "a"), (70_000, "a"), (125, "a"), (127, "a"), (1, "a")], [])
def test_texts_come_whole_and_in_order(bodies: list[tuple[int, str]], cuts: list[int]) -> None:
    texts = [sign * (length // len(sign.encode())) for length, sign in bodies]
    line = Line()
    line.feed(b"".join(frame(text.encode()) for text in texts), cuts)
    assert line.received() == texts
    line.close()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 10**6), max_size=9))
def test_fragments_and_pings_between_are_put_right(cuts: list[int]) -> None:
    line = Line()
    data = [
        frame(b"first"),
        frame("hä".encode()[:2], last=False),
        frame(b"", PING),
        frame("hä".encode()[2:] + b"lf", CONTINUATION),
        frame(b"last" * 50),
    ]
    line.feed(b"".join(data), cuts)
    assert line.received() == ["first", "hälf", "last" * 50]
    line.close()


def test_text_that_is_no_utf8_is_an_error() -> None:
    line = Line()
    line.feed(frame(b"\xff\xfe"), [])
    with pytest.raises(ValueError, match="utf-8"):
        line.web.recv()
    line.close()


def engine() -> tuple[ReadingEngine, list[str]]:
    made = ReadingEngine(spawn=lambda target: None, handle_sigint=False)
    ends: list[str] = []
    made.on_end = lambda t_ns, reason: ends.append(reason)
    made.ping_interval = made.ping_timeout = 5.0
    return made, ends


def test_connection_ends_once() -> None:
    made, ends = engine()
    made.hang_up("first")
    made.hang_up("second")
    assert ends == ["first"]


def test_silence_is_minded_after_interval_and_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    made, ends = engine()
    made.received_ns = 1_000
    now = [made.received_ns + 10_000_000_000]
    monkeypatch.setattr("harness.clock.now_ns", lambda: now[0])
    made.mind_silence()
    assert ends == []
    now[0] += 1
    made.mind_silence()
    assert ends == ["ping timeout: nothing came for 10 s"]
