"""The way to Redis when an exchange ends in the middle: only what was answered counts as answered."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import BinaryIO

import pytest
from redis.exceptions import NoScriptError

from cluster.storage.link import SCRIPTS, AnswerLost, Health, Link

NOSCRIPT = b"-NOSCRIPT No matching script.\r\n"
Serve = Callable[..., Link]


def read_command(stream: BinaryIO) -> list[bytes]:
    return [stream.read(int(stream.readline()[1:]) + 2)[:-2] for _ in range(int(stream.readline()[1:]))]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a maker of links to a Redis that greets them, says these replies, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []
    links: list[Link] = []

    def run(says: list[bytes]) -> None:
        sock, _ = listener.accept()
        greeted = 0
        with sock, sock.makefile("rb") as stream:
            while says:
                name = read_command(stream)[0]
                if name == b"INFO":
                    sock.sendall(b"$12\r\nrun_id:abcd\n\r\n")
                elif name == b"CLIENT" or (name == b"SCRIPT" and greeted < len(SCRIPTS)):
                    greeted += name == b"SCRIPT"
                    sock.sendall(b"+OK\r\n")
                else:
                    sock.sendall(says.pop(0))

    def start(*says: bytes) -> Link:
        threads.append(threading.Thread(target=run, args=(list(says),)))
        threads[-1].start()
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        links.append(Link(url, Health(), timeout_s=5, connections=1))
        return links[-1]

    yield start
    for link in links:
        link.close()
    for thread in threads:
        thread.join(5)
    listener.close()


def test_run__scripts_unknown_from_the_second_command_on__answers_lost__only_the_first_counts(
    serve: Serve,
) -> None:
    link = serve(b":1\r\n", NOSCRIPT, NOSCRIPT, *[b"+OK\r\n"] * len(SCRIPTS), b":2\r\n")
    with pytest.raises(AnswerLost) as lost:
        link.run([("EVALSHA", "x", 0)] * 3)
    assert lost.value.replies == [1]


def test_run__scripts_unknown__the_loads_are_cut_off__nothing_was_answered(serve: Serve) -> None:
    link = serve(NOSCRIPT, NOSCRIPT, b"+OK\r\n", b"+OK\r\n")
    with pytest.raises(AnswerLost) as lost:
        link.run([("EVALSHA", "x", 0)] * 2)
    assert lost.value.replies == []


def test_run__scripts_unknown_and_loading_them_refused__each_command_says_so(serve: Serve) -> None:
    refused = [b"-ERR no loads today\r\n"] * len(SCRIPTS)
    link = serve(b":1\r\n", NOSCRIPT, *refused, NOSCRIPT)
    first, second = link.run([("EVALSHA", "x", 0)] * 2)
    assert first == 1
    assert isinstance(second, NoScriptError)


def test_run__what_comes_is_no_redis_protocol__the_answer_is_lost(serve: Serve) -> None:
    link = serve(b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(AnswerLost) as lost:
        link.run([("PING",)])
    assert lost.value.replies == []
