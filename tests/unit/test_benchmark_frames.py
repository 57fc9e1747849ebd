"""The loader counts what came, whatever pieces TCP cuts the stream into."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.chat import Chat
from tests.benchmarks.frames import CLOSE, TEXT, BadStream, cut, frame_bytes, masked, scan
from tests.benchmarks.window import Window


def frame(payload: bytes, first: int = TEXT) -> bytes:
    """Return a frame as servers send it."""
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def message(seq: int, text: str = "x") -> bytes:
    body = {"seq": seq, "room": "bench-0", "text": text}
    return f'42["message",{json.dumps(body, separators=(",", ":"))}]'.encode()


payloads = st.one_of(
    st.builds(message, st.integers(1, 10**6), st.text("ab\n", max_size=200)),
    st.sampled_from(
        [b"2", b"", b"42", b'42["message_history",{}]', b'42["messag', b'431[{"ok":true}]', b"6" * 125]
    ),
    st.sampled_from([b"y" * 126, b"z" * 65_535, message(5, "w" * 65_536)]),
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


@given(st.lists(payloads, max_size=12), st.lists(st.integers(0, 10**6), max_size=20))
def test_scan_in_any_pieces_counts_each_message_once_and_keeps_all_others(
    sent: list[bytes], cuts: list[int]
) -> None:
    data, rest, messages, others, newest = b"".join(map(frame, sent)), b"", 0, [], None
    for piece in pieces(data, cuts):
        found = scan(rest + piece)
        rest = (rest + piece)[found.consumed :]
        messages += found.messages
        newest = found.last_message or newest
        others += [payload for _, payload in found.others]
    wanted = [payload for payload in sent if payload.startswith(b'42["message",')]
    assert messages == len(wanted)
    assert newest == (wanted[-1] if wanted else None)
    assert others == [payload for payload in sent if not payload.startswith(b'42["message",')]
    assert rest == b""


@given(st.lists(payloads, max_size=12), st.integers(0, 10**6))
def test_cut_gives_every_payload_and_leaves_what_is_not_whole(sent: list[bytes], place: int) -> None:
    data = b"".join(map(frame, sent))
    first, consumed = cut(data[: place % (len(data) + 1)])
    second, _ = cut(data[consumed:])
    assert first + second == sent


@pytest.mark.parametrize("data", [b"\x81\x85abcd12345", b"\x01\x01a", b"\x80\x01a"])
def test_scan_of_masked_or_fragmented_frames_is_refused_not_miscounted(data: bytes) -> None:
    with pytest.raises(BadStream):
        scan(data)


def test_close_frame_is_handed_out_with_its_kind() -> None:
    assert scan(frame(b"\x03\xe8", CLOSE)).others == [(CLOSE, b"\x03\xe8")]


@given(st.binary(max_size=400))
def test_masked_frame_unmasks_to_its_payload(payload: bytes) -> None:
    data = masked(TEXT, payload)
    size = 2 if len(payload) < 126 else 4
    key, body = data[size : size + 4], data[size + 4 :]
    assert data[1] & 0x80
    assert any(key)
    assert bytes(b ^ key[i % 4] for i, b in enumerate(body)) == payload
    assert frame_bytes(payload) == len(frame(payload))


class _NoSocket:
    """Takes what is written."""

    def __init__(self) -> None:
        self.written = b""

    def send(self, data: bytes) -> int:
        self.written += data
        return len(data)


def chat(*, window: Window | None = None, contiguous: bool = True) -> Chat:
    made = Chat(port=1, room="bench-0", user="ann", window=window, contiguous=contiguous)
    made.sock = _NoSocket()  # type: ignore[assignment]
    return made


@pytest.mark.parametrize("lost", [1, 57, 150])
def test_order_sampled_one_in_a_hundred_still_shows_one_lost_message(lost: int) -> None:
    client = chat()
    for seq in range(1, 400):
        if seq != lost:
            client.take(frame(message(seq)))
    whole = chat()
    for seq in range(1, 400):
        whole.take(frame(message(seq)))
    assert whole.problems == []
    assert whole.samples == 4
    assert client.problems == [] if lost == 1 else "messages came while seq rose" in client.problems[0]


def test_order_a_message_that_comes_twice_is_seen() -> None:
    client = chat()
    for seq in [*range(1, 151), 150, *range(151, 300)]:
        client.take(frame(message(seq)))
    assert client.problems


def test_sample_of_another_room_is_a_problem() -> None:
    client = chat()
    client.take(frame(message(1).replace(b"bench-0", b"bench-1")))
    assert "for bench-0 came" in client.problems[0]


def test_ping_between_messages_is_answered_once_per_ping() -> None:
    client = chat()
    client.take(frame(message(1)) + frame(b"2") + frame(message(2)) + frame(b"2")[:2])
    client.take(frame(b"2")[2:])
    assert client.pings == 2
    assert client.sock.written == masked(TEXT, b"3") * 2  # type: ignore[attr-defined]
    assert client.received == 2


def test_refused_send_is_counted_and_told() -> None:
    client = chat(window=Window(1))
    client.send_messages(0.0, 1)
    client.take(frame(b'431[{"ok":false,"error":{"code":"rate_limited"}}]'))
    assert client.refused == 1
    assert "rate_limited" in client.problems[0]
