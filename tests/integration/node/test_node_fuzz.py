"""Whatever comes over the wire: who asked gets an answer, nobody else is harmed, and nothing is left behind.

Hypothesis makes the input, from frames that are nearly right down to bytes that are nothing. Each example
goes to a real node over a real socket, and ends with a look at a bystander: two clients that chat all the
while on the same node. `WORDAROUND_FUZZ_EXAMPLES=5000` tries that many examples of each test, new ones each
time; without it they are few, and always the same.
"""

import contextlib
import itertools
import json
import os
import socket
import struct
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

pytestmark = [
    pytest.mark.process,
    # What is long must be tried; only its picture in a report would be unwieldy.
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),
]

EXAMPLES = int(os.environ.get("WORDAROUND_FUZZ_EXAMPLES", "0"))
CODES = {
    "bad_request", "room_invalid", "text_too_long", "not_joined", "out_of_order", "key_reused",
    "result_expired", "rate_limited", "store_unavailable",
}  # fmt: skip
ack_ids = itertools.count(1)


def fuzz(examples: int) -> Any:
    """Settings of a test: how many examples, and no clock."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


class Bystander:
    """Two clients in a room on the fuzzed node. `check`: what one says, the other hears."""

    def __init__(self, raw: Any, node: Any, room: str) -> None:
        self.node, self._room = node, room
        self._ann, self._bob = raw.RawClient(node.port, user="ann"), raw.RawClient(node.port, user="bob")
        for client in (self._ann, self._bob):
            self._ask(client, "join", {"room": room})

    def check(self) -> None:
        text = f"still here {next(ack_ids)}"
        self._ask(self._ann, "send_message", {"room": self._room, "text": text})
        self._bob.wait(lambda: any(text in packet for packet in self._bob.heard), "the other's message")
        self._ann.heard.clear()
        self._bob.heard.clear()

    def close(self) -> None:
        self._ann.close()
        self._bob.close()

    @staticmethod
    def _ask(client: Any, event: str, payload: dict[str, Any]) -> None:
        ack_id = next(ack_ids)
        client.say(f"42{ack_id}{json.dumps([event, payload])}")
        assert '"ok":true' in client.answer(ack_id)


@pytest.fixture
def bystander(raw: Any, lone_node: Any, room: str, until: Any) -> Iterator[Bystander]:
    """The bystander; afterwards the node must be as healthy as before, and hold nothing more."""
    until(lambda: lone_node.get("/info")[1]["connections"] == 0, "the test before has left")
    logged_before = len(lone_node.process.log.read_text().splitlines())
    bystander = Bystander(raw, lone_node, room)
    try:
        yield bystander
        bystander.check()
        until(lambda: lone_node.get("/info")[1]["connections"] == 2, "all but the bystander are gone")
        assert lone_node.get("/health")[0] == 200
    finally:
        bystander.close()
    logged = lone_node.process.log.read_text().splitlines()[logged_before:]
    assert [line for line in logged if not line.startswith("{") or '"level": "error"' in line] == []


def serves_or_has_hung_up(client: Any) -> None:
    """A connection that the node did not end works on, whatever was said on it."""
    ack_id = next(ack_ids)
    client.say(f'42{ack_id}["leave",{{"room":"nowhere"}}]')
    answer = client.answer(ack_id)
    assert answer is None or json.loads(answer)[0]["ok"]


# JSON as text, so that it can be wrong in ways that no encoder makes it.

scalars = st.sampled_from(
    [
        "null", "true", "false", "0", "-1", "1", "1.5", "-0", "1e3", "1e400", "-1e400", "NaN", "Infinity",
        "-Infinity", "9007199254740991", "9007199254740992", "9" * 400, "9" * 5000, "-" + "9" * 5000, '""',
        '"a"', '"room-1"', '"\\ud800"', '"\\udc00x"', '"\\u0000"', '"' + "x" * 8193 + '"',
        '"' + "x" * 65 + '"', '"a b"', '"\\u2028"', '"\\x00"', '"\t"', "'a'", "undefined", "0x10", "+1", "01",
        "[" * 1000 + "]" * 1000, '{"a":' * 500 + "1" + "}" * 500, "[" * 20_000,
        '{"_placeholder":true,"num":0}',
        '{"_placeholder":true,"num":-1}', '{"_placeholder":true,"num":"x"}',
    ]
)  # fmt: skip
strings = st.text(max_size=70).map(json.dumps)
values = st.recursive(
    scalars | strings | st.integers().map(str),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]")
        | st.lists(st.tuples(strings, inner), max_size=3).map(lambda pairs: objects(pairs))
    ),
    max_leaves=4,
)
SOUND = {
    "room": '"fuzzed"', "user": '"fuzz"', "cursor": '{"seq":0}', "text": '"x"', "producer": '"p"', "n": "1",
    "reply_to": '{"epoch":"e","seq":1}', "typing": "true", "token": '"t"', "epoch": '"e"', "seq": "1",
}  # fmt: skip
fields = st.sampled_from(sorted(SOUND)).flatmap(
    lambda name: st.tuples(st.just(json.dumps(name)), st.just(SOUND[name]) | values)
)
EVENTS = [
    "join", "leave", "send_message", "typing", "read", "message", "connect", "disconnect", "malformed", "*",
    "",
]  # fmt: skip


def objects(pairs: list[tuple[str, str]]) -> str:
    """An object, also with one key twice."""
    return "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}"


near_misses = st.lists(fields, max_size=6).map(objects)
names = st.sampled_from(EVENTS).map(json.dumps) | strings | values
arguments = st.lists(near_misses | values, max_size=2)
events = st.tuples(names, arguments).map(lambda parts: f"[{','.join([parts[0], *parts[1]])}]")


@fuzz(300)
@given(payload=events | values.map(lambda value: f"[{value}") | st.sampled_from(["", "[]", "{}", "x", "["]))
@example(payload='["join",{"room":"a","room":"b"}]')
@example(payload='["send_message",{"room":"fuzzed","text":NaN}]')
@example(payload='["*",{"room":"fuzzed"}]')
def test_event__with_any_payload__answered_and_the_connection_works_on(
    raw: Any, bystander: Bystander, payload: str
) -> None:
    with contextlib.closing(raw.RawClient(bystander.node.port)) as client:
        ack_id = next(ack_ids)
        client.say(f"42{ack_id}{payload}")
        (answer,) = json.loads(client.answer(ack_id))
        assert isinstance(answer["ok"], bool)
        if not answer["ok"]:
            assert answer["error"]["code"] in CODES
            assert answer["error"]["definite"] is True
            assert answer["error"]["message"]
        serves_or_has_hung_up(client)
        assert not client.closed
    bystander.check()


# Packets: Engine.IO's and Socket.IO's, in any order.

PACKETS = [
    "0", "1", "2", "2probe", "3", "3probe", "4", "40", "40{}", "41", "42", "43", "44", "45", "46", "49", "4x",
    "5", "6", "6x", '40{"user":"again"}', '40{"user":5}', "40/admin,", '40/admin,{"user":"x"}', "40/?a=b,",
    "41/admin,", "41x", '42/admin,5["join",{"room":"a"}]', '42["join"]', "42[[]]", "43[1]", "431[]",
    '43/admin,7["x"]', "439999999999[{}]", '44{"message":"no"}', '450-["join",{"room":"a"}]',
    '451-["send_message",{"room":"a","text":{"_placeholder":true,"num":0}}]', '4599-["join"]',
    '45999999999999-["join"]', "45-", '461-["x"]', "46", "42" + "9" * 99 + '["leave",{"room":"a"}]',
    "42" + "9" * 101 + '["leave",{"room":"a"}]', '4200["leave",{"room":"a"}]', "42" + "[" * 30_000,
    "40" + "[" * 30_000, "2" + "[" * 30_000, "4" * 60_000,
]  # fmt: skip
packets = (
    st.sampled_from(PACKETS)
    | st.integers(0, 40).map(lambda n: f"40/namespace-{n},")
    | events.map(lambda event: f"42{event}")
    | st.tuples(st.sampled_from(PACKETS), st.text(max_size=6), st.integers(0, 8)).map(
        lambda cut: cut[0][: cut[2]] + cut[1] + cut[0][cut[2] :]
    )
    | st.text(max_size=30)
)


@fuzz(200)
@given(said=st.lists(packets, min_size=1, max_size=8), welcome=st.booleans())
def test_packets__any_sequence__the_connection_works_on_or_ends(
    raw: Any, bystander: Bystander, said: list[str], welcome: bool
) -> None:
    with contextlib.closing(raw.RawClient(bystander.node.port, user="fuzz" if welcome else None)) as client:
        for packet in said:
            client.say(packet)
        # Its Socket.IO session may be over, with a good-bye or because it never began: then it is begun.
        client.say('40{"user":"anew"}')
        serves_or_has_hung_up(client)
    bystander.check()


# WebSocket frames.

PAYLOADS = [
    b"", b"2probe", b"3", b'42["leave",{"room":"a"}]', b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\x03\xe8",
    b"\x03\xe8bye", b"\x00\x01", b"\x03\xe8\xff", b"4" + b"x" * 126, b"x" * 70_000, b"b!!!!", b"4\xc3",
]  # fmt: skip
frames = st.fixed_dictionaries(
    {
        "opcode": st.sampled_from([0, 1, 2, 8, 9, 10]) | st.integers(0, 15),
        "payload": st.sampled_from(PAYLOADS) | st.binary(max_size=140),
        "fin": st.booleans() | st.just(True),
        "reserved": st.just(0) | st.integers(0, 7),
        "masked": st.booleans() | st.just(True),
    }
)
lengths = st.integers(0, 200) | st.sampled_from([2**16, 2**31, 2**62, 2**63])


@fuzz(120)
@given(said=st.lists(frames, min_size=1, max_size=5))
def test_frames__any_sequence__the_connection_works_on_or_ends(
    raw: Any, bystander: Bystander, said: list[dict[str, Any]]
) -> None:
    with contextlib.closing(raw.RawClient(bystander.node.port)) as client:
        client.send(b"".join(raw.frame(**parts) for parts in said))
        client.send(raw.frame(raw.CONTINUATION, b"") if said[-1]["fin"] is False else b"")
        serves_or_has_hung_up(client)
    bystander.check()


@fuzz(120)
@given(
    parts=frames,
    claimed=lengths,
    noise=st.binary(max_size=300),
    cut=st.integers(0, 40),
)
def test_bytes__that_are_no_frames__harm_nobody_else(
    raw: Any, bystander: Bystander, parts: dict[str, Any], claimed: int, noise: bytes, cut: int
) -> None:
    with contextlib.closing(raw.RawClient(bystander.node.port)) as client:
        client.send(raw.frame(**parts, claimed=claimed)[cut:] + noise)
        client.hear_for(0.005)
    bystander.check()


FRAGMENTS = [
    ('42{id}["leave",{"room":"a"}]', [4]),
    ('42{id}["leave",{"room":"a"}]', [1, 2, 3, 9]),
    ('42{id}["leave",{"room":"a","x":"✓"}]', [-5]),  # in the middle of a character
]


@pytest.mark.parametrize(("text", "cuts"), FRAGMENTS)
def test_frames__a_message_in_parts_with_a_ping_between__both_answered(
    raw: Any, bystander: Bystander, text: str, cuts: list[int]
) -> None:
    with contextlib.closing(raw.RawClient(bystander.node.port)) as client:
        ack_id = next(ack_ids)
        data = text.replace("{id}", str(ack_id)).encode()
        ends = [cut % len(data) for cut in cuts]
        parts = [data[start:end] for start, end in zip([0, *ends], [*ends, None], strict=True)]
        for number, part in enumerate(parts):
            opcode = raw.TEXT if number == 0 else raw.CONTINUATION
            client.send(raw.frame(opcode, part, fin=number == len(parts) - 1))
            client.send(raw.frame(raw.PING, b"between"))
        assert client.answer(ack_id) is not None
        client.wait(lambda: len(client.pongs) == len(parts), "a pong for each ping")
        assert set(client.pongs) == {b"between"}


UNSOUND = {
    "unmasked": lambda raw: raw.frame(raw.TEXT, b"3", masked=False),
    "reserved bit": lambda raw: raw.frame(raw.TEXT, b"3", reserved=4),
    "reserved opcode": lambda raw: raw.frame(3, b"3"),
    "reserved control opcode": lambda raw: raw.frame(11, b"3"),
    "continuation of nothing": lambda raw: raw.frame(raw.CONTINUATION, b"3"),
    "text within text": lambda raw: raw.frame(raw.TEXT, b"3", fin=False) + raw.frame(raw.TEXT, b"3"),
    "ping in parts": lambda raw: raw.frame(raw.PING, b"3", fin=False),
    "long ping": lambda raw: raw.frame(raw.PING, b"x" * 126),
    "long text": lambda raw: raw.frame(raw.TEXT, b"4" * 66_000),
    "long text, claimed": lambda raw: raw.frame(raw.TEXT, b"4", claimed=2**40),
    "long text, negative": lambda raw: raw.frame(raw.TEXT, b"4", claimed=2**64 - 1),
    "long text in parts": lambda raw: (
        raw.frame(raw.TEXT, b"4" * 60_000, fin=False) + raw.frame(raw.CONTINUATION, b"4" * 60_000) * 2
    ),
    "no UTF-8": lambda raw: raw.frame(raw.TEXT, b"42\xff"),
    "half a surrogate pair": lambda raw: raw.frame(raw.TEXT, b"42\xed\xa0\x80"),
    "close with one byte": lambda raw: raw.frame(raw.CLOSE, b"\x03"),
    "close with a code that is none": lambda raw: raw.frame(raw.CLOSE, struct.pack("!H", 5)),
    "close": lambda raw: raw.frame(raw.CLOSE, struct.pack("!H", 1000)),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_frame__unsound__ends_its_connection_and_no_other(raw: Any, bystander: Bystander, name: str) -> None:
    with contextlib.closing(raw.RawClient(bystander.node.port)) as client:
        client.send(UNSOUND[name](raw))
        client.wait(lambda: client.closed, "the end of the connection")
        assert client.code in (None, 1000, 1001, 1002, 1003, 1007, 1008, 1009)
    bystander.check()


# HTTP.

_ENGINE = b" /socket.io/?EIO=4&transport="
REQUEST_LINES = [
    b"GET / HTTP/1.1", b"GET" + _ENGINE + b"websocket HTTP/1.1", b"GET" + _ENGINE + b"polling HTTP/1.1",
    b"POST" + _ENGINE + b"polling HTTP/1.1", b"GET /socket.io/?EIO=3&transport=websocket HTTP/1.1",
    b"GET" + _ENGINE + b"websocket&sid=x HTTP/1.1", b"GET" + _ENGINE + b"websocket HTTP/1.0",
    b"OPTIONS" + _ENGINE + b"websocket HTTP/1.1", b"GET /rooms/%00/messages HTTP/1.1",
    b"GET /rooms/a/messages?limit=%ff HTTP/1.1", b"TRACE /health HTTP/1.1", b"POST /health HTTP/1.1",
    b"GET /metrics HTTP/1.0", b"GET  HTTP/1.1", b"", b"\x16\x03\x01\x02\x00\x01",
    b"POST /sync/heartbeat HTTP/1.1", b"POST /sync/event HTTP/1.1",
    b"PRI * HTTP/2.0\r\n\r\nSM", b"GET http://[/ HTTP/1.1", b"GET /\xff HTTP/1.1", b"GET /health HTTP/9.9",
]  # fmt: skip
HEADERS = [
    b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 99",
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", b"Sec-WebSocket-Key: x", b"Sec-WebSocket-Key: \xff",
    b"Sec-WebSocket-Extensions: permessage-deflate", b"Content-Length: 5\r\n\r\nabcde", b"Content-Length: -1",
    b"Content-Length: x", b"Content-Length: 99999999999", b"Transfer-Encoding: chunked", b"Host: x",
    b"Host: [", b": ", b"X: " + b"y" * 9000, b"no colon", b"Origin: null",
    b"Authorization: \xff", b"X-WordAround-Signature: x", b"Content-Length: 2\r\n\r\n{}", b"\x00: 1",
]  # fmt: skip
requests = st.tuples(
    st.sampled_from(REQUEST_LINES) | st.binary(max_size=60),
    st.lists(st.sampled_from(HEADERS) | st.binary(max_size=20), max_size=6).map(b"\r\n".join),
    st.just(b"\r\n") | st.binary(max_size=10),
).map(b"\r\n".join)


@fuzz(120)
@given(request=requests)
@example(request=b"GET / HTTP/1\r\n\r\n")
@example(request=b"GET / HTTP/x\r\n\r\n")
@example(request=b"GET /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n")
@example(request=b"POST /sync/event HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")
def test_http__any_bytes__an_error_or_the_end_and_nobody_is_harmed(
    bystander: Bystander, request: bytes
) -> None:
    address = "127.0.0.1", bystander.node.port
    with socket.create_connection(address, timeout=5) as sock, contextlib.suppress(OSError):
        sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        answer = sock.recv(65_536)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 ", b"HTTP/1.0 "))
        assert not answer.startswith(b"500", 9)
    bystander.check()


def test_handshakes__half_open__others_are_served_meanwhile(raw: Any, bystander: Bystander) -> None:
    beginning = raw.handshake(bystander.node.port)
    with contextlib.ExitStack() as stack:
        for number in range(100):
            sock = socket.create_connection(("127.0.0.1", bystander.node.port), timeout=5)
            stack.enter_context(sock)
            sock.sendall(beginning[: number * 2])
        bystander.check()


# Nothing is left behind.


def figures(node: Any) -> dict[str, float]:
    """What Prometheus reads of a node."""
    with urllib.request.urlopen(f"{node.url}/metrics", timeout=5) as answer:
        samples = [line.rpartition(" ") for line in answer.read().decode().splitlines() if line[0] != "#"]
    return {name.removeprefix("wordaround_"): float(value) for name, _, value in samples}


ATTACKS: dict[str, list[str]] = {
    "CONNECT twice": ['40{"user":"a"}'] * 5,
    "CONNECT to namespaces": [f"40/namespace-{n}," for n in range(50)],
    "binary events whose attachments never come": [
        '40{"user":"a"}', *['459-["join",{"_placeholder":true,"num":8}]'] * 20
    ],
    "acknowledgements of nothing": ['40{"user":"a"}', *["431[1]", "4399999999[]"] * 20],
    "DISCONNECT and CONNECT": ['41', '40{"user":"a"}'] * 10,
    "joins and DISCONNECT": ['40{"user":"a"}', '42["join",{"room":"left-behind"}]', "41"],
    "an event called connect": ['40{"user":"a"}', '42["connect",{},{"user":"ghost"}]', "41"],
    "an event called disconnect": ['40{"user":"a"}', '42["disconnect"]', "41"],
    "a CONNECT of somebody gone": ["1", '40{"user":"a"}'],
    "deep nesting": ['40{"user":"a"}', *["42" + "[" * 30_000] * 5],
    "long numbers": ['40{"user":"a"}', *['42["join",{"room":' + "9" * 4000 + "}]"] * 5],
    "no welcome": [],
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_attack__many_times__leaves_no_connection_no_file_and_no_memory(
    raw: Any, bystander: Bystander, until: Any, name: str
) -> None:
    def attack(times: int) -> float:
        for _ in range(times):
            with contextlib.closing(raw.RawClient(bystander.node.port, user=None)) as client:
                said = [packet.encode() for packet in ATTACKS[name]]
                client.send(b"".join(raw.frame(raw.TEXT, packet) for packet in said))
                client.hear_for(0.002)
        until(lambda: figures(bystander.node)["connections"] == 2, "only the bystander is left")
        return figures(bystander.node)["process_resident_memory_bytes"]

    attack(60)  # Until then, buffers and caches grow as they would anyway.
    files, before = figures(bystander.node)["process_open_fds"], attack(20)
    after = attack(100)
    bystander.check()
    assert figures(bystander.node)["process_open_fds"] <= files + 2
    assert after - before < 100 * 20_000, "bytes that an attack leaves behind, a hundred times"
