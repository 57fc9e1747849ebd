"""Figures of the whole run: counts, latencies, the ways back. Milliseconds, on one machine's clock."""

import math
from collections.abc import Iterable, Sequence

from harness.checkers import reconnection
from harness.checkers.messages import Message, Outcome
from harness.checkers.sessions import BotView, Outage, Via
from harness.checkers.view import View
from harness.records.verdict import Quantiles, Reconnection, ReconnectionStats, SendStats, Stats

MS = 1_000_000
SAMPLES_FOR_P99 = 100


def stats(view: View) -> Stats:
    """Return the figures of the run."""
    ways = reconnections(view)
    took = sorted((way.back_ns - way.lost_ns) / MS for way in ways if way.back_ns is not None)
    return Stats(
        sends=_sends(view),
        deliveries=sum(not receipt.content.foreign for receipt in view.receipts()),
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
        caught_up=sum(
            receipt.conn == outage.back_conn and receipt.via is not Via.LIVE for receipt in bot.receipts
        ),
    )


def _sends(view: View) -> SendStats:
    outcomes = [message.outcome for message in view.messages.values()]
    seen = set(view.received)
    for read in view.finals.reads.values():
        seen.update(whose for content in read.contents if (whose := view.belongs(content)))
    return SendStats(
        attempted=len(outcomes),
        acked=outcomes.count(Outcome.ACKNOWLEDGED),
        rejected=outcomes.count(Outcome.REJECTED),
        indeterminate=outcomes.count(Outcome.INDETERMINATE),
        recovered=sum(
            message.outcome is Outcome.INDETERMINATE and whose in seen
            for whose, message in view.messages.items()
        ),
    )


def _ack_latencies(view: View) -> Iterable[float]:
    for message in view.acknowledged:
        first = message.first_ack
        if first is not None:
            yield (first[1].t_ns - message.invoked_ns) / MS


def _delivery_latencies(view: View) -> Iterable[float]:
    for receipt in view.receipts():
        message = view.message_of(receipt.content) if receipt.via is Via.LIVE else None
        if message is not None and message.room == receipt.content.room:
            yield (receipt.t_ns - message.invoked_ns) / MS


def _longest_wait(view: View) -> float | None:
    """Return the longest time that any bot had sends under way and none was acknowledged."""
    by_bot: dict[int, list[Message]] = {}
    for message in view.messages.values():
        by_bot.setdefault(message.bot, []).append(message)
    waits = [_longest_wait_of(messages, view.last_ns) for messages in by_bot.values()]
    return max(waits) / MS if waits else None


def _longest_wait_of(messages: Iterable[Message], end_ns: int) -> int:
    """Sweep one bot's sends: a wait runs while any is under way, and begins anew at each acknowledgement."""
    edges: list[tuple[int, int, bool]] = []
    for message in messages:
        over = message.resolved_ns
        edges.append((message.invoked_ns, 1, False))
        edges.append((over if over is not None else end_ns, -1, message.acknowledged))
    longest = under_way = began = 0
    for t_ns, change, acknowledged in sorted(edges):
        if under_way and (acknowledged or under_way + change == 0):
            longest = max(longest, t_ns - began)
        if acknowledged or not under_way:
            began = t_ns
        under_way += change
    return longest


def _quantiles(samples: Iterable[float]) -> Quantiles:
    ordered = sorted(samples)
    return Quantiles(
        count=len(ordered),
        p50=_quantile(ordered, 0.5),
        p90=_quantile(ordered, 0.9),
        p99=_quantile(ordered, 0.99) if len(ordered) >= SAMPLES_FOR_P99 else None,
        max=ordered[-1] if ordered else None,
    )


def _quantile(ordered: Sequence[float], q: float) -> float | None:
    """Return the nearest-rank quantile of sorted samples."""
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)] if ordered else None
