"""Coverage: did the run test what its plan says? A pass without it would mean nothing.

Per planned fault:

- *proven*: the journal has its inject and the proof that it bit; where it takes members down, the members'
  journal has seen them down or as another incarnation, with other eyes than the fault's own. Where it must
  heal, the journal has the proof of that, and the members are other incarnations, up again;
- *traffic*: at least 20 acknowledged sends before it and after it, and 20 sent during it. What is over in a
  moment is given a second, in which its effects are felt. While all nodes are down nobody can send: then
  there is no number to reach during it;
- *cut off*: where it takes nodes down, or closes their clients' connections, the bots that were connected to
  them lost their connection, and came back. What closes connections does so within that second. A fault that
  nobody felt proves nothing: that is unknown.

And once: the generator itself was not the bottleneck, which it would be if its event loop lagged.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from harness.checkers import stories
from harness.checkers.fault_windows import FaultWindow
from harness.checkers.sessions import BotView
from harness.checkers.view import View
from harness.clock import NS
from harness.records.journal import MemberEntry, MemberState
from harness.records.meta import FOREIGN
from harness.records.verdict import Finding, Verdict

SENDS = 20
MOMENT_NS = NS  # what a fault of one moment is given, so that traffic can be in it
OVERLOAD_MS = 250.0
GENERATOR = "generator"


def coverage(view: View, generator_lag_ms: float | None) -> tuple[Finding, ...]:
    """Return all coverage findings. `generator_lag_ms`: the p99 of the bots' loop lag, if known."""
    return (*_faults(view), _generator(view, generator_lag_ms))


def unhealed(view: View) -> tuple[str, ...]:
    """Return what the plan heals and nobody saw healed, a phrase each."""
    return tuple(
        f"fault {window.id} was not seen to heal"
        for window in view.windows
        if window.began_ns is not None and window.must_heal and window.heal_proved is None
    )


def _faults(view: View) -> Iterator[Finding]:
    if not view.windows:
        yield Finding(
            name="faults",
            verdict=Verdict.NOT_APPLICABLE,
            evidence="the plan has no faults, so none had to be covered",
        )
    for window in view.windows:
        yield _proven(view, window)
        yield _traffic(view, window)
        yield _cut_off(view, window)


# Proven


def _proven(view: View, window: FaultWindow) -> Finding:
    problems = [*window.failures, *_unproven(view, window)]
    name = f"proven:{window.id}"
    if problems:
        return Finding(name=name, verdict=Verdict.FAIL, evidence="; ".join(problems))
    assert window.began_ns is not None
    healed = f", {stories.ended(window)} by {stories.at(view, window.ended_ns)}" if window.ended_ns else ""
    evidence = f"{stories.began(window)} at {stories.at(view, window.began_ns)}{healed}"
    if window.proved is not None and window.proved.evidence:
        shown = ", ".join(f"{key}: {value}" for key, value in window.proved.evidence.items())
        evidence += f" ({shown})"
    return Finding(name=name, verdict=Verdict.PASS, evidence=evidence)


def _unproven(view: View, window: FaultWindow) -> Iterator[str]:
    if window.began_ns is None:
        yield "it was never injected"
        return
    if window.proved is None:
        yield "nobody saw it bite"
    if window.must_heal and window.heal_proved is None:
        yield "nobody saw it heal"
    if window.takes_down:
        for target in window.plan.targets:
            yield from _same_member(view, window, window.began_ns, target)


def _same_member(view: View, window: FaultWindow, began_ns: int, target: str) -> Iterator[str]:
    entries = [entry for entry in view.members if entry.member == target]
    before = next((entry for entry in reversed(entries) if entry.t_ns <= began_ns), None)
    after = [entry for entry in entries if entry.t_ns > began_ns]
    if before is None or not before.identity:
        yield f"{target} was not seen alive before it"
        return
    if all(entry.identity == before.identity for entry in after):
        yield f"{target} was the same incarnation before and after ({before.identity})"
    elif window.must_heal and not _came_back(before, after):
        yield f"{target} was not seen ready again as another incarnation"


def _came_back(before: MemberEntry, after: Iterable[MemberEntry]) -> bool:
    return any(
        entry.state is MemberState.READY and entry.identity not in ("", before.identity) for entry in after
    )


# Traffic


def _traffic(view: View, window: FaultWindow) -> Finding:
    name = f"traffic:{window.id}"
    if window.began_ns is None or window.injected_ns is None:
        return Finding(name=name, verdict=Verdict.UNKNOWN, evidence="the fault was never injected")
    after_ns = window.ended_ns if window.ended_ns is not None else window.injected_ns
    messages = view.messages
    acked = messages.acknowledged
    before = int(np.count_nonzero(acked & (messages.acked_ns < window.began_ns)))
    after = int(np.count_nonzero(acked & (messages.invoked_ns > after_ns)))
    end_ns = window.ended_ns if window.ended_ns is not None else view.last_ns
    times = messages.attempts.t_ns
    if "comes-back" in window.plan.traits:
        end_ns = max(end_ns, window.began_ns + MOMENT_NS)
    within = (times >= window.began_ns) & (times <= end_ns)
    during = len(np.unique(messages.attempts.message[within]))
    mute = window.takes_down and set(view.plan.cluster.nodes) <= set(window.plan.targets)
    enough = min(before, after, SENDS if mute else during) >= SENDS
    evidence = f"acknowledged before it: {before}, sent during it: {during}, acknowledged after it: {after}"
    return Finding(
        name=name,
        verdict=Verdict.PASS if enough else Verdict.FAIL,
        evidence=evidence if enough else f"{evidence}; at least {SENDS} of each are needed",
    )


# Cut off


def _cut_off(view: View, window: FaultWindow) -> Finding:
    name = f"cut-off:{window.id}"
    nodes = [target for target in window.plan.targets if target in view.plan.cluster.nodes]
    if not window.cuts_off or not nodes:
        return Finding(
            name=name,
            verdict=Verdict.NOT_APPLICABLE,
            evidence=f"{stories.what(window.plan)} cuts nobody off for sure",
        )
    if window.began_ns is None:
        return Finding(name=name, verdict=Verdict.UNKNOWN, evidence="the fault was never injected")
    on_it = [bot for bot in view.bots.values() if _was_on(bot, nodes, window.began_ns)]
    if not on_it:
        return Finding(
            name=name,
            verdict=Verdict.UNKNOWN,
            evidence=f"no bot was connected to {stories.listed(nodes)}, so nobody had to reconnect",
        )
    until_ns = _felt_until(view, window)
    stayed = [bot.name for bot in on_it if not _lost_it(bot, nodes, window.began_ns, until_ns)]
    if stayed:
        return Finding(
            name=name,
            verdict=Verdict.FAIL,
            evidence=f"{stories.listed(stayed)} kept a connection to {stories.listed(nodes)} all the same",
        )
    again = sum(_connected_after(bot, window.began_ns) for bot in on_it)
    evidence = f"{len(on_it)} bots lost their connection to {stories.listed(nodes)}; {again} connected again"
    return Finding(name=name, verdict=Verdict.PASS if again else Verdict.FAIL, evidence=evidence)


def _was_on(bot: BotView, nodes: list[str], t_ns: int) -> bool:
    return any(connection.node in nodes and connection.open_at(t_ns) for connection in bot.connections)


def _felt_until(view: View, window: FaultWindow) -> int:
    """Return until when it must have been felt: what takes a node down may drain it first."""
    if window.takes_down or window.injected_ns is None:
        return view.last_ns
    return window.injected_ns + MOMENT_NS


def _lost_it(bot: BotView, nodes: list[str], t_ns: int, until_ns: int) -> bool:
    return all(
        connection.closed_ns is not None and connection.closed_ns <= until_ns and not connection.by_own_wish
        for connection in bot.connections
        if connection.node in nodes and connection.open_at(t_ns)
    )


def _connected_after(bot: BotView, t_ns: int) -> bool:
    return any(connection.opened_ns > t_ns for connection in bot.connections)


# The generator


def _generator(view: View, lag_ms: float | None) -> Finding:
    errors = sorted(error for bot in view.bots.values() for error in bot.errors)
    noted = f"; bots noted {len(errors)} oddities, the first: {errors[0][1]}" if errors else ""
    if lag_ms is None and view.meta.backend == FOREIGN:
        return Finding(
            name=GENERATOR,
            verdict=Verdict.NOT_APPLICABLE,
            evidence="the history was recorded elsewhere",
        )
    if lag_ms is None:
        return Finding(
            name=GENERATOR,
            verdict=Verdict.UNKNOWN,
            evidence=f"how late the bots' own loop ran was not recorded{noted}",
        )
    overloaded = lag_ms > OVERLOAD_MS
    return Finding(
        name=GENERATOR,
        verdict=Verdict.FAIL if overloaded else Verdict.PASS,
        evidence=(
            f"the bots' own loop lagged by {lag_ms:.1f} ms (p99), {OVERLOAD_MS:.0f} ms are allowed{noted}"
        ),
    )
