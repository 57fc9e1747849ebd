"""The bots' process from go to quit, and what its history says of it."""

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.records.bots import CLIENT_QUIT, BotsMetrics
from harness.records.codec import read_json
from harness.records.history import FLAG_DEFINITE, FLAG_DUPLICATE, FLAG_FROM_HISTORY, FLAG_RECOVERED, Op
from harness.records.token import parse_text

pytestmark = pytest.mark.process

ROOM = "room-1.0a1b2c3d"


def delivered_texts(seen: Any, bot: int) -> list[str]:
    return [seen.content(row)["text"] for row in seen.of(Op.DELIVERY, bot)]


def test_load_without_faults_is_recorded_whole(cluster: Any, start_bots: Any, seen: Any) -> None:
    bots = start_bots(3)
    bots.go()
    bots.wait_live(lambda live: live["acked"] >= 40 and live["joined"] == 3)
    bots.link.send("stop_load")
    bots.wait_told("resolved")
    log = cluster.log()[ROOM]
    assert bots.catch_up({ROOM: ["epoch-a", len(log)]}) == {}
    bots.link.send("quit")
    assert bots.process.wait(10) == 0
    history = seen(bots.history())

    assert history.file.torn == 0
    assert [seen_row.b for seen_row in history.of(Op.SEND)] == [1] * len(log)
    assert len(history.of(Op.SEND_OK)) == len(log)
    for bot in (1, 2, 3):
        assert delivered_texts(history, bot) == [message["text"] for message in log]
        assert [history.text(row.a) for row in history.of(Op.DISCONNECT, bot)] == [CLIENT_QUIT]
    assert not history.of(Op.BOT_ERROR)
    assert all(parse_text(message["text"]) for message in log)


def test_messages_are_numbered_and_alike_contents_are_one_string(
    cluster: Any, start_bots: Any, seen: Any
) -> None:
    bots = start_bots(2)
    bots.go()
    bots.wait_live(lambda live: live["acked"] >= 10)
    history = seen(bots.finish())

    for bot in (1, 2):
        sends = [history.content(row) for row in history.of(Op.SEND, bot)]
        assert [send["n"] for send in sends] == list(range(1, len(sends) + 1))
        assert {send["producer"] for send in sends} == {f"bot-{bot:02}.0a1b2c3d"}
    ids = Counter(row.a for row in history.of(Op.DELIVERY))
    assert len(ids) == len(cluster.log()[ROOM])


def test_metrics_are_written_at_the_end(start_bots: Any, seen: Any) -> None:
    bots = start_bots(2)
    bots.go()
    bots.wait_live(lambda live: live["acked"] >= 10)
    history = bots.finish()

    folder = Path(bots.config.metrics)
    metrics = read_json(BotsMetrics, folder / "bots.json")
    assert metrics.samples > 0
    assert metrics.max_lag_ms >= metrics.p99_lag_ms > 0
    assert metrics.rows == len(history.rows)
    requests = {r["name"]: r for r in json.loads((folder / "locust.json").read_text())["requests"]}
    assert requests["send_message"]["requests"] == len(seen(history).of(Op.SEND_OK))
    assert requests["connect"]["requests"] == requests["join"]["requests"] == 2


def test_node_dies_and_its_bot_resumes_elsewhere(cluster: Any, start_bots: Any, seen: Any) -> None:
    bots = start_bots(6, rate=20)
    bots.go()
    bots.wait_live(lambda live: live["joined"] == 6 and live["acked"] >= 60)
    cluster.do("shut", node="node-1")
    acked = bots.wait_live(lambda live: live["joined"] == 6)["acked"]
    bots.wait_live(lambda live: live["joined"] == 6 and live["acked"] >= acked + 120)
    history = seen(bots.finish())

    cut_off = [row.bot for row in history.of(Op.DISCONNECT) if history.text(row.a) != CLIENT_QUIT]
    assert {1, 4} <= set(cut_off)
    log = cluster.log()[ROOM]
    for bot in (1, 4):
        nodes = [history.text(row.a) for row in history.of(Op.CONNECT, bot)]
        assert nodes[0] == "node-1"
        assert nodes[-1] in ("node-2", "node-3")
        first, *resumes = history.of(Op.JOIN, bot)
        assert first.c == 0
        assert all(row.c > 0 and history.text(row.b) == "epoch-a" for row in resumes)
        assert all(row.flags & FLAG_RECOVERED for row in history.of(Op.JOIN_OK, bot)[1:])
    for bot in range(1, 7):
        assert delivered_texts(history, bot) == [message["text"] for message in log]
    keys = {(row.bot, row.c) for row in history.of(Op.SEND)}
    assert {(row.bot, row.a) for row in history.of(Op.SEND_OK)} == keys
    assert len(log) == len(keys)


def test_every_attempt_ends_exactly_once(cluster: Any, start_bots: Any, seen: Any) -> None:
    bots = start_bots(3, rate=40, send_patience_s=0.3)
    bots.go()
    bots.wait_live(lambda live: live["acked"] >= 30)
    cluster.do("set", swallow_acks=5)
    for node in ("node-1", "node-2", "node-3"):
        cluster.do("shut", node=node)
        cluster.do("open", node=node)
    acked = bots.wait_live(lambda live: live["joined"] == 3)["acked"]
    bots.wait_live(lambda live: live["acked"] >= acked + 30)
    history = seen(bots.finish())

    begun = Counter((row.bot, row.c, row.b) for row in history.of(Op.SEND))
    ends = Counter(
        (row.bot, row.a, row.b) for op in (Op.SEND_OK, Op.SEND_FAILED, Op.SEND_LOST) for row in history.of(op)
    )
    assert begun == ends
    assert set(begun.values()) == {1}
    assert history.of(Op.SEND_LOST)


def test_unanswered_send_is_sent_again_with_the_same_key(cluster: Any, start_bots: Any, seen: Any) -> None:
    bots = start_bots(1, rate=20, send_patience_s=0.3)
    cluster.do("set", swallow_acks=1)
    bots.go()
    bots.wait_live(lambda live: live["acked"] >= 10)
    history = seen(bots.finish())

    first, second = [row for row in history.of(Op.SEND) if row.c == 1]
    assert (first.b, second.b, first.a, first.conn) == (1, 2, second.a, second.conn)
    assert second.t_ns - first.t_ns >= 300_000_000
    (ok,) = [row for row in history.of(Op.SEND_OK) if row.a == 1]
    assert (ok.b, ok.flags) == (2, FLAG_DUPLICATE)


def test_refusal_for_the_moment_is_sent_again_later(cluster: Any, start_bots: Any, seen: Any) -> None:
    error = {"code": "store_unavailable", "message": "no", "definite": True, "retry_after_ms": 200}
    cluster.do("set", refuse_sends=1, error=error)
    bots = start_bots(1, rate=20)
    bots.go()
    bots.wait_live(lambda live: live["acked"] >= 10)
    history = seen(bots.finish())

    (failed,) = history.of(Op.SEND_FAILED)
    assert failed.flags == FLAG_DEFINITE
    assert history.text(failed.c) == "store_unavailable: no"
    again = [row for row in history.of(Op.SEND) if row.c == 1][1]
    assert again.t_ns - failed.t_ns >= 200_000_000
    assert [m["n"] for m in cluster.log()[ROOM]] == list(range(1, len(cluster.log()[ROOM]) + 1))


def test_message_that_is_refused_for_good_stays_rejected(cluster: Any, start_bots: Any, seen: Any) -> None:
    cluster.do("set", refuse_sends=1, error={"code": "bad_request", "message": "", "definite": True})
    bots = start_bots(1, rate=20)
    bots.go()
    live = bots.wait_live(lambda live: live["acked"] >= 10)
    history = seen(bots.finish())

    assert live["rejected"] == 1
    assert [row.b for row in history.of(Op.SEND) if row.c == 1] == [1]
    log = cluster.log()[ROOM]
    assert {m["producer"] for m in log} == {"bot-01.0a1b2c3d.2"}
    assert [parse_text(m["text"]).key for m in log] == list(range(2, len(log) + 2))  # type: ignore[union-attr]


def test_lost_membership_is_joined_again(cluster: Any, start_bots: Any, seen: Any) -> None:
    bots = start_bots(1, rate=20)
    bots.go()
    bots.wait_live(lambda live: live["acked"] >= 5)
    cluster.do("set", forget_members=1)
    bots.wait_live(lambda live: live["acked"] >= 15)
    history = seen(bots.finish())

    first, again = history.of(Op.JOIN)
    assert first.conn == again.conn
    assert again.c > 1
    assert len(history.of(Op.CONNECT)) == 1


def test_join_without_acknowledgement_ends_in_another_node(cluster: Any, start_bots: Any, seen: Any) -> None:
    cluster.do("set", ignore_joins=1)
    bots = start_bots(1, join_timeout_s=0.5)
    bots.go()
    bots.wait_live(lambda live: live["acked"] >= 3)
    history = seen(bots.finish())

    (failed,) = history.of(Op.JOIN_FAILED)
    assert history.text(failed.b) == "join not acknowledged within 0.5 s"
    nodes = [history.text(row.a) for row in history.of(Op.CONNECT)]
    assert nodes[0] == "node-1"
    assert nodes[1] in ("node-2", "node-3")


def test_join_that_is_refused_for_the_moment_is_repeated(cluster: Any, start_bots: Any, seen: Any) -> None:
    error = {"code": "store_unavailable", "message": "", "definite": True}
    cluster.do("set", refuse_joins=2, error=error)
    bots = start_bots(1)
    bots.go()
    bots.wait_live(lambda live: live["acked"] >= 3)
    history = seen(bots.finish())

    assert len(history.of(Op.JOIN_FAILED)) == 2
    assert len(history.of(Op.CONNECT)) == 1


def test_malformed_events_harm_no_bot(cluster: Any, start_bots: Any, seen: Any) -> None:
    bots = start_bots(1, rate=20)
    bots.go()
    bots.wait_live(lambda live: live["acked"] >= 3)
    odd: list[tuple[str, list[Any]]] = [
        ("message", [17]),
        ("message", []),
        ("message", [{"room": ROOM, "text": 3, "seq": "x"}, {}]),
        ("message_history", [{"room": ROOM, "messages": "none"}]),
        ("server_info", [None]),
        ("no such event", [1, 2]),
    ]
    for event, args in odd:
        cluster.do("emit", event=event, args=args)
    acked = bots.live["acked"]
    bots.wait_live(lambda live: live["acked"] >= acked + 10)
    history = seen(bots.finish())

    assert len(history.of(Op.BOT_ERROR)) == len(odd)
    assert len(history.of(Op.CONNECT)) == 1


def test_packets_that_nobody_made_harm_no_bot(cluster: Any, start_bots: Any, seen: Any) -> None:
    bots = start_bots(1, rate=20)
    bots.go()
    bots.wait_live(lambda live: live["acked"] >= 3)
    odd = ["9what", "2[", "2{}", "2[]", "3999[]", "3[]", '2["message"', "61-[", "x"]
    cluster.do("raw", packets=odd)
    cluster.do("emit", event="typing", args=["long " * 40_000])
    acked = bots.live["acked"]
    bots.wait_live(lambda live: live["acked"] >= acked + 10)
    history = seen(bots.finish())

    assert len(history.of(Op.BOT_ERROR)) == len(odd)
    assert len(history.of(Op.CONNECT)) == 1


@pytest.mark.parametrize("cluster", [{"delivery": "durable", "ping_s": 1.0}], indirect=True)
def test_silent_node_is_given_up(cluster: Any, start_bots: Any, seen: Any) -> None:
    bots = start_bots(1, rate=20)
    bots.go()
    bots.wait_live(lambda live: live["acked"] >= 5)
    cluster.do("freeze", node="node-1")
    acked = bots.live["acked"]
    bots.wait_live(lambda live: live["acked"] >= acked + 20)
    history = seen(bots.finish())

    silent = history.of(Op.DISCONNECT)[0]
    assert history.text(silent.a) == "ping timeout: nothing came for 2 s"
    assert history.of(Op.SEND_LOST)
    assert delivered_texts(history, 1) == [message["text"] for message in cluster.log()[ROOM]]


def test_malformed_acknowledgement_counts_as_none(cluster: Any, start_bots: Any, seen: Any) -> None:
    cluster.do("set", garble_acks=1)
    bots = start_bots(1, rate=20, send_patience_s=0.3)
    bots.go()
    bots.wait_live(lambda live: live["acked"] >= 10)
    bots.link.send("stop_load")
    bots.wait_told("resolved")
    bots.link.send("quit")
    assert bots.process.wait(10) == 0
    history = seen(bots.history())

    assert len(history.of(Op.BOT_ERROR)) == 1
    assert [row.b for row in history.of(Op.SEND) if row.c == 1] == [1, 2]


def test_snapshot_instead_of_resume_is_completed_by_paging(cluster: Any, start_bots: Any, seen: Any) -> None:
    bots = start_bots(3, rate=60)
    bots.go()
    bots.wait_live(lambda live: live["joined"] == 3 and live["acked"] >= 60)
    cluster.do("set", ignore_joins=1, forget_cursors=True)
    cluster.do("shut", node="node-1")
    # The first join of the bot that was cut off gets no answer, so that much is missed meanwhile.
    bots.wait_live(lambda live: live["joined"] == 2)
    bots.wait_live(lambda live: live["joined"] == 3)
    bots.link.send("stop_load")
    bots.wait_told("resolved")
    log = cluster.log()[ROOM]
    assert bots.catch_up({ROOM: ["epoch-a", len(log)]}) == {}
    bots.link.send("quit")
    assert bots.process.wait(10) == 0
    history = seen(bots.history())

    got = [(history.content(row)["seq"], row.flags) for row in history.of(Op.DELIVERY, 1)]
    assert {seq for seq, _ in got} == set(range(1, len(log) + 1))
    assert sum(flags & FLAG_FROM_HISTORY for _, flags in got) > 6
    assert not history.of(Op.BOT_ERROR)


@pytest.mark.parametrize("cluster", [{"delivery": "pubsub"}], indirect=True)
def test_pubsub_bots_join_without_cursor_and_never_page(cluster: Any, start_bots: Any, seen: Any) -> None:
    bots = start_bots(3, rate=20)
    bots.go()
    bots.wait_live(lambda live: live["joined"] == 3 and live["acked"] >= 20)
    cluster.do("shut", node="node-1")
    acked = bots.wait_live(lambda live: live["joined"] == 3)["acked"]
    bots.wait_live(lambda live: live["joined"] == 3 and live["acked"] >= acked + 20)
    assert bots.catch_up({ROOM: [None, 10_000]}) == {}
    history = seen(bots.finish())

    assert all(row.c == 0 for row in history.of(Op.JOIN))
    assert len(history.of(Op.JOIN, 1)) >= 2
    assert not any(row.flags & FLAG_FROM_HISTORY for row in history.of(Op.DELIVERY))
    assert {row.d for row in history.of(Op.SEND_OK)} == {0}


def test_bot_behind_the_head_is_named(cluster: Any, start_bots: Any) -> None:
    bots = start_bots(1)
    bots.go()
    bots.wait_live(lambda live: live["acked"] >= 3)
    behind = bots.catch_up({ROOM: ["epoch-a", 1_000_000]})
    assert list(behind) == ["bot-01"]
    assert "epoch-a:1000000" in behind["bot-01"]
    bots.finish()


def test_runner_vanishes_and_the_bots_end_by_themselves(start_bots: Any) -> None:
    bots = start_bots(2, rate=50)
    bots.go()
    bots.wait_live(lambda live: live["acked"] >= 20)
    bots.link.close()
    assert bots.process.wait(3) == 1
    history = bots.history()
    assert history.torn == 0
    assert history.rows


def test_sigterm_ends_and_sigint_does_not(start_bots: Any) -> None:
    bots = start_bots(2, rate=50)
    bots.go()
    bots.wait_live(lambda live: live["acked"] >= 20)
    bots.process.send_signal(signal.SIGINT)
    acked = bots.live["acked"]
    bots.wait_live(lambda live: live["acked"] >= acked + 20)
    bots.process.send_signal(signal.SIGTERM)
    assert bots.process.wait(3) == 143
    assert bots.history().torn == 0


def test_killed_bots_leave_every_invoke_that_reached_the_wire(
    cluster: Any, start_bots: Any, seen: Any
) -> None:
    bots = start_bots(2, rate=100)
    bots.go()
    bots.wait_live(lambda live: live["acked"] >= 50)
    bots.process.kill()
    bots.process.wait()
    history = seen(bots.history())
    sent = {history.content(row)["text"] for row in history.of(Op.SEND)}
    assert {message["text"] for message in cluster.log()[ROOM]} <= sent


def test_unknown_order_is_an_error_that_the_runner_hears_of(start_bots: Any) -> None:
    bots = start_bots(1)
    bots.link.send("dance")
    assert "dance" in bots.wait_told("error")["text"]
    assert bots.process.wait(5) == 4


@pytest.mark.parametrize("arguments", [[], ["/no/such/file.json"]])
def test_wrong_start_is_a_sentence_and_exit_2(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness.bots", *arguments],
        env={"WORDAROUND_BOTS_TOKEN": "t"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()
