"""Lifecycle: did the run begin, end and settle as a run must before its end can be judged?"""

from collections.abc import Iterator

import numpy as np

from harness.checkers import steady_state, stories
from harness.checkers.sessions import Membership
from harness.checkers.view import View
from harness.clock import NS
from harness.judge.coverage import unhealed
from harness.records.journal import MemberEntry, MemberState
from harness.records.meta import FOREIGN
from harness.records.verdict import Finding, Verdict

SHOWN = 3
STANDS_STILL = (MemberState.DOWN, MemberState.PAUSED)


def lifecycle(view: View) -> tuple[Finding, ...]:
    """Return all lifecycle findings, in the order of a run's life."""
    if view.meta.backend == FOREIGN:
        return _of_a_foreign_history(view)
    return (
        _finding("healthy-start", _unhealthy_start(view), _healthy_start(view)),
        _finding("to-its-end", _cut_short(view), _length(view)),
        _finding("recovered", unrecovered(view), "every member that the plan leaves alive was ready again"),
        *_steady_state(view),
        *_of_the_history(view),
    )


def _of_a_foreign_history(view: View) -> tuple[Finding, ...]:
    """What the history itself tells. Nobody watched the members, or how the run began and ended."""
    unwatched = tuple(
        Finding(name=name, verdict=Verdict.NOT_APPLICABLE, evidence="the history was recorded elsewhere")
        for name in ("healthy-start", "to-its-end", "recovered")
    )
    return (*unwatched, *_of_the_history(view))


def _steady_state(view: View) -> Iterator[Finding]:
    """Yield whether the steady state held, before the first fault and after recovery."""
    if not view.plan.steady_state:
        return
    for name, window in (
        ("steady-state", steady_state.before_faults(view)),
        ("steady-state-after", steady_state.after_recovery(view)),
    ):
        if window is None:
            yield Finding(name=name, verdict=Verdict.UNKNOWN, evidence="the run did not come so far")
            continue
        held = ", ".join(bound.spoken(value) for bound, value in steady_state.measured(view, window))
        yield _finding(name, steady_state.broken(view, window), held)


def _of_the_history(view: View) -> tuple[Finding, ...]:
    return (
        _finding("traffic", _silence(view), f"{len(view.acknowledged)} messages were acknowledged"),
        _finding("drained", _undrained(view), f"all {len(view.messages)} sends were resolved"),
        _finding("final-reads", view.unsettled, _reads(view)),
        _caught_up(view),
        _finding("history", _history_trouble(view), _whole(view)),
    )


def unrecovered(view: View) -> tuple[str, ...]:
    """Return which members were not seen healthy after the last disturbance, and what did not heal."""
    if view.meta.backend == FOREIGN:
        return ()
    disturbed = max((end for window in view.windows if (end := window.ended_ns) is not None), default=0)
    start = max(disturbed, view.zero_ns)
    missing = []
    for member in view.alive:
        entries = [entry for entry in view.members if entry.member == member]
        states = {entry.state for entry in entries if entry.t_ns > start}
        before = [entry.state for entry in entries if entry.t_ns <= start]
        states.update(before[-1:])
        if MemberState.READY not in states:
            missing.append(f"{member} was not seen ready after {stories.at(view, start)}")
        elif (last := entries[-1].state) in STANDS_STILL:
            missing.append(f"{member} was {last} at the end")
    return (*missing, *unhealed(view))


def _finding(name: str, problems: tuple[str, ...], otherwise: str) -> Finding:
    if not problems:
        return Finding(name=name, verdict=Verdict.PASS, evidence=otherwise)
    more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return Finding(name=name, verdict=Verdict.FAIL, evidence="; ".join(problems[:SHOWN]) + more)


def _unhealthy_start(view: View) -> tuple[str, ...]:
    if view.meta.load_began_ns is None:
        return ("the load never began",)
    missing = []
    for member in view.plan.cluster.members:
        before = _before_load(view, member)
        if not before:
            missing.append(f"{member} was not seen when the load began")
        elif (state := before[-1].state) in STANDS_STILL:
            missing.append(f"{member} was {state} when the load began")
        elif not any(_ready_as(entry, before[-1].identity) for entry in before):
            missing.append(f"{member} was {before[-1].state} when the load began, and had never been ready")
    return tuple(missing)


def _healthy_start(view: View) -> str:
    """Return the evidence. One slow probe makes no member unhealthy that was seen ready."""
    slow = [
        f"; {member} had been ready, though it was {before[-1].state} just before the load"
        for member in view.plan.cluster.members
        if (before := _before_load(view, member)) and before[-1].state is not MemberState.READY
    ]
    return f"every member was ready before the load began{''.join(slow)}"


def _before_load(view: View, member: str) -> list[MemberEntry]:
    began = view.meta.load_began_ns
    return [e for e in view.members if e.member == member and began is not None and e.t_ns <= began]


def _ready_as(entry: MemberEntry, identity: str) -> bool:
    """Whether it was ready as this incarnation: what another one was says nothing of it."""
    return entry.state is MemberState.READY and entry.identity == identity


def _cut_short(view: View) -> tuple[str, ...]:
    problems = [f"the run was aborted: {view.meta.aborted}"] if view.meta.aborted is not None else []
    if view.meta.load_ended_ns is None:
        problems.append("the load was never ended in order")
    return tuple(problems)


def _length(view: View) -> str:
    ended = view.meta.load_ended_ns
    return f"the load lasted {(ended - view.zero_ns) / NS:.1f} s" if ended is not None else ""


def _silence(view: View) -> tuple[str, ...]:
    return () if len(view.acknowledged) else ("no message was acknowledged, so nothing was promised",)


def _undrained(view: View) -> tuple[str, ...]:
    return tuple(
        f"{stories.message(view, view.message(message))} was still unresolved"
        for message in np.flatnonzero(view.messages.resolved_ns < 0).tolist()
    )


def _reads(view: View) -> str:
    return f"{len(view.finals.reads)} logs were read until two rounds were equal"


def _caught_up(view: View) -> Finding:
    if not view.durable:
        return Finding(
            name="caught-up",
            verdict=Verdict.NOT_APPLICABLE,
            evidence="the pub/sub mode has no positions to catch up to",
        )
    return _finding("caught-up", tuple(_behind(view)), "every joined bot received up to its rooms' heads")


def _behind(view: View) -> Iterator[str]:
    heads = {room: _head(view, room) for room in view.plan.rooms}
    for member in view.memberships():
        head = heads.get(member.room, 0)
        bot = view.bots[member.bot]
        if member.left_ns is not None or member.room in bot.missing_rooms or member.seq >= head:
            continue
        reached = _reached(view, member)
        if reached < head:
            yield f"{bot.name} received up to {reached} of {head} in {member.room}"


def _reached(view: View, member: Membership) -> int:
    """Return the highest position that came in a membership, its join's where nothing came."""
    stay = view.receipts.stay(member.bot, view.room_number(member.room))
    own = view.membership_of_join[view.receipts.join[stay]] == member.number
    seqs = view.contents.seq[view.receipts.content[stay][own]]
    return int(seqs.max()) if len(seqs) else member.seq


def _head(view: View, room: str) -> int:
    return max(
        (int(view.contents.seq[read.contents].max(initial=0)) for read in view.stores(room)), default=0
    )


def _history_trouble(view: View) -> tuple[str, ...]:
    return (*view.lost_evidence, *view.oddities)


def _whole(view: View) -> str:
    other = f"; {view.foreign} contents of other runs were left out" if view.foreign else ""
    return f"it is whole{other}"
