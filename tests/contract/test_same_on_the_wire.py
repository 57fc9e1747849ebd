"""A node and a stock python-socketio server give the same frames to the same requests.

Each conversation is a function that talks to a server and returns what it saw; it is held with both, and the
two must agree, byte for byte but for what is random (ids, times) and the words of errors. So clients cannot
tell what a node is made of, however much of python-socketio, engineio and simple-websocket it goes round.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.process

NORMAL, GOING_AWAY = (code.to_bytes(2) for code in (1000, 1001))

Connect = Callable[..., Any]
Seen = list[Any]


@pytest.fixture(scope="session")
def stock_port(processes: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a stock server."""
    port = processes.free_port()
    script = Path(__file__).parent / "python" / "stock.py"
    log = tmp_path_factory.mktemp("stock") / "stock.log"
    process = processes.Process([sys.executable, str(script), str(port)], dict(os.environ), log)
    process.start()
    try:
        processes.wait_until(lambda: _listens(port), "the stock server listens")
        yield port
    finally:
        process.kill()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.fixture
def both(stock_port: int, pair: Any, raw: ModuleType) -> Iterator[Callable[..., tuple[Seen, Seen]]]:
    """Hold a conversation with both servers; returns what each showed."""
    with contextlib.ExitStack() as stack:

        def hold(conversation: Callable[..., Seen], *args: Any) -> tuple[Seen, Seen]:
            def on(port: int) -> Seen:
                def connect(**more: Any) -> Any:
                    client = raw.RawClient(port, **more)
                    stack.callback(client.close)
                    return client

                return conversation(connect, *args)

            with ThreadPoolExecutor(2) as pool:
                stock, node = pool.map(on, (stock_port, pair[0].port))
            return stock, node

        yield hold


@pytest.fixture
def on_node(pair: Any, raw: ModuleType) -> Iterator[Connect]:
    """Connect to a node alone."""
    with contextlib.ExitStack() as stack:

        def connect(**more: Any) -> Any:
            client = raw.RawClient(pair[0].port, **more)
            stack.callback(client.close)
            return client

        yield connect


def packets(client: Any, count: int) -> Seen:
    """Return acknowledgements and other packets apart: how the two interleave is nobody's promise."""
    found = [client.packet("user_list", "server_info") for _ in range(count)]
    acks = [packet for packet in found if packet.prefix.startswith("43")]
    return [acks, [packet for packet in found if packet not in acks]]


def event(name: str, *args: Any, id: "int | str" = "", namespace: str = "") -> str:
    return f"42{namespace}{id}{json.dumps([name, *args], ensure_ascii=False)}"


# Upgrade and connect.


def test_upgrade__accepted_with_the_key_that_rfc_6455_asks_for(both: Any) -> None:
    def upgrade(connect: Connect) -> Seen:
        client = connect()
        headers = {name: value.lower() for name, value in client.headers.items()}
        assert client.headers["sec-websocket-accept"] == client.accept
        return [client.status, headers["upgrade"], headers["connection"]]

    stock, node = both(upgrade)
    assert stock == node == [101, "websocket", "upgrade"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/socket.io/?EIO=4&transport=polling", {"Upgrade": "", "Connection": ""}),
        ("/socket.io/?EIO=3&transport=websocket", {}),
        ("/socket.io/?transport=websocket", {}),
        ("/socket.io/?EIO=4&transport=carrier-pigeon", {}),
        ("/socket.io/?EIO=4&transport=websocket&sid=unknown", {}),
        ("/socket.io/?EIO=4&transport=websocket", {"Origin": "http://elsewhere.example"}),
    ],
)
def test_upgrade__not_as_the_protocol_says__refused_alike(
    both: Any, path: str, headers: dict[str, str]
) -> None:
    def refused(connect: Connect) -> Seen:
        client = connect(path=path, **headers)
        return [client.status, client.body()]

    stock, node = both(refused)
    assert stock == node
    assert node[0] == 400


def test_open_and_connect__packets_and_their_order(both: Any) -> None:
    def opened(connect: Connect) -> Seen:
        client = connect()
        found = [client.packet()]
        client.send('40{"user":"ann"}')
        return [*found, client.packet(), client.packet()]

    stock, node = both(opened)
    assert stock == node
    assert [packet.prefix for packet in node] == ["0", "40", "42"]
    assert node[0].json == {
        "sid": "str", "upgrades": [], "pingTimeout": 2000, "pingInterval": 2000, "maxPayload": 65536,
    }  # fmt: skip


@pytest.mark.parametrize("auth", ['{"user":5}', '{"misspelt":"ann"}', '["ann"]', '"ann"'])
def test_connect__refused__the_same_error_and_the_connection_is_left_open(both: Any, auth: str) -> None:
    def refused(connect: Connect) -> Seen:
        client = connect()
        client.send(f"40{auth}")
        found = [client.packet(), client.packet()]
        client.send('40{"user":"ann"}')
        return [*found, client.packet()]

    stock, node = both(refused)
    assert stock == node
    assert [packet.prefix for packet in node] == ["0", "44", "40"]
    assert node[1].json["data"] == {"code": "bad_request"}


def test_connect__to_a_namespace_that_is_not_there__the_same_refusal(both: Any, room: str) -> None:
    def refused(connect: Connect) -> Seen:
        client = connect().connect()
        client.send("40/admin,{}")
        found = [client.packet()]
        client.send(
            event("leave", {"room": room}, id=1, namespace="/admin,"), event("leave", {"room": room}, id=2)
        )
        return [*found, client.packet()]

    stock, node = both(refused)
    assert stock == node
    assert [packet.prefix for packet in node] == ["44/admin,", "432"]


def test_namespace_disconnect__then_connect_again__on_the_same_connection(both: Any, room: str) -> None:
    def left(connect: Connect) -> Seen:
        client = connect().connect()
        client.send("41", event("leave", {"room": room}, id=1), '40{"user":"bob"}')
        found = [client.packet()]
        client.send(event("leave", {"room": room}, id=2))
        return [*found, client.packet("server_info")]

    stock, node = both(left)
    assert stock == node
    assert [packet.prefix for packet in node] == ["40", "432"]


# Events and acknowledgements.


@pytest.mark.parametrize("ack", [0, 1, 9, 10, 4711, 2**31, 2**53])
def test_acknowledgement__any_id__repeated_digit_by_digit(both: Any, room: str, ack: int) -> None:
    def asked(connect: Connect) -> Seen:
        client = connect().connect()
        client.send(event("join", {"room": room}, id=ack))
        joined = packets(client, 2)
        client.send(event("send_message", {"room": room}, id=ack))
        return [joined, client.packet("user_list")]

    stock, node = both(asked)
    assert stock == node
    assert node[1].prefix == f"43{ack}"


def test_event__without_an_id__is_not_acknowledged(both: Any, room: str) -> None:
    def told(connect: Connect) -> Seen:
        client = connect().connect()
        client.send(event("join", {"room": room}))
        history = client.packet("user_list")
        client.send(event("send_message", {}), event("no_such_event"), event("leave", 1))
        client.send(event("send_message", {"room": room, "text": "untold"}))
        message = client.packet("user_list")
        client.send(event("leave", {"room": room}, id=1))
        return [history, message, client.packet("user_list")]

    stock, node = both(told)
    assert stock == node
    assert [packet.event for packet in node] == ["message_history", "message", None]
    assert node[2].prefix == "431"


@pytest.mark.parametrize(
    "args",
    [(), (None,), (1, 2), ({"room": "r"}, "more"), ([],), ("",), ({"room": "r", "n": 1.5},), (True,)],
)
@pytest.mark.parametrize("name", ["join", "leave", "send_message", "no_such_event", "message", "grüße 🎈"])
def test_event__with_arguments_of_all_sorts__the_same_answer(
    both: Any, name: str, args: tuple[Any, ...]
) -> None:
    def asked(connect: Connect) -> Seen:
        client = connect().connect()
        client.send(event(name, *args, id=12))
        return [client.packet("user_list")]

    stock, node = both(asked)
    assert stock == node
    assert node[0].prefix == "4312"
    assert node[0].json[0]["error"]["code"] == "bad_request"


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "",
        'quo"ted \\ back',
        "grüße 雪 🎈",
        "\u2028\u2029\x7f\x00",
        "</script>&amp;",
        "1-2",
        "x" * 8192,
    ],
)
def test_message__any_text__acknowledged_and_delivered_alike(both: Any, room: str, text: str) -> None:
    def sent(connect: Connect) -> Seen:
        client = connect().connect()
        client.send(event("join", {"room": room}, id=0))
        joined = packets(client, 2)
        client.send(event("send_message", {"room": room, "text": text, "producer": "p", "n": 1}, id=1))
        return [joined, packets(client, 2)]

    stock, node = both(sent)
    assert stock == node
    (ack,), (message,) = node[1]
    assert ack.json[0]["seq"] == 1
    assert message.json[1]["text"] == text


def test_sends__many_in_one_segment__acknowledged_in_order_and_delivered_in_order(
    both: Any, room: str
) -> None:
    def pipelined(connect: Connect) -> Seen:
        client = connect().connect()
        client.send(event("join", {"room": room}, id=0))
        packets(client, 2)
        client.send(
            *(
                event("send_message", {"room": room, "text": f"{n}", "producer": "p", "n": n}, id=n)
                for n in range(1, 51)
            )
        )
        return packets(client, 100)

    stock, node = both(pipelined)
    assert stock == node
    acks, messages = node
    assert [ack.prefix for ack in acks] == [f"43{n}" for n in range(1, 51)]
    assert [message.json[1]["seq"] for message in messages] == list(range(1, 51))


def test_sends__refused_between_accepted_ones__each_answer_under_its_own_id(both: Any, room: str) -> None:
    def mixed(connect: Connect) -> Seen:
        client = connect().connect()
        client.send(event("join", {"room": room}, id=0))
        packets(client, 2)
        client.send(
            event("send_message", {"room": room, "text": "1", "producer": "p", "n": 1}, id=11),
            event("send_message", {"room": room, "text": 2, "producer": "p", "n": 2}, id=12),
            event("send_message", {"room": room, "text": "x" * 8193, "producer": "p", "n": 2}, id=13),
            event("send_message", {"room": room, "text": "2", "producer": "p", "n": 2}, id=14),
        )
        acks, messages = packets(client, 6)
        return [sorted(acks, key=lambda ack: str(ack.prefix)), messages]

    stock, node = both(mixed)
    assert stock == node
    assert [ack.json[0].get("error", {}).get("code") for ack in node[0]] == [
        None, "bad_request", "text_too_long", None,
    ]  # fmt: skip


def test_json__with_spaces_escapes_and_another_order__read_alike(both: Any, room: str) -> None:
    def odd(connect: Connect) -> Seen:
        client = connect().connect()
        client.send(f'420[ "join" , {{ "room" : "{room}" , "cursor":null }} ]')
        joined = packets(client, 2)
        client.send(
            f'421["send\\u005fmessage",{{"n":1,"text":"\\u00fc\\/\\ud83c\\udf88","room":"{room}","producer":"p"}}]'
        )
        sent = packets(client, 2)
        client.send(f'422[\n"leave",\t{{"room":"{room}"}}\r\n]')
        return [joined, sent, client.packet("user_list")]

    stock, node = both(odd)
    assert stock == node
    assert node[1][1][0].json[1]["text"] == "ü/🎈"
    assert node[2].prefix == "432"


@pytest.mark.parametrize(
    "form",
    [
        '42/,7["send_message",{}]',
        '427["send_message" ,{}]',
        '427 ["send_message",{}]',
        '42007["send_message",{}]',
        '4212345678901234567890["send_message",{}]',
        '427["send_message",{},{}]',
        '427["\\u0073end_message",{}]',
        '427["send_message",{"room":"ROOM","room":"r","text":"x"}]',
        '427["send_message",{"room":"ROOM","text":"x","producer":"p","n":1e0}]',
        '427["send_message",{"room":"ROOM","text":"x","producer":"p","n":-0}]',
        '427["send_message",{"room":"ROOM","text":"x","producer":"p","n":NaN}]',
        '427["send_message",[[[[[[{}]]]]]]]',
    ],
)
def test_send__written_in_another_way__answered_alike(both: Any, room: str, form: str) -> None:
    def sent(connect: Connect) -> Seen:
        client = connect().connect()
        client.send(event("join", {"room": room}, id=0))
        packets(client, 2)
        client.send(form.replace("ROOM", room), event("leave", {"room": f"{room}.other"}, id=99))
        found = [client.packet("user_list")]
        while found[-1].prefix != "4399":
            found.append(client.packet("user_list"))
        return found

    stock, node = both(sent)
    assert stock == node


def test_send__right_behind_a_leave__refused(both: Any, room: str) -> None:
    def left(connect: Connect) -> Seen:
        client = connect().connect()
        client.send(event("join", {"room": room}, id=0))
        packets(client, 2)
        client.send(
            event("leave", {"room": room}, id=1), event("send_message", {"room": room, "text": "x"}, id=2)
        )
        # In whatever order: a node's leave waits until it has delivered all that was acknowledged before.
        return [sorted(seen, key=lambda packet: packet.prefix) for seen in packets(client, 2)]

    stock, node = both(left)
    assert stock == node
    assert [ack.prefix for ack in node[0]] == ["431", "432"]
    assert node[0][1].json[0]["error"]["code"] == "not_joined"


# Heartbeats.


def test_ping__answered__the_next_comes__and_who_does_not_answer_is_dropped(
    both: Any, on_node: Connect
) -> None:
    def heartbeats(connect: Connect) -> Seen:
        client = connect().connect()
        began = time.monotonic()
        first = client.text()
        client.send("3")
        second = client.text()
        took_s = time.monotonic() - began
        client.send("3", event("leave", {"room": "r"}, id=5))
        return [first, second, client.packet().prefix, 3.8 < took_s < 8.0]

    silent = on_node().connect()
    stock, node = both(heartbeats)
    assert stock == node == ["2", "2", "435", True]
    assert silent.text() == "2"
    silent.until_end()  # A stock server lets go of a silent peer only when TCP does.


def test_engine_io_close__from_the_client__ends_the_connection(on_node: Connect) -> None:
    client = on_node().connect()
    client.send("1")
    frames = client.until_end()
    assert [frame.opcode for frame in frames if frame.opcode != 8] == []
    assert [frame.payload[:2] for frame in frames] in ([], [NORMAL])


# WebSocket frames.


def test_ping_frame__any_payload__pong_with_the_same(both: Any, raw: ModuleType, room: str) -> None:
    def pinged(connect: Connect) -> Seen:
        client = connect().connect()
        for payload in (b"", b"are you there?", bytes(range(125))):
            client.write(raw.frame(payload, opcode=raw.PING))
        client.write(raw.frame(b"unasked", opcode=raw.PONG))
        client.send(event("leave", {"room": room}, id=1))
        frames = [client.frame() for _ in range(4)]
        assert all(frame.is_plain() for frame in frames)
        return [[(frame.opcode, frame.payload) for frame in frames[:3]], frames[3].text[:3]]

    stock, node = both(pinged)
    assert stock == node
    assert node == [[(10, b""), (10, b"are you there?"), (10, bytes(range(125)))], "431"]


def leave_in_fragments(raw: ModuleType, room: str, size: int, between: bytes = b"") -> bytes:
    data = event("leave", {"room": room}, id=7).encode()
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    last = len(parts) - 1
    return between.join(
        raw.frame(part, opcode=raw.CONTINUATION if i else raw.TEXT, fin=i == last)
        for i, part in enumerate(parts)
    )


@pytest.mark.parametrize("size", [1, 2, 7, 40])
@pytest.mark.parametrize("with_pings", [False, True])
def test_message__in_fragments__put_together_and_pings_between_are_answered(
    both: Any, raw: ModuleType, room: str, size: int, with_pings: bool
) -> None:
    between = raw.frame(b"between", opcode=raw.PING) if with_pings else b""

    def fragmented(connect: Connect) -> Seen:
        client = connect().connect()
        client.write(leave_in_fragments(raw, room, size, between))
        found = []
        while not found or found[-1].opcode != raw.TEXT:
            found.append(client.frame())
        return [
            found[-1].text[:4] + str("room" in found[-1].text),
            {(f.opcode, f.payload) for f in found[:-1]},
        ]

    stock, node = both(fragmented)
    assert stock == node == ["437[True", {(10, b"between")} if with_pings else set()]


@pytest.mark.parametrize("empty", [b"", "42"])
def test_message__in_fragments_some_of_them_empty__put_together(
    both: Any, raw: ModuleType, room: str, empty: Any
) -> None:
    def fragmented(connect: Connect) -> Seen:
        client = connect().connect()
        rest = event("leave", {"room": room}, id=7)[len(empty) :]
        client.write(raw.frame(empty, fin=False))
        client.write(raw.frame(b"", opcode=raw.CONTINUATION, fin=False))
        client.write(raw.frame(rest, opcode=raw.CONTINUATION, fin=False))
        client.write(raw.frame(b"", opcode=raw.CONTINUATION))
        return [client.packet()]

    stock, node = both(fragmented)
    assert stock == node
    assert node[0].prefix == "437"


def test_message__split_in_the_middle_of_a_character__put_together(
    both: Any, raw: ModuleType, room: str
) -> None:
    def split(connect: Connect) -> Seen:
        client = connect().connect()
        data = event("grüße 🎈", {"room": room}, id=7).encode()
        cut = data.index("🎈".encode()) + 2
        client.write(raw.frame(data[:cut], fin=False) + raw.frame(data[cut:], opcode=raw.CONTINUATION))
        return [client.packet()]

    stock, node = both(split)
    assert stock == node
    assert node[0].prefix == "437"


@pytest.mark.parametrize("size", [1, 3, 11])
def test_frame__over_many_segments__read_whole(both: Any, raw: ModuleType, room: str, size: int) -> None:
    def dribbled(connect: Connect) -> Seen:
        client = connect().connect()
        long = event("leave", {"room": room, "x": "y" * 200}, id=3)
        client.dribble(raw.frame(event("leave", {"room": room}, id=1)) + raw.frame(long), size)
        return [client.packet(), client.packet()]

    stock, node = both(dribbled)
    assert stock == node
    assert [packet.prefix for packet in node] == ["431", "433"]


@pytest.mark.parametrize("size", [125, 126, 127, 65_000])
def test_frame__each_way_to_write_a_length__read_whole(both: Any, room: str, size: int) -> None:
    def long(connect: Connect) -> Seen:
        client = connect().connect()
        text = event("leave", {"room": room, "x": ""}, id=3)
        client.send(text.replace('""', f'"{"y" * (size - len(text))}"'), event("leave", {"room": room}, id=4))
        return packets(client, 2)

    stock, node = both(long)
    assert stock == node
    assert [ack.prefix for ack in node[0]] == ["433", "434"]


def test_frame__of_60_kib_in_fragments_and_segments__read_whole(
    both: Any, raw: ModuleType, room: str
) -> None:
    def huge(connect: Connect) -> Seen:
        client = connect().connect()
        data = event("leave", {"room": room, "x": "é" * 30_000}, id=3).encode()
        parts = [data[start : start + 4001] for start in range(0, len(data), 4001)]
        for i, part in enumerate(parts):
            whole = raw.frame(part, opcode=raw.CONTINUATION if i else raw.TEXT, fin=part is parts[-1])
            client.dribble(whole + raw.frame(b"", opcode=raw.PING), 1500)
        pongs = [client.frame().opcode for _ in parts]
        return [set(pongs), client.packet()]

    stock, node = both(huge)
    assert stock == node
    assert (node[0], node[1].prefix) == ({10}, "433")


def test_frame__over_the_limit__ends_its_connection_unanswered_and_no_other(
    on_node: Connect, raw: ModuleType, room: str
) -> None:
    client, other = on_node().connect(), on_node().connect()
    client.send(event("leave", {"room": room, "x": "y" * 70_000}, id=3))
    assert [frame for frame in client.until_end() if frame.opcode != raw.CLOSE] == []
    other.send(event("leave", {"room": room}, id=4))
    assert other.packet().prefix == "434"


@pytest.mark.parametrize(
    ("payload", "echoed"),
    [
        (b"\x03\xe8", b"\x03\xe8"),
        (b"\x03\xe9going away", b"\x03\xe9"),
        (b"\x0b\xb9", b"\x0b\xb9"),
        (b"", b""),
    ],
)
def test_close_frame__with_and_without_a_code__echoed_then_the_end(
    both: Any, on_node: Connect, raw: ModuleType, payload: bytes, echoed: bytes
) -> None:
    def closed(connect: Connect) -> Seen:
        client = connect().connect()
        client.write(raw.frame(payload, opcode=raw.CLOSE))
        return [client.until_close_frame().payload[:2]]

    stock, node = both(closed)
    assert stock == node == [echoed]
    client = on_node().connect()
    client.write(raw.frame(payload, opcode=raw.CLOSE))
    client.until_end()  # A stock server keeps the connection for 10 s more.


@pytest.mark.parametrize("offer", ["permessage-deflate", "permessage-deflate; client_max_window_bits"])
def test_compression__offered__declined_or_it_works_both_ways(
    both: Any, raw: ModuleType, room: str, offer: str
) -> None:
    def compressed(connect: Connect) -> Seen:
        client = connect(Sec_WebSocket_Extensions=offer).connect()
        deflate = zlib.compressobj(wbits=-9)
        found = []
        for n in (1, 2):
            data = event("leave", {"room": room, "x": "y" * 500}, id=n).encode()
            if client.deflates:
                packed = deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)
                client.write(raw.frame(packed.removesuffix(b"\0\0\xff\xff"), rsv=4))
            else:
                client.write(raw.frame(data))
            found.append(client.packet())
        client.send(event("leave", {"room": room}, id=3))  # A client may leave a message as it is.
        return [*found, client.packet()]

    stock, node = both(compressed)
    assert stock == node
    assert [packet.prefix for packet in node] == ["431", "432", "433"]


TEXT_1 = event("leave", {"room": "r"}, id=1)
BROKEN: dict[str, Callable[[Any], bytes]] = {
    "unmasked": lambda raw: raw.frame(TEXT_1, masked=False),
    "reserved bit": lambda raw: raw.frame(TEXT_1, rsv=2),
    "compressed unasked": lambda raw: raw.frame(TEXT_1, rsv=4),
    "reserved opcode": lambda raw: raw.frame(TEXT_1, opcode=3),
    "reserved control opcode": lambda raw: raw.frame(b"", opcode=11),
    "continues nothing": lambda raw: raw.frame(TEXT_1, opcode=raw.CONTINUATION),
    "begins in the middle of another": lambda raw: raw.frame("42", fin=False) + raw.frame(TEXT_1),
    "fragmented ping": lambda raw: raw.frame(b"x", opcode=raw.PING, fin=False),
    "long ping": lambda raw: raw.frame(b"x" * 126, opcode=raw.PING),
    "half a close code": lambda raw: raw.frame(b"\x03", opcode=raw.CLOSE),
    "close code 1005": lambda raw: raw.frame(b"\x03\xed", opcode=raw.CLOSE),
    "no utf-8": lambda raw: raw.frame(b'421["\xff"]'),
    "surrogate in utf-8": lambda raw: raw.frame(b'421["\xed\xa0\x80"]'),
    "length over 63 bits": lambda raw: b"\x81\xff" + b"\xff" * 8 + b"\0" * 4,
    "no frame at all": lambda raw: b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_frame__broken__ends_its_connection_unanswered_and_no_other(
    on_node: Connect, raw: ModuleType, room: str, kind: str
) -> None:
    broken, other = on_node().connect(), on_node().connect()
    broken.write(BROKEN[kind](raw))
    assert [frame for frame in broken.until_end() if frame.opcode != raw.CLOSE] == []
    other.send(event("leave", {"room": room}, id=4))
    assert other.packet().prefix == "434"


def test_drain__what_comes_last__neither_a_disconnect_nor_an_engine_io_close(
    world: Any, raw: ModuleType, until: Any
) -> None:
    """After "41" no official client, after "1" no python-socketio client reconnects by itself."""
    node = world.node("leaving")
    with contextlib.closing(raw.RawClient(node.port)) as client:
        client.connect()
        node.process.signal(signal.SIGTERM)
        frames = client.until_end()
    assert node.process.wait() == 0
    texts = [frame.text for frame in frames if frame.opcode == raw.TEXT]
    assert any('"draining":true' in text.replace(" ", "") for text in texts)
    assert [text for text in texts if text in ("41", "1")] == []
    closes = [frame.payload[:2] for frame in frames if frame.opcode == raw.CLOSE]
    assert closes in ([], [GOING_AWAY], [NORMAL])
