"""The outbox: attempts, resends, refusals, and what a correct cluster makes of them."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bots.outbox import WINDOW, Attempt, Message, Outbox, SendError

PATIENCE = 5_000_000_000
ROOM = "room-1"


def outbox() -> Outbox:
    return Outbox("bot-07", patience_ns=PATIENCE)


def send_due(box: Outbox, now: int = 0, room: str = ROOM) -> list[Attempt]:
    return [box.begin(message, now) for message in box.due(room, now)]


def refusal(code: str, *, definite: bool = True, **fields: Any) -> SendError:
    return SendError(code=code, message="", definite=definite, **fields)


def names(attempts: list[Attempt]) -> list[tuple[int, int]]:
    return [(attempt.message.n, attempt.number) for attempt in attempts]


def test_messages_are_numbered_per_room_and_keyed_per_bot() -> None:
    box = outbox()
    posted = [box.post("a", "x"), box.post("b", "y"), box.post("a", "z")]
    assert [(m.room, m.n, m.key, m.producer) for m in posted] == [
        ("a", 1, 1, "bot-07"),
        ("b", 1, 2, "bot-07"),
        ("a", 2, 3, "bot-07"),
    ]


def test_message_is_due_once_until_patience_ends() -> None:
    box = outbox()
    box.post(ROOM, "x")
    assert names(send_due(box, 0)) == [(1, 1)]
    assert send_due(box, PATIENCE - 1) == []
    assert box.next_due_ns(ROOM) == PATIENCE
    assert names(send_due(box, PATIENCE)) == [(1, 2)]
    assert box.next_due_ns(ROOM) == 2 * PATIENCE


def test_acknowledged_message_is_resolved() -> None:
    box = outbox()
    box.post(ROOM, "x")
    (attempt,) = send_due(box, 7)
    assert box.acknowledged(attempt) == 7
    assert (box.acked, box.unresolved) == (1, 0)
    assert send_due(box, PATIENCE * 2) == []
    assert box.next_due_ns(ROOM) is None


def test_late_answer_to_another_attempt_is_taken_and_counts_nothing() -> None:
    box = outbox()
    box.post(ROOM, "x")
    (first,) = send_due(box, 0)
    (second,) = send_due(box, PATIENCE)
    box.acknowledged(second)
    box.acknowledged(first)
    assert (box.attempted, box.acked) == (1, 1)
    assert box.cut_off() == ()


def test_cut_off_ends_open_attempts_and_makes_all_due_in_order() -> None:
    box = outbox()
    for _ in range(3):
        box.post(ROOM, "x")
    attempts = send_due(box, 0)
    box.acknowledged(attempts[1])
    assert names(list(box.cut_off())) == [(1, 1), (3, 1)]
    assert names(send_due(box, 1)) == [(1, 2), (3, 2)]


def test_momentary_refusal_waits_and_holds_back_what_follows() -> None:
    box = outbox()
    box.post(ROOM, "x")
    (attempt,) = send_due(box, 0)
    box.refused(attempt, refusal("store_unavailable", retry_after_ms=300), 0)
    box.post(ROOM, "y")
    assert send_due(box, 299_999_999) == []
    assert box.next_due_ns(ROOM) == 300_000_000
    assert names(send_due(box, 300_000_000)) == [(1, 2), (2, 1)]


def test_pauses_grow_and_stay_below_a_second() -> None:
    box = outbox()
    box.post(ROOM, "x")
    now, pauses = 0, []
    for _ in range(12):
        (attempt,) = send_due(box, now)
        box.refused(attempt, refusal("draining", definite=False), now)
        due = box.next_due_ns(ROOM)
        assert due is not None
        pauses.append(due - now)
        now = due
    assert pauses == sorted(pauses)
    assert pauses[0] == 20_000_000
    assert pauses[-1] == 1_000_000_000


def test_cut_off_ends_the_pause() -> None:
    box = outbox()
    box.post(ROOM, "x")
    (attempt,) = send_due(box, 0)
    box.refused(attempt, refusal("store_unavailable", retry_after_ms=60_000), 0)
    box.cut_off()
    assert names(send_due(box, 1)) == [(1, 2)]


def test_definitely_rejected_message_is_given_up_and_the_rest_takes_a_new_producer() -> None:
    box = outbox()
    for text in "xyz":
        box.post(ROOM, text)
    first, second, third = send_due(box, 0)
    box.acknowledged(first)
    box.refused(second, refusal("bad_request"), 0)
    assert (box.acked, box.rejected) == (1, 1)
    box.refused(third, refusal("out_of_order", expected=2), 0)
    (again,) = send_due(box, 10**9)
    assert (again.message.text, again.message.producer, again.message.n) == ("z", "bot-07.2", 1)
    assert again.number == 2
    box.acknowledged(again)
    new = box.post(ROOM, "w")
    assert (new.producer, new.n) == ("bot-07.2", 2)


def test_message_that_may_be_in_the_log_never_gets_another_key() -> None:
    box = outbox()
    box.post(ROOM, "x")
    box.post(ROOM, "y")
    send_due(box, 0)
    box.cut_off()  # Both may have been committed.
    first, second = send_due(box, 0)
    box.refused(first, refusal("bad_request"), 0)
    assert (box.rejected, box.abandoned) == (0, 1)
    box.refused(second, refusal("out_of_order", expected=1), 0)
    assert (box.rejected, box.abandoned, box.unresolved) == (0, 2, 0)


def test_message_with_an_unanswered_attempt_keeps_its_key_until_the_answer() -> None:
    box = outbox()
    for text in "xy":
        box.post(ROOM, text)
    x, first = send_due(box, 0)
    _, second = send_due(box, PATIENCE)
    box.refused(x, refusal("bad_request"), PATIENCE)
    box.refused(second, refusal("out_of_order", expected=1), PATIENCE)
    assert (first.message.producer, first.message.n) == ("bot-07", 2)
    box.refused(first, refusal("out_of_order", expected=1), PATIENCE)
    assert (first.message.producer, first.message.n) == ("bot-07.2", 1)


def test_key_that_is_used_up_leaves_no_gap() -> None:
    box = outbox()
    box.post(ROOM, "x")
    (attempt,) = send_due(box, 0)
    box.refused(attempt, refusal("result_expired", definite=False), 0)
    assert box.abandoned == 1
    assert box.post(ROOM, "y").producer == "bot-07"


def test_out_of_order_is_sent_again_from_expected() -> None:
    box = outbox()
    for text in "xyz":
        box.post(ROOM, text)
    x, y, z = send_due(box, 0)
    box.refused(x, refusal("store_unavailable"), 0)
    for attempt in (y, z):
        box.refused(attempt, refusal("out_of_order", expected=1), 0)
    assert names(send_due(box, 10**8)) == [(1, 2), (2, 2), (3, 2)]


def test_cluster_that_lost_what_it_acknowledged_gets_a_new_producer() -> None:
    box = outbox()
    box.post(ROOM, "x")
    (attempt,) = send_due(box, 0)
    box.acknowledged(attempt)
    box.post(ROOM, "y")
    (attempt,) = send_due(box, 0)
    box.refused(attempt, refusal("out_of_order", expected=1), 0)
    (again,) = send_due(box, 0)
    assert (again.message.text, again.message.producer, again.message.n) == ("y", "bot-07.2", 1)


def test_out_of_order_behind_what_the_cluster_has_is_given_up() -> None:
    box = outbox()
    for text in "xy":
        box.post(ROOM, text)
    x, _ = send_due(box, 0)
    box.refused(x, refusal("out_of_order", expected=2), 0)
    assert (box.rejected, box.unresolved) == (1, 1)


def test_unknown_errors_are_repeated_unless_definite() -> None:
    box = outbox()
    box.post(ROOM, "x")
    (attempt,) = send_due(box, 0)
    box.refused(attempt, refusal("cosmic_rays", definite=False), 0)
    assert box.unresolved == 1
    (attempt,) = send_due(box, 10**9)
    box.refused(attempt, refusal("cosmic_rays"), 0)
    assert (box.unresolved, box.abandoned) == (0, 1)


def test_window_is_never_exceeded() -> None:
    box = outbox()
    while not box.is_full:
        box.post(ROOM, "x")
    assert box.unresolved == WINDOW
    attempts = send_due(box, 0)
    assert len(attempts) == WINDOW
    assert send_due(box, PATIENCE) == []  # All are in flight already.
    with pytest.raises(AssertionError):
        box.post(ROOM, "one too many")


class CorrectCluster:
    """Commits by the rules of the protocol, and may refuse, forget to answer, or lose the connection."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.log: list[str] = []
        self.results: set[tuple[str, int]] = set()
        self.last: dict[str, int] = {}

    def take(self, message: Message) -> SendError | None:
        """Return the error, `None` for a positive acknowledgement."""
        if self.rng.random() < 0.15:
            code = self.rng.choice(["store_unavailable", "bad_request", "rate_limited", "draining"])
            return refusal(code)
        key = (message.producer, message.n)
        if key in self.results:
            return None
        expected = self.last.get(message.producer, 0) + 1
        if message.n != expected:
            return refusal("out_of_order", expected=expected)
        self.results.add(key)
        self.last[message.producer] = message.n
        self.log.append(message.text)
        return None


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_against_a_correct_cluster_nothing_is_lost_doubled_or_left_over(seed: int) -> None:
    rng = random.Random(seed)
    cluster, box = CorrectCluster(rng), Outbox("bot-07", patience_ns=600_000_000)
    acked: list[str] = []
    open_: list[tuple[Attempt, SendError | None]] = []
    now = 0
    for turn in range(400):
        now += rng.randrange(400_000_000)
        if turn < 60 and not box.is_full:
            box.post(ROOM, str(turn))
        for attempt in send_due(box, now):
            if rng.random() < 0.9:  # Else the frame is lost on its way.
                open_.append((attempt, cluster.take(attempt.message)))
        if rng.random() < 0.05:
            open_.clear()
            box.cut_off()
        rng.shuffle(open_)
        for _ in range(rng.randrange(len(open_) + 1)):
            attempt, error = open_.pop()
            if error is None:
                if not attempt.message.resolved:
                    acked.append(attempt.message.text)
                box.acknowledged(attempt)
            else:
                box.refused(attempt, error, now)
        if turn > 60 and not box.unresolved:
            break
    assert len(set(cluster.log)) == len(cluster.log)
    assert set(acked) <= set(cluster.log)
    assert len(acked) == len(set(acked)) == box.acked
    assert box.attempted == box.acked + box.rejected + box.abandoned + box.unresolved
    assert len(set(cluster.log) - set(acked)) <= box.abandoned + box.unresolved
