"""WebSocket frames: a general library reads what we write, and we read what it writes, however it is cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode

from cluster.transport import frames
from cluster.transport.frames import Binary, Close, Event, FrameError, FrameReader, Ping

LIMIT = 100_000
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
SIZES = st.sampled_from([0, 1, 124, 125, 126, 127, 65_535, 65_536, 70_000])


def client() -> FrameProtocol:
    return FrameProtocol(client=True, extensions=[])


def read(data: bytes, cuts: list[int] | None = None) -> list[Event]:
    """Feed bytes, cut at these places, and return everything that came."""
    reader, places = FrameReader(LIMIT), [0, *sorted(c % (len(data) + 1) for c in cuts or []), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(places)]
    return [event for piece in pieces for event in reader.feed(piece)]


@given(st.lists(TEXTS, max_size=8), st.lists(st.integers(0, 10_000), max_size=12))
def test_read__texts_of_a_client_cut_anywhere__each_whole_and_in_order(
    texts: list[str], cuts: list[int]
) -> None:
    sender = client()
    data = b"".join(sender.send_data(text, fin=True) for text in texts)
    assert read(data, cuts) == texts


@given(
    st.lists(TEXTS, min_size=1, max_size=6),
    st.binary(max_size=125),
    st.lists(st.integers(0, 5000), max_size=9),
)
def test_read__fragments_with_a_ping_between__one_message_and_the_ping(
    parts: list[str], ping: bytes, cuts: list[int]
) -> None:
    sender, data = client(), b""
    for number, part in enumerate(parts, 1):
        data += sender.send_data(part, fin=number == len(parts))
        if number < len(parts):
            data += sender.ping(ping)
    assert read(data, cuts) == [Ping(ping)] * (len(parts) - 1) + ["".join(parts)]


@given(SIZES, st.lists(st.integers(0, 80_000), max_size=4))
def test_read__each_length_form__the_whole_payload(size: int, cuts: list[int]) -> None:
    assert read(client().send_data("x" * size, fin=True), cuts) == ["x" * size]
    assert read(client().send_data(b"y" * size, fin=True), cuts) == [Binary(size)]


def test_read__a_character_split_over_fragments__joined_before_it_is_decoded() -> None:
    head, tail = "€".encode()[:1], "€".encode()[1:]
    data = _frame(0x01, head) + _frame(0x80, tail)
    assert read(data) == ["€"]


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
def test_read__close_with_a_code__the_code(code: int) -> None:
    assert read(client().close(code, "why")) == [Close(code)]


def test_read__close_without_a_code__1005() -> None:
    assert read(client().close()) == [Close(1005)]


def _frame(first: int, payload: bytes, *, masked: bool = True) -> bytes:
    mask = b"\x01\x02\x03\x04"
    body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    length = bytes([len(payload) | 0x80]) if masked else bytes([len(payload)])
    return bytes([first]) + length + (mask + body if masked else payload)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (_frame(0x81, b"x", masked=False), frames.PROTOCOL_ERROR),
        (_frame(0xC1, b"x"), frames.PROTOCOL_ERROR),  # a reserved bit
        (_frame(0x83, b"x"), frames.PROTOCOL_ERROR),  # an opcode that is not there
        (_frame(0x8B, b"x"), frames.PROTOCOL_ERROR),
        (_frame(0x80, b"x"), frames.PROTOCOL_ERROR),  # a continuation of nothing
        (_frame(0x01, b"x") + _frame(0x81, b"x"), frames.PROTOCOL_ERROR),  # a beginning within a message
        (_frame(0x09, b"x"), frames.PROTOCOL_ERROR),  # a fragmented ping
        (b"\x89\xfe\x00\x7e" + bytes(130), frames.PROTOCOL_ERROR),  # a ping of 126 bytes
        (_frame(0x88, b"\x03"), frames.PROTOCOL_ERROR),  # half a code
        (_frame(0x88, b"\x03\xed"), frames.PROTOCOL_ERROR),  # 1005 may not be sent
        (_frame(0x88, b"\x03\xe8\xff"), frames.NOT_UTF8),
        (_frame(0x81, b"\xff"), frames.NOT_UTF8),
        (_frame(0x81, b"\xed\xa0\x80"), frames.NOT_UTF8),  # half a surrogate pair
        (b"\x81\xff" + (LIMIT + 1).to_bytes(8), frames.TOO_BIG),  # before any of it has come
        (b"\x81\xff" + b"\xff" * 8, frames.TOO_BIG),
    ],
)
def test_read__what_breaks_the_protocol__refused_with_its_code(data: bytes, code: int) -> None:
    with pytest.raises(FrameError) as caught:
        read(data)
    assert caught.value.code == code


def test_read__fragments_longer_than_the_limit__refused() -> None:
    sender = client()
    data = b"".join(sender.send_data("x" * 40_000, fin=False) for _ in range(3))
    with pytest.raises(FrameError) as caught:
        read(data)
    assert caught.value.code == frames.TOO_BIG


def test_read__empty_fragments_without_end__refused() -> None:
    data = _frame(0x01, b"") + _frame(0x00, b"") * 70_000
    with pytest.raises(FrameError) as caught:
        read(data)
    assert caught.value.code == frames.TOO_BIG


def test_read__sound_frames_before_a_broken_one__are_read() -> None:
    events = FrameReader(LIMIT).feed(_frame(0x81, b"one") + _frame(0xFF, b""))
    assert next(events) == "one"
    with pytest.raises(FrameError):
        next(events)


@given(st.lists(SIZES, min_size=1, max_size=5))
def test_write__frames_in_one_stream__a_library_reads_them(sizes: list[int]) -> None:
    reader = client()
    reader.receive_bytes(b"".join(frames.text_frame(b"z" * size) for size in sizes))
    texts = [b"".join(bytes(f.payload, "ascii") if isinstance(f.payload, str) else f.payload for f in [frame])
             for frame in reader.received_frames()]  # fmt: skip
    assert b"".join(texts) == b"z" * sum(sizes)


def test_write__pong_and_close__a_library_reads_them() -> None:
    reader = client()
    reader.receive_bytes(frames.pong_frame(b"ping") + frames.close_frame(1008, "ü" * 100))
    pong, close = reader.received_frames()
    assert (pong.opcode, bytes(pong.payload)) == (Opcode.PONG, b"ping")
    assert close.opcode is Opcode.CLOSE
    code, reason = close.payload
    assert (code, reason) == (CloseReason.POLICY_VIOLATION, "ü" * 61)


@given(st.lists(SIZES, min_size=1, max_size=5), st.data())
def test_end_of_frame__any_offset__the_end_of_the_frame_it_is_in(
    sizes: list[int], data: st.DataObject
) -> None:
    whole = [frames.text_frame(b"z" * size) for size in sizes]
    stream = b"".join(whole)
    offset = data.draw(st.integers(0, len(stream)))
    ends = [0]
    for frame in whole:
        ends.append(ends[-1] + len(frame))
    assert frames.end_of_frame(stream, offset) == next(end for end in ends if end >= offset)
