"""What a node writes and reads: who is too slow, in which order events are handled, who is silent."""

import contextlib
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from tests.integration.node.raw_client import CLOSE, HOST, TEXT, RawClient, frame

pytestmark = pytest.mark.process

SLOW = "this connection does not read as fast as messages come; resume from your cursor"


def join(client: RawClient, room: str, cursor: dict[str, Any] | None = None) -> dict[str, Any]:
    payload = {"room": room} | ({"cursor": cursor} if cursor else {})
    client.say(f'421["join",{json.dumps(payload)}]')
    answer = client.answer(1)
    assert answer is not None
    (found,) = json.loads("[" + answer[1:])
    assert found["ok"], found
    return dict(found)


def messages(client: RawClient, event: str) -> list[Any]:
    begins = f'42["{event}",'
    return [json.loads(packet[2:])[1] for packet in client.heard if packet.startswith(begins)]


@pytest.fixture
def node(world: Any) -> Any:
    """A node of the test's own that keeps no more than 1 MiB for a connection."""
    return world.node(f"small-{time.monotonic_ns()}", BUFFER_BYTES="1048576", LOG_LEVEL="info")


def too_slow(node: Any) -> bool:
    return any(line["event"] == "reader_too_slow" for line in node.process.lines())


def fill(world: Any, node: Any, room: str) -> str:
    """Write 2000 messages, 16 MB, through a node; returns the epoch."""
    ann = world.client(node, "filler")
    epoch = ann.join(room)["epoch"]
    for n in range(1, 2001):
        ann.io.emit("send_message", {"room": room, "text": "x" * 8000, "producer": "p", "n": n})
        if n % 100 == 0:  # Or its pongs would wait behind 16 MB.
            ann.wait_for(lambda n=n: len(ann.live(room)) == n, f"{n} messages", 60)
    return str(epoch)


def test_reader__too_slow__ended_with_the_reason__resumes_without_a_gap(
    world: Any, node: Any, room: str
) -> None:
    slow, ann = RawClient(node.port, user="slow"), world.client(node)
    epoch = join(slow, room)["epoch"]
    ann.join(room)
    count, text = 0, "x" * 8000
    while not too_slow(node):  # Quickly: who reads nothing answers no ping either, and is silent after 4 s.
        for _ in range(99):
            ann.io.emit("send_message", {"room": room, "text": text})
        assert ann.send(room, text)["ok"], "nobody else has to wait for a slow reader"
        count += 100
        assert count < 5000, "the kernel does not buffer 40 MB for a reader"
    ann.wait_for(lambda: len(ann.live(room)) == count, "all messages, for who reads")
    slow.hear_for(9)  # wsproto fails the test where a frame is torn.
    got = [message["seq"] for message in messages(slow, "message")]
    assert (slow.closed, slow.code) == (True, 1008), len(got)
    assert got == list(range(1, len(got) + 1))
    assert len(got) < count
    again = RawClient(node.port, user="slow")
    answer = join(again, room, {"epoch": epoch, "seq": len(got)})
    assert (answer["recovered"], answer["seq"]) == (True, count)
    missed = [m["seq"] for chunk in messages(again, "message_history") for m in chunk["messages"]]
    assert missed == list(range(len(got) + 1, count + 1))
    for client in (slow, again):
        client.close()


def test_resume__from_far_back__page_by_page_while_others_send__nothing_missing(
    pair: Any, world: Any, node: Any, room: str
) -> None:
    """16 MB do not fit into the buffer that this node has for a connection; nobody is too slow for that."""
    epoch = fill(world, pair[0], room)
    ann, bob = world.client(node), RawClient(node.port, user="bob")
    ann.join(room)
    bob.say(f'421["join",{{"room":"{room}","cursor":{{"epoch":"{epoch}","seq":3}}}}]')
    for n in range(1, 21):
        assert ann.send(room, "while bob reads", producer="q", n=n)["ok"]
    answer = json.loads("[" + (bob.answer(1) or "")[1:])[0]
    chunks = messages(bob, "message_history")
    got = [message["seq"] for chunk in chunks for message in chunk["messages"]]
    assert got == list(range(4, answer["seq"] + 1))
    assert {chunk["recovered"] for chunk in chunks} == {answer["recovered"]} == {True}
    assert [chunk["more"] for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    bob.wait(lambda: len(got) + len(messages(bob, "message")) == 2017, "what came meanwhile, live")
    assert [m["seq"] for m in messages(bob, "message")] == list(range(answer["seq"] + 1, 2021))
    assert not too_slow(node)
    bob.close()


def test_resume__from_far_back_by_one_who_reads_nothing__ended_in_time(
    pair: Any, world: Any, node: Any, room: str
) -> None:
    epoch = fill(world, pair[0], room)
    bob = RawClient(node.port, user="bob")
    bob.say(f'421["join",{{"room":"{room}","cursor":{{"epoch":"{epoch}","seq":0}}}}]')
    deadline = time.monotonic() + 40
    while node.get("/info")[1]["connections"] > 0:
        assert time.monotonic() < deadline, "whoever takes nothing is not waited for for ever"
        time.sleep(0.2)  # Between two looks there is nothing to wait for.
    bob.close()


def test_leave_and_send__in_one_segment__the_send_is_handled_behind_the_leave(pair: Any, room: str) -> None:
    """`send_message` takes a short path, which must not overtake what was sent before it."""
    client = RawClient(pair[0].port)
    join(client, room)
    for number in range(20):
        client.send(
            frame(TEXT, f'422["leave",{{"room":"{room}"}}]'.encode())
            + frame(TEXT, f'423["send_message",{{"room":"{room}","text":"{number}"}}]'.encode())
        )
        assert '"ok":true' in (client.answer(2) or "")
        assert '"not_joined"' in (client.answer(3) or ""), number
        client.heard.clear()
        join(client, room)
        client.heard.clear()
    client.close()


def test_sends__hundreds_in_one_segment__acknowledged_in_order_and_committed_in_order(
    pair: Any, room: str
) -> None:
    client = RawClient(pair[0].port)
    join(client, room)
    sends = [
        f'42{100 + n}["send_message",{{"room":"{room}","text":"{n}","producer":"p","n":{n}}}]'
        for n in range(1, 301)
    ]
    client.send(b"".join(frame(TEXT, text.encode()) for text in sends))
    client.wait(lambda: sum(packet.startswith("43") for packet in client.heard) == 301, "300 answers")
    acks = [packet for packet in client.heard if packet.startswith("43") and not packet.startswith("431[")]
    assert [int(ack[2 : ack.index("[")]) for ack in acks] == list(range(101, 401))
    assert [json.loads(ack[ack.index("[") :])[0]["seq"] for ack in acks] == list(range(1, 301))
    client.wait(lambda: len(messages(client, "message")) == 300, "300 messages")
    assert [m["text"] for m in messages(client, "message")] == [str(n) for n in range(1, 301)]
    client.close()


def test_send__unusual_spelling_of_its_frame__the_same_answer(pair: Any, room: str) -> None:
    """What the short path does not take goes the long way and ends alike."""
    client = RawClient(pair[0].port)
    join(client, room)
    payload = f'{{"room":"{room}","text":"t"}}'
    spellings = {
        7: f'427["send_message",{payload}]',
        8: f'428[ "send_message" , {payload} ]',
        9: f'429["send\\u005fmessage",{payload}]',
        10: f'42/,10["send_message",{payload}]',
        11: f'4211["send_message",{payload}, 1]',
        12: '4212["send_message"]',
    }  # fmt: skip
    answers = {}
    for number, text in spellings.items():
        client.say(text)
        answers[number] = json.loads("[" + (client.answer(number) or "")[1:])[0]
    assert [answers[number]["ok"] for number in spellings] == [True, True, True, True, False, False]
    assert {answers[number]["error"]["code"] for number in (11, 12)} == {"bad_request"}
    assert [answers[number]["seq"] for number in (7, 8, 9, 10)] == [1, 2, 3, 4]
    client.close()


# --- silence: each kind is seconds of waiting, so all of them are silent at the same time ------------------


def only_unasked_pongs(port: int) -> str | None:
    with closing(RawClient(port)) as client:
        for _ in range(500):
            client.say("3")
        client.hear_for(5)
        client.say('425["leave",{"room":"nowhere"}]')
        return client.answer(5)


def no_pong(port: int) -> tuple[bytes, float]:
    with closing(RawClient(port)) as client:
        client.sock.settimeout(10)
        heard = b""
        began = time.monotonic()
        while data := client.sock.recv(65_536):
            heard += data
        return heard, time.monotonic() - began


def other_words_than_pongs(port: int) -> bytes:
    with closing(RawClient(port)) as client:
        heard = b""
        for number in range(10, 20):
            client.say(f'42{number}["leave",{{"room":"nowhere"}}]')
            ends = time.monotonic() + 0.8
            while (left := ends - time.monotonic()) > 0:
                client.sock.settimeout(left)
                with contextlib.suppress(TimeoutError):
                    heard += client.sock.recv(65_536)
        return heard


def pongs_and_no_connect(port: int) -> tuple[bool, int | None, float]:
    with closing(RawClient(port, user=None)) as client:
        began = time.monotonic()
        client.hear_for(20)
        return client.closed, client.code, time.monotonic() - began


def pongs_and_a_connect(port: int) -> str | None:
    with closing(RawClient(port)) as client:
        client.hear_for(18)  # longer than who never connects is borne
        client.say('425["leave",{"room":"nowhere"}]')
        return client.answer(5)


KINDS = (only_unasked_pongs, no_pong, other_words_than_pongs, pongs_and_no_connect, pongs_and_a_connect)


@pytest.fixture(scope="module")
def silence(pair: Any) -> Iterator[Callable[[Callable[[int], Any]], Any]]:
    """Waits for the end of a kind of silence, and returns or raises what came of it."""
    with ThreadPoolExecutor(len(KINDS)) as pool:
        ends = {kind: pool.submit(kind, pair[0].port) for kind in KINDS}
        yield lambda kind: ends[kind].result()


def test_pong__unasked_and_many__no_ping_for_each(silence: Any) -> None:
    assert silence(only_unasked_pongs) is not None, "it is still connected, having answered its ping"


def test_silence__no_pong__ended_within_two_intervals(silence: Any) -> None:
    heard, took_s = silence(no_pong)
    assert heard.count(b"\x81\x012") == 1, "it was asked first, and once"
    assert 3.5 < took_s < 8


def test_silence__no_pong_but_other_words__stays(silence: Any) -> None:
    heard = silence(other_words_than_pongs)
    assert heard.count(b"\x81\x012") >= 3, "it was asked, and answered with something else"
    assert b"4319[" in heard, "the last of what it said was answered"


def test_silence__websocket_without_a_socketio_connect__ended_though_it_answers_pings(silence: Any) -> None:
    closed, code, took_s = silence(pongs_and_no_connect)
    assert (closed, code) == (True, 1008)
    assert took_s > 10, "a slow network has its time"


def test_silence__pongs_alone_after_a_socketio_connect__stays(silence: Any) -> None:
    assert silence(pongs_and_a_connect) is not None, "who has said who it is stays"


def test_close__by_the_client__its_code_comes_back_and_the_connection_ends(pair: Any) -> None:
    client = RawClient(pair[0].port)
    client.send(frame(CLOSE, (4321).to_bytes(2)))
    client.wait(lambda: client.closed, "the end")
    assert client.code == 4321
    client.close()


def test_flood__of_http_requests_on_one_connection__others_are_served_meanwhile(
    lone_node: Any, room: str
) -> None:
    ann = RawClient(lone_node.port)
    join(ann, room)
    with socket.create_connection((HOST, lone_node.port), timeout=60) as flooder:
        over = threading.Event()

        def flood() -> None:
            with contextlib.suppress(OSError):
                while not over.is_set():
                    flooder.sendall(b"GET /info HTTP/1.1\r\nHost: x\r\n\r\n" * 100)

        def read() -> None:
            try:
                while flooder.recv(1 << 20):
                    pass
            except ConnectionResetError:  # What the node sends to a socket that is shut meets a reset.
                assert over.is_set(), "the node threw the flooder out"

        threads = [threading.Thread(target=flood), threading.Thread(target=read)]
        for thread in threads:
            thread.start()
        try:
            for number in range(10, 30):
                ann.say(f'42{number}["send_message",{{"room":"{room}","text":"x"}}]')
                assert '"ok":true' in (ann.answer(number) or "")
        finally:
            over.set()
            ann.close()
            flooder.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(30)


def test_close__with_a_leave_waiting_behind_a_join__no_bug(own_world: Any, until: Any) -> None:
    node = own_world.node("node-1", LOG_LEVEL="info")
    client = RawClient(node.port)
    join(client, "r")
    own_world.redis.process.signal(signal.SIGSTOP)  # The join waits for Redis, and the leave for the join.
    client.say('422["join",{"room":"r2"}]')
    client.say('423["leave",{"room":"r"}]')
    client.hear_for(0.3)
    client.close()
    until(lambda: node.get("/info")[1]["connections"] == 0, "it is gone")
    own_world.redis.process.signal(signal.SIGCONT)
    until(lambda: node.get("/ready")[0] == 200, "ready")
    client = RawClient(node.port)
    join(client, "r")  # Whatever waited has been handled by now.
    client.close()
    assert [line for line in node.process.lines() if line["level"] == "error"] == []


def test_send__after_a_socketio_disconnect__has_no_effect(pair: Any, room: str) -> None:
    client = RawClient(pair[0].port)
    join(client, room)
    client.say("41")
    client.hear_for(0.3)
    client.say(f'422["send_message",{{"room":"{room}","text":"late"}}]')
    client.hear_for(0.3)
    assert [packet for packet in client.heard if packet.startswith("432")] == []
    assert pair[0].messages(room) == []
    client.say('40{"user":"fuzz"}')  # The WebSocket is still there for another session.
    client.wait(lambda: sum(packet.startswith("40{") for packet in client.heard) == 2, "welcome again")
    join(client, room)
    client.close()


@pytest.mark.parametrize(
    "packet",
    [
        "6",
        '42["send_message",{"room":"nowhere","text":"x"}]',
        '42["send_message",{"room":"flood","text":"x"}]',
        '42["join",{"room":"flood"}]',
    ],
)
def test_flood__by_one_client__others_are_served_meanwhile(lone_node: Any, room: str, packet: str) -> None:
    flooder, ann = RawClient(lone_node.port), RawClient(lone_node.port)
    join(flooder, "flood")
    join(ann, room)
    flooder.sock.settimeout(60)
    over = threading.Event()

    def flood() -> None:
        data = frame(TEXT, packet.encode()) * 1000
        while not over.is_set() and not flooder.closed:
            flooder.send(data)

    def read() -> None:
        try:
            while flooder.sock.recv(1 << 20):
                pass
        except ConnectionResetError:  # What the node sends to a socket that the test has shut meets a reset.
            assert over.is_set(), "the node threw the flooder out"

    threads = [threading.Thread(target=flood), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    try:
        for number in range(10, 30):
            ann.say(f'42{number}["send_message",{{"room":"{room}","text":"x"}}]')
            assert '"ok":true' in (ann.answer(number) or "")
        assert not flooder.closed, "who says much is made to wait, not thrown out"
    finally:
        over.set()
        ann.close()
        flooder.sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(30)
        flooder.close()
