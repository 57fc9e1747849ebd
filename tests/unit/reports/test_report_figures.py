"""The series of the picture: each count in its bin, each latency from the first attempt."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.records.history import FLAG_DEFINITE, FLAG_FROM_HISTORY, HistoryFile, Op, Row, read_history
from harness.records.verdict import Reconnection
from reports.bins import MOST_BINS, Bins
from reports.figures import Latencies, Latency, figures, quantile
from reports.samples import Took

MS = 1_000_000
S = 1000 * MS


def history(*rows: Row, strings: tuple[str, ...] = ()) -> HistoryFile:
    return HistoryFile.of_rows(name="bots-0", strings=(None, *strings), rows=rows)


def message(text: str) -> str:
    return json.dumps({"room": "room-1.3fa9c2d1", "text": text})


def series(*rows: Row, strings: tuple[str, ...] = (), end_s: float = 10):
    return figures((history(*rows, strings=strings),), (), start_ns=0, end_ns=round(end_s * S))


def test_bins_cover_the_whole_span_and_are_few() -> None:
    for length_s in (0.01, 1, 26, 27.3, 600, 90_000, 10_000_000):
        bins = Bins.between(5 * S, 5 * S + round(length_s * S))
        assert bins.count <= MOST_BINS
        assert bins.end_ns >= 5 * S + round(length_s * S) > bins.end_ns - bins.width_ns


def test_bin_bounds_belong_to_the_later_bin() -> None:
    bins = Bins(start_ns=100, width_ns=10, count=3)
    assert bins.indices(np.array([99, 100, 109, 110, 129, 130])).tolist() == [-1, 0, 0, 1, 2, -1]


def test_a_resend_is_no_new_message_and_its_latency_runs_from_the_first_attempt() -> None:
    found = series(
        Row(t_ns=1 * S, op=Op.SEND, bot=1, a=1, b=1, c=1),
        Row(t_ns=2 * S, op=Op.SEND, bot=1, a=1, b=2, c=1),
        Row(t_ns=2 * S + 5 * MS, op=Op.SEND_OK, bot=1, a=1, b=2),
        Row(t_ns=3 * S, op=Op.SEND_OK, bot=1, a=1, b=1),
        strings=(message("a"),),
    )
    width = found.bins.width_s
    assert sum(row.attempted for row in found.rows) == 1
    assert sum(row.resent for row in found.rows) == 1
    assert [i * width for i, row in enumerate(found.rows) if row.acked] == [2.0]
    assert [(i * width, row.ack.high) for i, row in enumerate(found.rows) if row.ack.count] == [(1.0, 1005.0)]


def test_equal_keys_of_two_bots_are_two_messages() -> None:
    found = series(
        Row(t_ns=1 * S, op=Op.SEND, bot=1, a=1, b=1, c=1),
        Row(t_ns=1 * S, op=Op.SEND, bot=2, a=2, b=1, c=1),
        Row(t_ns=1 * S + 4 * MS, op=Op.SEND_OK, bot=2, a=1, b=1),
        strings=(message("a"), message("b")),
    )
    assert sum(row.attempted for row in found.rows) == 2
    assert [row.ack.p50 for row in found.rows if row.ack.count] == [4.0]


def test_a_delivery_is_matched_by_text_whatever_surrounds_it() -> None:
    sent = message("one")
    received = json.dumps({"text": "one", "seq": 17, "node": "node-2", "room": "room-1.3fa9c2d1"})
    found = series(
        Row(t_ns=1 * S, op=Op.SEND, bot=1, a=1, b=1, c=1),
        Row(t_ns=1 * S + 7 * MS, op=Op.DELIVERY, bot=2, a=2),
        Row(t_ns=4 * S, op=Op.DELIVERY, bot=3, a=2, flags=FLAG_FROM_HISTORY),
        strings=(sent, received),
    )
    assert sum(row.live for row in found.rows) == 1
    assert sum(row.resumed for row in found.rows) == 1
    assert [row.delivery.p50 for row in found.rows if row.delivery.count] == [7.0]


def test_the_sender_and_the_recipient_may_be_in_two_files() -> None:
    sender = history(Row(t_ns=S, op=Op.SEND, bot=1, a=1, b=1, c=1), strings=(message("x"),))
    recipient = history(Row(t_ns=S + 3 * MS, op=Op.DELIVERY, bot=2, a=1), strings=(message("x"),))
    found = figures((recipient, sender), (), start_ns=0, end_ns=2 * S)
    assert [row.delivery.p50 for row in found.rows if row.delivery.count] == [3.0]


@pytest.mark.parametrize("content", ["", "no JSON {", "[]", "17", '{"text": 5}', '{"text": null}', "\ud800"])
def test_content_that_is_no_message_counts_as_delivered_but_has_no_latency(content: str) -> None:
    found = series(Row(t_ns=S, op=Op.DELIVERY, bot=1, a=1), strings=(content,))
    assert sum(row.live for row in found.rows) == 1
    assert sum(row.delivery.count for row in found.rows) == 0


def test_connections_are_summed_per_node_and_an_open_one_stays() -> None:
    found = series(
        Row(t_ns=1, op=Op.CONNECT, bot=1, conn=1, a=1),
        Row(t_ns=2, op=Op.CONNECT, bot=2, conn=1, a=1),
        Row(t_ns=5, op=Op.DISCONNECT, bot=1, conn=1, a=3),
        Row(t_ns=5, op=Op.DISCONNECT, bot=9, conn=1, a=3),
        Row(t_ns=7, op=Op.CONNECT, bot=1, conn=2, a=2),
        strings=("node-1", "node-2", "transport closed"),
    )
    assert found.connected == {"node-1": ((1, 1), (2, 2), (5, 1)), "node-2": ((7, 1),)}


def test_a_bot_that_never_comes_back_stays_cut_off() -> None:
    ways = [
        Reconnection(
            bot=f"bot-{i}", fault_id=None, lost_ns=i, back_ns=back, from_node="", to_node=None, reason=""
        )
        for i, back in ((1, 5), (2, None), (2, 9))
    ]
    found = figures((), ways, start_ns=0, end_ns=S)
    assert found.cut_off == ((1, 1), (2, 3), (5, 2), (9, 1))


def summary(lengths_ms: list[float]) -> Latency:
    done = np.array([round(ms * MS) for ms in lengths_ms], np.int64)
    took = Took.between(np.zeros(len(lengths_ms), np.int64), done)
    return Latencies.of(took, Bins(start_ns=0, width_ns=S, count=1)).row(0)


def test_a_p99_needs_100_samples_else_the_slowest_speaks() -> None:
    few, enough = (summary([float(i) for i in range(count)]) for count in (99, 100))
    assert (few.p90, few.high, few.high_is_p99) == (89.0, 98.0, False)
    assert (enough.p90, enough.high, enough.high_is_p99) == (89.0, 98.0, True)
    assert summary([]) == Latency(count=0, p50=None, p90=None, high=None)


@settings(deadline=None)  # A busy machine is no failure.
@given(st.lists(st.floats(0, 1e6), min_size=1), st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_a_sample_that_has_its_share_at_or_below_it(samples: list[float], q: float) -> None:
    ordered = sorted(samples)
    value = quantile(ordered, q)
    assert value in ordered
    assert sum(sample <= value for sample in ordered) >= q * len(ordered)


@settings(deadline=None)  # A busy machine is no failure.
@given(st.lists(st.tuples(st.integers(-2 * S, 12 * S), st.booleans()), max_size=60))
def test_every_delivery_within_the_span_is_in_exactly_one_bin(stamps: list[tuple[int, bool]]) -> None:
    rows = [Row(t_ns=t, op=Op.DELIVERY, bot=1, a=1, flags=int(resumed)) for t, resumed in stamps]
    found = series(*rows, strings=(message("a"),))
    inside = [resumed for t, resumed in stamps if 0 <= t < found.bins.end_ns]
    assert sum(row.resumed for row in found.rows) == sum(inside)
    assert sum(row.live for row in found.rows) == len(inside) - sum(inside)


def test_a_message_is_rejected_when_every_attempt_was_and_open_when_one_may_have_had_an_effect() -> None:
    definite = FLAG_DEFINITE
    found = series(
        # 1: refused twice, for good. 2: refused once, and once never answered. 3: refused, then acknowledged.
        *(Row(t_ns=1 * S, op=Op.SEND, bot=1, a=1, b=1, c=key) for key in (1, 2, 3, 4)),
        *(Row(t_ns=2 * S, op=Op.SEND, bot=1, a=1, b=2, c=key) for key in (1, 2, 3)),
        *(Row(t_ns=2 * S, op=Op.SEND_FAILED, bot=1, a=key, b=1, c=1, flags=definite) for key in (1, 2, 3)),
        Row(t_ns=4 * S, op=Op.SEND_FAILED, bot=1, a=1, b=2, c=1, flags=definite),
        Row(t_ns=4 * S, op=Op.SEND_OK, bot=1, a=3, b=2),
        Row(t_ns=4 * S, op=Op.SEND_FAILED, bot=1, a=4, b=1, c=1),  # indefinite
        strings=(message("a"),),
    )
    where = {
        name: [i * found.bins.width_s for i, row in enumerate(found.rows) for _ in range(getattr(row, name))]
        for name in ("acked", "rejected", "indeterminate")
    }
    assert where == {"acked": [4.0], "rejected": [4.0], "indeterminate": [1.0, 2.0]}


def test_a_resend_of_the_same_refusal_is_one_refused_attempt() -> None:
    found = series(
        Row(t_ns=1 * S, op=Op.SEND, bot=1, a=1, b=1, c=1),
        Row(t_ns=2 * S, op=Op.SEND, bot=1, a=1, b=2, c=1),
        *(Row(t_ns=t * S, op=Op.SEND_FAILED, bot=1, a=1, b=1, c=1, flags=FLAG_DEFINITE) for t in (2, 3)),
        strings=(message("a"),),
    )
    assert (sum(r.rejected for r in found.rows), sum(r.indeterminate for r in found.rows)) == (0, 1)


ROWS = st.builds(
    Row,
    t_ns=st.integers(0, 3 * S),
    op=st.sampled_from([Op.SEND, Op.SEND_OK, Op.SEND_FAILED, Op.DELIVERY]),
    flags=st.integers(0, 1),
    bot=st.integers(1, 2),
    a=st.integers(1, 4),
    b=st.integers(1, 2),
    c=st.integers(1, 3),
)


@settings(deadline=None, max_examples=40)  # A busy machine is no failure.
@given(st.lists(ROWS, max_size=40))
def test_columns_say_what_the_rows_say_one_by_one(rows: list[Row]) -> None:
    """At every level: an independent, slow count of what the module's docstrings promise."""
    found = series(*rows, strings=tuple(message(text) for text in "abcd"), end_s=3)
    first: dict[tuple[int, int], int] = {}
    acked: dict[tuple[int, int], int] = {}
    sent: dict[int, int] = {}
    for row in sorted(rows, key=lambda row: row.t_ns):
        if row.op is Op.SEND:
            first.setdefault((row.bot, row.c), row.t_ns)
            sent.setdefault(row.a, row.t_ns)
        elif row.op is Op.SEND_OK:
            acked.setdefault((row.bot, row.a), row.t_ns)
    live = [row for row in rows if row.op is Op.DELIVERY and not row.flags]
    acks = [(first[m], t) for m, t in acked.items() if m in first]
    delivered = [(sent[row.a], row.t_ns) for row in live if row.a in sent]
    for level in found.levels:
        assert level.counts["attempted"].tolist() == counted(level.bins, first.values())
        assert level.counts["acked"].tolist() == counted(level.bins, acked.values())
        assert level.counts["live"].tolist() == counted(level.bins, [row.t_ns for row in live])
        resumed = [row.t_ns for row in rows if row.op is Op.DELIVERY and row.flags]
        assert level.counts["resumed"].tolist() == counted(level.bins, resumed)
        for latencies, pairs in ((level.ack, acks), (level.delivery, delivered)):
            assert latencies.count.tolist() == counted(level.bins, [began for began, _ in pairs])
            for i in np.flatnonzero(latencies.count).tolist():
                own = sorted((done - began) / 1e6 for began, done in pairs if place(level.bins, began) == i)
                assert latencies.row(i).p50 == quantile(own, 0.5)
                assert latencies.row(i).p90 == quantile(own, 0.9)
                assert latencies.row(i).high == own[-1]


def counted(bins: Bins, moments: Iterable[int]) -> list[int]:
    counts = [0] * bins.count
    for t_ns in moments:
        if 0 <= place(bins, t_ns) < bins.count:
            counts[place(bins, t_ns)] += 1
    return counts


def place(bins: Bins, t_ns: int) -> int:
    return (t_ns - bins.start_ns) // bins.width_ns


def test_every_message_has_one_fate(kind: str, reported: Any) -> None:
    made = reported(kind)
    found = figures(read_history(made.folder.history), (), start_ns=0, end_ns=2**62)
    settled = sum(row.acked + row.rejected + row.indeterminate for row in found.rows)
    assert settled == sum(row.attempted for row in found.rows) > 0


@pytest.mark.parametrize("length_s", [0.01, 0.3, 26, 3600, 100_000, 10_000_000])
def test_levels_are_ever_finer_and_bounded(length_s: float) -> None:
    coarsest = Bins.between(0, round(length_s * S))
    finer = coarsest.finer()
    widths = [bins.width_ns for bins in (coarsest, *finer)]
    assert widths == sorted(set(widths), reverse=True)
    assert all(width >= 10 * MS for width in widths[1:])
    assert sum(bins.count for bins in finer) <= 5_600
    assert all(bins.end_ns >= length_s * S for bins in finer)
