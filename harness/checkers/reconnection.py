"""reconnection: every bot that lost its connection, to a fault or otherwise, is back in its rooms on a
live node within the deadline.

A connection is *lost* when it ends other than by the bot's own wish. The bot is *back* when it is joined
to all its rooms on one connection. The deadline is `limits.reconnection` after the loss was noticed, or
`limits.silent_cut_reconnection` when it was noticed by a ping timeout; a loss within a declared outage
(`fault_windows.py`) is given the time from that outage's end. A second loss on the way back
prolongs nothing. A bot that is not joined to all its rooms at the end fails as well, even if it was never
seen to lose a connection.

What is lost after the last final read is the ordered end of the run and does not count. Without final
reads every loss counts.

Counted are losses, and bots that never got in.
"""

from functools import partial

from harness.checkers import operations, stories
from harness.checkers.findings import Tally
from harness.checkers.sessions import BotView, Outage
from harness.checkers.view import View
from harness.clock import NS
from harness.records.verdict import Property, Witness

NAME = "reconnection"


def check(view: View) -> Property:
    """Compare every outage of every bot with its deadline."""
    tally = Tally(name=NAME, counted="lost connections")
    for bot in view.bots.values():
        counted = [outage for outage in bot.outages if counts(view, outage)]
        tally.checked += len(counted)
        for outage in counted:
            took = _too_long(view, outage)
            if took:
                tally.violated(partial(_late, view, bot, outage, took))
        if not bot.joined_at_end and not (bot.outages and bot.outages[-1].back_ns is None):
            tally.checked += 1
            tally.violated(partial(_outside, view, bot))
    return tally.finding()


def counts(view: View, outage: Outage) -> bool:
    """Whether the loss was not just the ordered end of the run."""
    return view.finals.ended_ns is None or outage.lost_ns <= view.finals.ended_ns


def limit_s(view: View, outage: Outage) -> float:
    """Return the seconds within which the bot must be back."""
    limits = view.plan.limits
    return limits.silent_cut_reconnection_s if outage.silent else limits.reconnection_s


def _too_long(view: View, outage: Outage) -> str:
    """Return what was wrong with the way back, empty when nothing."""
    if outage.back_ns is None:
        return "and was never back in all its rooms"
    took = (outage.back_ns - _from_ns(view, outage)) / NS
    if took <= limit_s(view, outage):
        return ""
    away = (outage.back_ns - outage.lost_ns) / NS
    return f"and was back only {away:.2f} s later; {limit_s(view, outage):g} s are allowed"


def _from_ns(view: View, outage: Outage) -> int:
    """Return when the deadline begins to run."""
    ends = [
        window.ended_ns
        for window in view.outages
        if window.ended_ns is not None and window.covers(outage.lost_ns)
    ]
    return max([outage.lost_ns, *ends])


def _late(view: View, bot: BotView, outage: Outage, wrong: str) -> Witness:
    story = (
        f"{bot.name} lost its connection to {outage.from_node} ({outage.reason}) at "
        f"{stories.at(view, outage.lost_ns)}{stories.beside_fault(view, outage.lost_ns)}, {wrong}"
    )
    end = outage.back_ns if outage.back_ns is not None else view.last_ns
    return operations.witness(story, _way_back(view, bot, outage.lost_ns, end), outage.lost_ns)


def _outside(view: View, bot: BotView) -> Witness:
    rooms = stories.listed(bot.missing_rooms)
    story = f"{bot.name} was not in {rooms} at the end, and no lost connection explains it"
    return operations.witness(story, _way_back(view, bot, 0, view.last_ns), None)


def _way_back(view: View, bot: BotView, from_ns: int, to_ns: int) -> list[operations.Line]:
    rooms = {join.room for join in bot.joins}
    lines = [found for room in rooms for found in operations.whereabouts(view, bot, room, from_ns, to_ns)]
    failed = [
        operations.line(
            view, join.invoked_ns, bot.name, f"asks to join {join.room}: {join.error or 'no answer'}"
        )
        for join in bot.joins
        if join.accepted_ns is None and from_ns <= join.invoked_ns <= to_ns
    ]
    return [*lines, *failed]
