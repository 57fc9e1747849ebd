"""Malformed input of any kind leaves the connection and the node healthy."""

import base64
import contextlib
import os
import socket
import struct
from typing import Any

import pytest
import socketio
import socketio.exceptions

pytestmark = pytest.mark.process

BAD = [
    None, 1, "text", [], [{}], {}, {"room": None}, {"room": 7}, {"room": ["a"]}, {"room": {"a": 1}},
    {"room": "a", "cursor": 5}, {"room": "a", "cursor": {"seq": -1}}, {"room": "a", "cursor": {"seq": True}},
    {"room": "a", "cursor": {"seq": 1}}, {"room": "a", "cursor": {"epoch": 1, "seq": 1}},
    {"room": "a", "cursor": {"epoch": "e", "seq": 1.5}},
    {"room": "a", "cursor": {"epoch": "e", "seq": 2**53}},
    {"room": "a", "cursor": {"seq": None}},
    {"room": "a", "user": ""}, {"room": "a", "user": "u" * 65}, {"room": "a", "user": "\ud800"},
    {"room": "a", "coursor": None}, b"\x00\x01", {"room": b"a"},
]  # fmt: skip


@pytest.mark.parametrize("event", ["join", "leave", "send_message"])
def test_bad_payload__any__bad_request_and_the_connection_works_on(
    pair: Any, world: Any, room: str, event: str
) -> None:
    ann = world.client(pair[0])
    for payload in BAD:
        answer = ann.call(event, payload)
        assert answer["ok"] is False
        assert answer["error"]["code"] == "bad_request", (payload, answer)
        assert answer["error"]["definite"] is True
    assert ann.join(room)["ok"]
    assert ann.send(room, "still here")["ok"]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"text": "x" * 8192}, None),
        ({"text": ""}, None),
        ({"text": "\x00" * 8192}, None),
        ({"text": "x" * 8193}, "text_too_long"),
        ({"text": "ü" * 4097}, "text_too_long"),
        ({"text": 1}, "bad_request"),
        ({"text": "half \udc00"}, "bad_request"),
        ({"text": "x", "n": 1}, "bad_request"),
        ({"text": "x", "producer": "p"}, "bad_request"),
        ({"text": "x", "producer": "p", "n": 0}, "bad_request"),
        ({"text": "x", "producer": "p", "n": True}, "bad_request"),
        ({"text": "x", "producer": "p", "n": "1"}, "bad_request"),
        ({"text": "x", "producer": "p" * 65, "n": 1}, "bad_request"),
        ({"text": "x", "reply_to": {"seq": 1}}, "bad_request"),
        ({"text": "x", "reply_to": {"epoch": "e", "seq": 0}}, "bad_request"),
        ({"text": "x", "seq": 1}, "bad_request"),
    ],
)
def test_send__each_limit__inside_taken_outside_refused(
    pair: Any, world: Any, room: str, payload: Any, code: str | None
) -> None:
    ann = world.client(pair[0])
    ann.join(room)
    answer = ann.call("send_message", {"room": room} | payload)
    assert (None if answer["ok"] else answer["error"]["code"]) == code
    if code is None:
        ann.wait_for(lambda: ann.live(room), "the message")
        assert ann.live(room)[0]["text"] == payload["text"]
    assert len(pair[0].messages(room)) == (1 if code is None else 0)


@pytest.mark.parametrize("event", ["nothing", "connect", "disconnect", "message", ""])
def test_unknown_event__also_a_reserved_name__bad_request(
    pair: Any, world: Any, room: str, event: str
) -> None:
    ann = world.client(pair[0])
    ann.join(room)
    assert ann.call(event, {"room": room})["error"]["code"] == "bad_request"
    assert ann.send(room, "still a member")["ok"]


@pytest.mark.parametrize("auth", [{"user": 5}, {"user": "u" * 65}, ["ann"], {"name": "ann"}, {"token": 1}])
def test_connect__bad_auth__refused_with_a_reason(pair: Any, auth: Any) -> None:
    client = socketio.Client(reconnection=False)
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(pair[0].url, transports=["websocket"], auth=auth)
    client.disconnect()


PACKETS = [
    "42", "42[", "42[]", "42{}", "42[[1]]", '42[null,{"room":"a"}]', '42["join"', "421[5]", "43", "43[1]",
    "431[]", "439999[{}]", "41x", "44{}", "4", "49", "45", '451-["join"]',
    '451-["join",{"_placeholder":true,"num":7}]', "45x-[]", "45[]", "46",
    '4299999999999999999999999999["join"]', "40{}", "40/admin,", '42/admin,["join"]', "3", "3probe", "2",
    "2probe", "6", "4" + "[" * 30_000, "42" + "[" * 30_000, "2" + "[" * 30_000, "4x",
]  # fmt: skip


def test_bad_packet__any__the_connection_works_on(pair: Any, world: Any, room: str) -> None:
    ann = world.client(pair[0])
    ann.join(room)
    for packet in PACKETS:
        with _RawClient(pair[0]) as raw:
            raw.send("40{}")
            raw.send(packet)
    assert ann.send(room, "unharmed")["ok"]
    with _RawClient(pair[0]) as raw:
        raw.send('40{"user":"raw"}')
        for packet in PACKETS:
            if not packet.startswith("41"):  # These are a good-bye.
                raw.send(packet)
        raw.send(f'4277["join",{{"room":"{room}"}}]')
        raw.wait_for(b"4377[")
    assert [line for line in pair[0].process.lines() if line["level"] == "error"] == []


@pytest.mark.parametrize(
    "frame",
    [b"", b"x", b"7", b"9", b"{}", "\u00b2".encode(), b"4" * 70_000, b"b!!!"],
    ids=["empty", "letter", "seven", "nine", "json", "superscript", "too-long", "base64"],
)
def test_no_engine_packet__at_most_its_connection_ends(
    pair: Any, world: Any, room: str, frame: bytes
) -> None:
    ann = world.client(pair[0])
    ann.join(room)
    connections = pair[0].get("/info")[1]["connections"]
    with _RawClient(pair[0]) as raw, contextlib.suppress(OSError):
        raw.send('40{"user":"raw"}')
        raw.send(frame)
        raw.send("3")
    assert ann.send(room, "unharmed")["ok"]
    assert pair[0].get("/info")[1]["connections"] <= connections


def test_random_bytes__on_the_port_and_in_frames__the_node_serves_on(pair: Any, until: Any) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", pair[0].port), timeout=5) as sock:
            sock.sendall(os.urandom(200) + b"\r\n\r\n")
        with _RawClient(pair[0]) as raw, contextlib.suppress(OSError):
            raw.sock.sendall(os.urandom(500))
    assert pair[0].get("/health")[0] == 200
    errors = [line for line in pair[0].process.lines() if line["level"] == "error"]
    assert errors == []


class _RawClient:
    """A WebSocket by hand, to send what no library would."""

    def __init__(self, node: Any) -> None:
        self.sock = socket.create_connection(("127.0.0.1", node.port), timeout=10)
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(
            f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{node.port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert b"101" in self.sock.recv(4096)

    def send(self, data: "str | bytes") -> None:
        payload = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        size = len(payload)
        length = struct.pack("!B", 0x80 | size) if size < 126 else (
            struct.pack("!BH", 0xFE, size) if size < 65_536 else struct.pack("!BQ", 0xFF, size)
        )  # fmt: skip
        self.sock.sendall(b"\x81" + length + b"\0\0\0\0" + payload)  # A mask of zeroes changes nothing.

    def wait_for(self, text: bytes) -> None:
        data = b""
        while text not in data:
            more = self.sock.recv(65_536)
            assert more, f"closed before {text!r} came: {data[-500:]!r}"
            data += more

    def __enter__(self) -> "_RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()
