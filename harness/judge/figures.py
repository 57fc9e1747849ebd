"""Figures of the whole run: counts, latencies, the ways back. Milliseconds, on one machine's clock."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.checkers import reconnection
from harness.checkers.outcomes import ACKNOWLEDGED, INDETERMINATE, REJECTED
from harness.checkers.receipts import LIVE
from harness.checkers.sessions import BotView, Outage
from harness.checkers.view import View
from harness.checkers.waits import longest_waits
from harness.records.verdict import Quantiles, Reconnection, ReconnectionStats, SendStats, Stats

MS = 1_000_000
SAMPLES_FOR_P99 = 100


def stats(view: View) -> Stats:
    """Return the figures of the run."""
    ways = reconnections(view)
    took = sorted((way.back_ns - way.lost_ns) / MS for way in ways if way.back_ns is not None)
    return Stats(
        sends=_sends(view),
        deliveries=len(view.receipts) - view.receipts.count(view.contents.foreign),
        reconnections=ReconnectionStats(
            count=len(ways),
            p50_ms=_quantile(took, 0.5),
            p99_ms=_quantile(took, 0.99) if len(took) >= SAMPLES_FOR_P99 else None,
            max_ms=took[-1] if took else None,
        ),
        ack_latency_ms=_quantiles(_ack_latencies(view)),
        delivery_latency_ms=_quantiles(_delivery_latencies(view)),
        longest_wait_ms=_longest_wait(view),
    )


def reconnections(view: View) -> tuple[Reconnection, ...]:
    """Return every bot's ways back, in the order of the losses."""
    found = [
        _way(view, bot, outage)
        for bot in view.bots.values()
        for outage in bot.outages
        if reconnection.counts(view, outage)
    ]
    return tuple(sorted(found, key=lambda way: (way.lost_ns, way.bot)))


def _way(view: View, bot: BotView, outage: Outage) -> Reconnection:
    window = view.window_at(outage.lost_ns, outage.from_node)
    return Reconnection(
        bot=bot.name,
        fault_id=window.id if window is not None else None,
        lost_ns=outage.lost_ns,
        back_ns=outage.back_ns,
        from_node=outage.from_node,
        to_node=outage.to_node,
        reason=outage.reason,
        caught_up=_caught_up(view, bot, outage),
    )


def _caught_up(view: View, bot: BotView, outage: Outage) -> int:
    """Count what came from history on the connection by which the bot came back."""
    joins = (join for join in bot.joins if join.conn == outage.back_conn)
    return sum(
        int(np.count_nonzero(view.receipts.via[view.receipts.by_join(join.number)] != LIVE)) for join in joins
    )


def _sends(view: View) -> SendStats:
    outcome = view.messages.outcome
    attempted, acked, rejected, open_ = (
        len(outcome), *(int(np.count_nonzero(outcome == o)) for o in (ACKNOWLEDGED, REJECTED, INDETERMINATE))
    )  # fmt: skip
    recovered = int(np.count_nonzero((outcome == INDETERMINATE) & view.seen))
    return SendStats(
        attempted=attempted, acked=acked, rejected=rejected, indeterminate=open_, recovered=recovered
    )


def _ack_latencies(view: View) -> NDArray[np.float64]:
    own = view.acknowledged
    return (view.messages.acked_ns[own] - view.messages.invoked_ns[own]) / MS


def _delivery_latencies(view: View) -> NDArray[np.float64]:
    table = view.receipts
    latencies = np.empty(len(table), np.float64)
    filled = 0
    for piece in table.pieces():
        owner = view.contents.owner[table.content[piece]]
        own = np.flatnonzero((table.via[piece] == LIVE) & (owner >= 0))
        came_ns = view.recorded.t_ns(table.row[piece][own].astype(np.int64))
        latencies[filled : filled + len(own)] = (came_ns - view.messages.invoked_ns[owner[own]]) / MS
        filled += len(own)
    return latencies[:filled]


def _longest_wait(view: View) -> float | None:
    """Return the longest time that any bot had sends under way and none was acknowledged."""
    waits = longest_waits(view)
    return max(wait.end_ns - wait.began_ns for wait in waits) / MS if waits else None


def _quantiles(samples: NDArray[np.float64]) -> Quantiles:
    """Return nearest-rank quantiles, without sorting what lies between them."""
    count = len(samples)
    if not count:
        return Quantiles()
    ranks = [max(0, math.ceil(q * count) - 1) for q in (0.5, 0.9, 0.99)]
    samples.partition([*ranks, count - 1])
    p50, p90, p99 = (float(samples[rank]) for rank in ranks)
    return Quantiles(
        count=count, p50=p50, p90=p90, p99=p99 if count >= SAMPLES_FOR_P99 else None, max=float(samples[-1])
    )


def _quantile(ordered: Sequence[float], q: float) -> float | None:
    """Return the nearest-rank quantile of sorted samples."""
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)] if ordered else None
