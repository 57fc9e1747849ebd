"""What bots and judge take for granted of the wire is what the node really speaks.

The harness shares no code with the cluster, so nothing but this holds the two together.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cluster import protocol
from cluster.protocol import VERSION, Code, Refusal
from harness.bots import conversation, outbox, wire
from harness.bots.chatter import Chatter
from harness.bots.conversation import Conversation, Self
from harness.bots.cursor import Cursor
from harness.bots.failover import Failover
from harness.bots.outbox import Outbox
from harness.bots.recorder import BotRecorder
from harness.records import codes
from harness.records.bots import NodeAddress
from harness.records.history import HistoryWriter
from harness.records.plan import wire_name
from harness.records.token import Token, make_text

RUN_ID = "3fa9c2d1"


@dataclass
class _Requests:
    """A client that keeps what a bot asks of a node."""

    made: list[tuple[str, Any, Callable[[int, list[Any]], None]]] = field(default_factory=list)

    def request(self, event: str, data: Any, answer: Callable[[int, list[Any]], None]) -> None:
        self.made.append((event, data, answer))

    def hang_up(self, reason: str) -> None:
        raise AssertionError(reason)

    def leave(self, reason: str) -> None:
        raise AssertionError(reason)

    def mind_silence(self) -> None:
        """Nothing is silent here."""


def test_names_of_a_run_are_names_of_the_protocol() -> None:
    assert protocol.valid_room(wire_name("room-1", RUN_ID))
    assert protocol.parse_connect({"user": wire_name("bot-07", RUN_ID)}).user == f"bot-07.{RUN_ID}"


def test_every_body_of_a_bot_fits_the_protocols_text() -> None:
    chatter = Chatter(4711, 2.0)
    for key in range(1, 500):
        text = make_text(Token(RUN_ID, 30, key), chatter.body())
        request = protocol.parse_send(({"room": "r", "text": text, "producer": "p", "n": key},))
        assert request.text == text


@pytest.mark.parametrize(
    "codes",
    [codes.GIVE_UP, codes.RETRY, codes.LEAVES_NO_GAP, conversation.JOIN_AGAIN, {codes.OUT_OF_ORDER}],
)
def test_the_bots_know_only_codes_that_there_are(codes: set[str]) -> None:
    assert codes <= {code.value for code in Code}


def test_the_bots_have_an_answer_to_every_code() -> None:
    assert codes.GIVE_UP | codes.RETRY | {codes.OUT_OF_ORDER} == {code.value for code in Code}


@pytest.mark.parametrize("name", ["outbox.js", "joining.js", "connection.js"])
def test_the_page_knows_only_codes_that_there_are(name: str) -> None:
    source = (Path(protocol.__file__).parent / "page" / "js" / name).read_text()
    sets = re.findall(r"new Set\(\[([^]]+)\]\)", source)
    known = set(re.findall(r'"([a-z_]+)"', " ".join(sets)))
    assert known
    assert known <= {code.value for code in Code}


@pytest.mark.parametrize("code", list(Code))
def test_a_refusal_reads_for_the_bots_as_the_node_meant_it(code: Code) -> None:
    refusal = Refusal(code, "why", definite=False, retry_after_ms=250, expected=7)
    error = wire.ack(refusal.answer())
    assert isinstance(error, outbox.SendError)
    assert (error.code, error.definite, error.retry_after_ms, error.expected) == (code.value, False, 250, 7)


def test_what_a_bot_sends_is_what_the_node_parses(tmp_path: Path) -> None:
    room, client = wire_name("room-1", RUN_ID), _Requests()
    writer = HistoryWriter(tmp_path, "bots")
    me = Self(
        rooms={room: Cursor()},
        outbox=Outbox(f"bot-01.{RUN_ID}", patience_ns=5 * 10**9),
        recorder=BotRecorder(writer, 1),
        reader=wire.Reader(writer.intern),
        failover=Failover([NodeAddress(name="node-1", url="http://127.0.0.1:1")], "node-1", Random(1)),
        with_cursor=True,
        report=lambda name, latency_ns, error: None,
        wake=lambda: None,
        page=lambda room, after, before: None,
    )
    talk = Conversation(me, client, "node-1", join_timeout_s=3)
    talk.accepted(1)
    talk.step()
    event, data, answer = client.made.pop()
    assert event == "join"
    assert protocol.parse_join((data,)).room == room
    history = {"room": room, "epoch": "e1", "messages": [], "recovered": False, "more": False}
    talk.event(2, "message_history", [history])
    answer(3, [{"ok": True, "room": room, "epoch": "e1", "seq": 4, "recovered": False}])

    me.outbox.post(room, make_text(Token(RUN_ID, 1, me.outbox.next_key), "hello"))
    talk.step()
    event, data, _ = client.made.pop()
    assert event == "send_message"
    sent = protocol.parse_send((data,))
    assert (sent.room, sent.producer, sent.n) == (room, f"bot-01.{RUN_ID}", 1)
    writer.close()


def test_both_speak_version_1() -> None:
    assert VERSION == 1
