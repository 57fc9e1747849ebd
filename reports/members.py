"""The members one by one: who they were, in which states, what they used, what they logged around faults."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from reports import sparklines
from reports.limits import Limits
from reports.log_extracts import Extract
from reports.picture import Picture
from reports.run import Run
from reports.shades import stretches
from reports.spans import StateSpan, lane
from reports.text import clipped

STATES_SHOWN = 40
_NAME = 60  # characters of a member's, in tool tips


@dataclass(frozen=True, kw_only=True, slots=True)
class Multiple:
    """One figure of one member, drawn; `words` has its exact range."""

    name: str
    words: str
    svg: Markup


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberCard:
    """All that is shown of a member."""

    name: str
    role: str
    incarnations: int
    states: tuple[StateSpan, ...]
    states_left_out: int
    multiples: tuple[Multiple, ...]
    trouble: str  # why its figures cannot be shown
    log: Extract | None  # `None`: there is no log of it in the run folder


def collect(shown: Picture, limits: Limits) -> tuple[MemberCard, ...]:
    """Return a card for each member."""
    run = shown.run
    members = run.plan.cluster.members[: limits.members]
    tops = {figure.name: _top(run, members, figure) for figure in sparklines.FIGURES}
    return tuple(_card(shown, member, tops, limits) for member in members)


def shades(shown: Picture) -> Markup:
    """Return the times of faults, drawn once for all curves."""
    start_ns, end_ns = _axis(shown)
    times = stretches(shown.faults, start_ns=start_ns, end_ns=end_ns, most=sparklines.SHADES)
    return sparklines.shades(times, start_ns=start_ns, end_ns=end_ns)


def _axis(shown: Picture) -> tuple[int, int]:
    """Return the bounds of time, those of the big picture."""
    return shown.start_ns, max(shown.end_ns, shown.figures.bins.end_ns)


def _top(run: Run, members: Sequence[str], figure: sparklines.Figure) -> float:
    values = (figure.value(sample) for name in members for sample in run.usage_of(name).samples)
    return max((value for value in values if value is not None), default=0.0)


def _card(shown: Picture, member: str, tops: dict[str, float], limits: Limits) -> MemberCard:
    run, states = shown.run, _states(shown, member)
    log = run.extracts.get(member)
    identities = [identity for identity, _ in groupby(s.identity for s in states if s.identity)]
    return MemberCard(
        name=member,
        role="store" if member == run.plan.cluster.redis and not run.plan.cluster.attach else "node",
        incarnations=len(dict.fromkeys(identities)),
        states=states[:STATES_SHOWN],
        states_left_out=max(0, len(states) - STATES_SHOWN),
        multiples=tuple(_multiples(shown, member, tops)),
        trouble=run.usage_of(member).trouble,
        log=None if log is None else log.first(limits.log_windows),
    )


def _states(shown: Picture, member: str) -> tuple[StateSpan, ...]:
    run = shown.run
    return lane(run.members, shown.faults, member, max(shown.end_ns, run.meta.ended_ns or 0))


def _multiples(shown: Picture, member: str, tops: dict[str, float]) -> list[Multiple]:
    samples, found = shown.run.usage_of(member).samples, []
    start_ns, end_ns = _axis(shown)
    for figure in sparklines.FIGURES:
        points = sparklines.points(samples, figure)
        if not points:
            continue
        words = sparklines.words(points, figure.unit)
        svg = sparklines.draw(
            f"{figure.name} of {clipped(member, _NAME)}: {words}",
            points,
            start_ns=start_ns,
            end_ns=end_ns,
            most=tops[figure.name],
        )
        found.append(Multiple(name=figure.name, words=words, svg=svg))
    return found
