"""One connection of a bot, with a client that only takes notes: what is done when, and what is recorded."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import clock
from harness.bots.conversation import Conversation, Self
from harness.bots.cursor import Cursor
from harness.bots.failover import Failover
from harness.bots.outbox import Outbox
from harness.bots.recorder import BotRecorder
from harness.bots.wire import Reader
from harness.records.bots import NodeAddress
from harness.records.history import (
    FLAG_FROM_HISTORY,
    FLAG_MORE,
    FLAG_RECOVERED,
    HistoryFile,
    HistoryWriter,
    Op,
    read_history_file,
)

ROOM = "room-1.0a1b2c3d"


class NotingClient:
    """Keeps requests with their answers to be; looks at the file at the moment of each write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.talk: Conversation | None = None
        self.asked: list[tuple[str, Any, Callable[[int, list[Any]], None]]] = []
        self.on_disk: list[list[Op]] = []
        self.ended = ""

    def request(self, event: str, data: Any, answer: Callable[[int, list[Any]], None]) -> None:
        self.asked.append((event, data, answer))
        self.on_disk.append([row.op for row in read_history_file(self.folder / "bots-1.events").rows])

    def hang_up(self, reason: str) -> None:
        self.ended = reason
        assert self.talk is not None
        self.talk.lost(clock.now_ns(), reason)

    def leave(self, reason: str) -> None:
        self.hang_up(reason)

    def mind_silence(self) -> None:
        raise AssertionError("nobody asked for it")


class Scene:
    """A bot in one room on its first connection."""

    def __init__(self, folder: Path, *, with_cursor: bool = True, patience_s: float = 5.0) -> None:
        self.folder = folder
        self.writer = HistoryWriter(folder, "bots-1")
        self.paged: list[tuple[str, int, int]] = []
        self.reports: list[tuple[str, str | None]] = []
        self.woken = 0
        self.me = Self(
            rooms={ROOM: Cursor()},
            outbox=Outbox("bot-01.0a1b2c3d", patience_ns=int(patience_s * clock.NS)),
            recorder=BotRecorder(self.writer, 1),
            reader=Reader(self.writer.intern),
            failover=Failover([NodeAddress(name="node-1", url="http://n")], "node-1", random.Random(1)),
            with_cursor=with_cursor,
            report=lambda name, latency_ns, error: self.reports.append((name, error)),
            wake=self._wake,
            page=lambda room, after, before: self.paged.append((room, after, before)),
        )
        self.connect()

    def connect(self, *, join_timeout_s: float = 3.0) -> None:
        self.me.recorder.conn += 1
        self.client = NotingClient(self.folder)
        self.talk = Conversation(self.me, self.client, "node-1", join_timeout_s=join_timeout_s)
        self.client.talk = self.talk
        self.talk.accepted(clock.now_ns())

    def answer(self, value: Any) -> None:
        """Answer the oldest request."""
        _, _, answer = self.client.asked.pop(0)
        answer(clock.now_ns(), [value])

    def history(self, *seqs: int, **fields: Any) -> None:
        chunk = {
            "room": ROOM,
            "epoch": "e",
            "messages": [message(seq) for seq in seqs],
            "recovered": False,
            "more": False,
        }
        self.talk.event(clock.now_ns(), "message_history", [{**chunk, **fields}])

    def join(self, *seqs: int) -> None:
        """Join with a snapshot."""
        self.talk.step()
        self.history(*seqs)
        self.answer({"ok": True, "epoch": "e", "seq": max(seqs, default=0), "recovered": False})

    def recorded(self) -> HistoryFile:
        self.writer.flush()
        return read_history_file(self.folder / "bots-1.events")

    def ops(self) -> list[Op]:
        return [row.op for row in self.recorded().rows]

    def _wake(self) -> None:
        self.woken += 1


def message(seq: int) -> dict[str, Any]:
    return {"room": ROOM, "epoch": "e", "seq": seq, "text": f"text {seq}"}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_history_comes_before_its_deliveries_and_both_before_the_acknowledgement(scene: Scene) -> None:
    scene.talk.step()
    scene.history(1, 2, recovered=True, more=True)
    scene.answer({"ok": True, "epoch": "e", "seq": 2, "recovered": True})
    rows = scene.recorded().rows
    assert [(row.op, row.flags, row.c) for row in rows] == [
        (Op.CONNECT, 0, 0),
        (Op.JOIN, 0, 0),
        (Op.HISTORY, FLAG_RECOVERED | FLAG_MORE, 2),
        (Op.DELIVERY, FLAG_FROM_HISTORY, 0),
        (Op.DELIVERY, FLAG_FROM_HISTORY, 0),
        (Op.JOIN_OK, FLAG_RECOVERED, 2),
    ]


def test_invokes_are_on_disk_before_the_frame_is_written(scene: Scene) -> None:
    scene.talk.step()
    assert scene.client.on_disk[0][-1] is Op.JOIN
    scene.history()
    scene.answer({"ok": True, "epoch": "e", "seq": 0, "recovered": False})
    scene.me.outbox.post(ROOM, "text")
    scene.talk.step()
    assert scene.client.on_disk[1][-1] is Op.SEND


def test_nothing_is_sent_before_the_join_is_acknowledged(scene: Scene) -> None:
    scene.me.outbox.post(ROOM, "text")
    scene.talk.step()
    scene.talk.step()
    assert [event for event, _, _ in scene.client.asked] == ["join"]


def test_resume_carries_the_cursor_of_what_was_received_not_of_what_was_acknowledged(scene: Scene) -> None:
    scene.join(1, 2)
    scene.me.outbox.post(ROOM, "text")
    scene.talk.step()
    scene.answer({"ok": True, "epoch": "e", "seq": 9, "duplicate": False})
    scene.talk.lost(clock.now_ns(), "transport")
    scene.connect()
    scene.talk.step()
    assert scene.client.asked[0][1] == {"room": ROOM, "cursor": {"epoch": "e", "seq": 2}}
    joins = [row for row in scene.recorded().rows if row.op is Op.JOIN]
    assert [(row.conn, row.c) for row in joins] == [(1, 0), (2, 3)]


def test_without_positions_a_resume_has_no_cursor_and_pages_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, with_cursor=False)
    scene.join(1, 2)
    scene.talk.lost(clock.now_ns(), "transport")
    scene.connect()
    scene.join(8, 9)
    assert scene.paged == []
    assert all(row.c == 0 for row in scene.recorded().rows if row.op is Op.JOIN)


def test_snapshot_beyond_the_cursor_asks_for_what_it_leaves_out(scene: Scene) -> None:
    scene.join(1, 2)
    scene.talk.lost(clock.now_ns(), "transport")
    scene.connect()
    scene.join(8, 9)
    assert scene.paged == [(ROOM, 2, 8)]


def test_lost_connection_ends_attempts_once_and_then_nothing_more_is_taken(scene: Scene) -> None:
    scene.join()
    scene.me.outbox.post(ROOM, "text")
    scene.talk.step()
    (_, payload, answer) = scene.client.asked[0]
    scene.talk.lost(5, "reset")
    scene.talk.lost(6, "reset again")
    answer(7, [{"ok": True, "epoch": "e", "seq": 1, "duplicate": False}])
    assert scene.ops()[-2:] == [Op.DISCONNECT, Op.SEND_LOST]
    assert scene.talk.step() is None
    scene.connect()
    scene.join()
    scene.talk.step()
    assert scene.client.asked[0][1] == payload
    assert (scene.me.outbox.acked, scene.me.outbox.unresolved) == (0, 1)


def test_acknowledgement_of_a_join_after_the_connection_was_lost_is_nothing(scene: Scene) -> None:
    scene.talk.step()
    scene.talk.lost(5, "reset")
    scene.answer({"ok": True, "epoch": "e", "seq": 4, "recovered": False})
    assert scene.ops()[-1] is Op.DISCONNECT
    assert scene.me.rooms[ROOM].position is None


def test_join_that_is_not_acknowledged_in_time_ends_the_connection(scene: Scene) -> None:
    scene.talk.lost(1, "transport")
    scene.connect(join_timeout_s=0.0)
    scene.talk.step()
    scene.talk.step()
    assert scene.client.ended == "join not acknowledged within 0 s"
    assert scene.ops()[-2:] == [Op.JOIN_FAILED, Op.DISCONNECT]


def test_join_refused_for_good_ends_the_connection(scene: Scene) -> None:
    scene.talk.step()
    scene.answer({"ok": False, "error": {"code": "draining", "message": "going", "definite": True}})
    assert scene.client.ended == "join refused: draining: going"
    assert not scene.talk.is_joined


def test_join_refused_for_the_moment_waits_on_the_same_connection(scene: Scene) -> None:
    scene.talk.step()
    scene.answer(
        {"ok": False, "error": {"code": "store_unavailable", "definite": True, "retry_after_ms": 400}}
    )
    due = scene.talk.step()
    assert due is not None
    assert due > clock.now_ns() + 300_000_000
    assert scene.client.ended == ""
    assert scene.client.asked == []


def test_pause_of_a_refused_join_does_not_outlast_the_join(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = clock.now_ns()
    scene.talk.step()
    scene.answer({"ok": False, "error": {"code": "rate_limited", "definite": True, "retry_after_ms": 60_000}})
    due = scene.talk.step()
    assert due is not None
    assert before + 3 * clock.NS <= due <= clock.now_ns() + 3 * clock.NS
    monkeypatch.setattr("harness.clock.now_ns", lambda: due)
    assert scene.talk.step() is None
    assert scene.client.ended == "join not acknowledged within 3 s"
    assert scene.ops()[-2:] == [Op.JOIN_FAILED, Op.DISCONNECT]


def test_largest_position_can_be_a_cursor_and_what_is_beyond_moves_nothing(scene: Scene) -> None:
    scene.join(2**32 - 2, 2**32 - 1)
    scene.talk.event(clock.now_ns(), "message", [message(2**32 - 1)])
    scene.talk.lost(clock.now_ns(), "transport")
    scene.connect()
    scene.talk.step()
    assert scene.client.asked[0][1]["cursor"] == {"epoch": "e", "seq": 2**32 - 2}
    joins = [row.c for row in scene.recorded().rows if row.op is Op.JOIN]
    assert joins == [0, 2**32 - 1]


def test_not_joined_joins_again_before_it_resends(scene: Scene) -> None:
    scene.join()
    scene.me.outbox.post(ROOM, "text")
    scene.talk.step()
    woken = scene.woken
    scene.answer({"ok": False, "error": {"code": "not_joined", "definite": True}})
    assert scene.woken == woken + 1
    assert not scene.talk.is_joined
    scene.talk.step()
    assert [event for event, _, _ in scene.client.asked] == ["join"]


def test_malformed_acknowledgement_leaves_the_attempt_open(scene: Scene) -> None:
    scene.join()
    scene.me.outbox.post(ROOM, "text")
    scene.talk.step()
    scene.answer("what?")
    assert scene.ops()[-1] is Op.BOT_ERROR
    assert scene.me.outbox.unresolved == 1
    assert len(scene.me.outbox.cut_off()) == 1


def test_live_messages_are_recorded_whatever_they_are(scene: Scene) -> None:
    scene.join()
    for value in (message(1), {"room": "elsewhere", "text": "x"}, "no object"):
        scene.talk.event(clock.now_ns(), "message", [value])
    file = scene.recorded()
    deliveries = [file.text(row.a) for row in file.rows if row.op is Op.DELIVERY]
    assert deliveries[1:] == ['{"room":"elsewhere","text":"x"}', '"no object"']
    assert sum(row.op is Op.BOT_ERROR for row in file.rows) == 2
    assert scene.me.rooms[ROOM].position == ("e", 1)


def test_next_step_is_due_when_patience_ends(tmp_path: Path) -> None:
    scene = Scene(tmp_path, patience_s=2.0)
    scene.join()
    assert scene.talk.step() is None
    scene.me.outbox.post(ROOM, "text")
    before = clock.now_ns()
    due = scene.talk.step()
    assert due is not None
    assert before + 2 * clock.NS <= due <= clock.now_ns() + 2 * clock.NS


def test_outcomes_are_reported(scene: Scene) -> None:
    scene.join()
    for text in ("x", "y", "z"):
        scene.me.outbox.post(ROOM, text)
    scene.talk.step()
    scene.answer({"ok": True, "epoch": "e", "seq": 1, "duplicate": False})
    scene.answer({"ok": False, "error": {"code": "rate_limited", "definite": True}})
    scene.talk.lost(clock.now_ns(), "reset")
    assert scene.reports == [
        ("join", None),
        ("send_message", None),
        ("send_message", "refused: rate_limited"),
        ("send_message", "lost: reset"),
    ]


# Leaving and coming back


def test_a_leave_is_on_disk_before_the_socket_and_its_position_is_recorded(scene: Scene) -> None:
    scene.join(1, 2)
    scene.talk.leave_room(ROOM)
    event, payload, _ = scene.client.asked[0]
    assert (event, payload) == ("leave", {"room": ROOM})
    assert scene.client.on_disk[-1][-1] is Op.LEAVE
    scene.answer({"ok": True, "epoch": "e", "seq": 7})
    ok = scene.recorded().rows[-1]
    assert (ok.op, ok.c) == (Op.LEAVE_OK, 7)
    assert scene.talk.is_joined  # It is where it wants to be.
    assert not scene.talk.is_in(ROOM)


def test_who_has_left_joins_and_sends_nothing_until_it_returns_without_a_cursor(scene: Scene) -> None:
    scene.join(1, 2)
    scene.talk.leave_room(ROOM)
    scene.answer({"ok": True, "epoch": "e", "seq": 2})
    scene.me.outbox.post(ROOM, "text")
    assert scene.talk.step() is None
    assert scene.client.asked == []
    scene.talk.return_to(ROOM)
    assert not scene.talk.is_joined
    scene.talk.step()
    assert scene.client.asked[0][:2] == ("join", {"room": ROOM})
    scene.answer({"ok": True, "epoch": "e", "seq": 2, "recovered": False})
    scene.talk.step()
    assert scene.client.asked[0][0] == "send_message"


def test_a_refused_leave_ends_the_connection(scene: Scene) -> None:
    scene.join(1)
    scene.talk.leave_room(ROOM)
    scene.answer({"ok": False, "error": {"code": "bad_request", "message": "no", "definite": True}})
    assert "leave refused: bad_request" in scene.client.ended


def test_a_leave_that_nobody_answers_ends_the_connection(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.join(1)
    scene.talk._join_timeout_s = 0.0
    scene.talk.leave_room(ROOM)
    scene.talk.step()
    assert scene.client.ended == "leave not acknowledged within 0 s"
    scene.connect()
    scene.talk.step()
    assert scene.client.asked[0][:2] == ("join", {"room": ROOM})  # A new stay, without a cursor.


def test_an_answer_names_what_was_heard_last(scene: Scene) -> None:
    scene.join(1)
    scene.talk.message(clock.now_ns(), scene.me.reader.message(message(2)))
    assert scene.me.heard[ROOM] == ("e", 2)
    scene.me.outbox.post(ROOM, "text", scene.me.heard[ROOM])
    scene.talk.step()
    assert scene.client.asked[0][1]["reply_to"] == {"epoch": "e", "seq": 2}
