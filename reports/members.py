"""The members one by one: who they were, in which states, what they used, what they logged around faults."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from reports import sparklines
from reports.log_extracts import Extract
from reports.picture import Picture
from reports.run import Run
from reports.spans import StateSpan, lane

STATES_SHOWN = 40
MEMBERS_SHOWN = 24


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
    samples: int
    trouble: str  # why its figures cannot be shown
    log: Extract | None  # `None`: there is no log of it in the run folder


def collect(run: Run, shown: Picture) -> tuple[MemberCard, ...]:
    """Return a card for each member; `shown` gives the axis of time."""
    members = run.plan.cluster.members[:MEMBERS_SHOWN]
    tops = {figure.name: _top(run, members, figure) for figure in sparklines.FIGURES}
    return tuple(_card(run, shown, member, tops) for member in members)


def left_out(run: Run) -> int:
    """Return how many members have no card."""
    return max(0, len(run.plan.cluster.members) - MEMBERS_SHOWN)


def _top(run: Run, members: Sequence[str], figure: sparklines.Figure) -> float:
    values = (figure.value(sample) for name in members for sample in run.usage_of(name).samples)
    return max((value for value in values if value is not None), default=0.0)


def _card(run: Run, shown: Picture, member: str, tops: dict[str, float]) -> MemberCard:
    usage, states = run.usage_of(member), _states(run, shown, member)
    identities = [identity for identity, _ in groupby(s.identity for s in states if s.identity)]
    return MemberCard(
        name=member,
        role="store" if member == run.plan.cluster.redis and not run.plan.cluster.attach else "node",
        incarnations=len(dict.fromkeys(identities)),
        states=states[:STATES_SHOWN],
        states_left_out=max(0, len(states) - STATES_SHOWN),
        multiples=tuple(_multiples(run, shown, member, tops)),
        samples=len(usage.samples),
        trouble=usage.trouble,
        log=run.extracts.get(member),
    )


def _states(run: Run, shown: Picture, member: str) -> tuple[StateSpan, ...]:
    return lane(run.members, shown.faults, member, max(shown.end_ns, run.meta.ended_ns or 0))


def _multiples(run: Run, shown: Picture, member: str, tops: dict[str, float]) -> list[Multiple]:
    samples, found = run.usage_of(member).samples, []
    start_ns, end_ns = shown.start_ns, max(shown.end_ns, shown.figures.bins.end_ns)
    shades = [
        (record.injected_ns, end_ns if record.over_ns is None else record.over_ns, record.label)
        for record in shown.faults
        if record.injected_ns is not None
    ]
    for figure in sparklines.FIGURES:
        points = sparklines.points(samples, figure)
        if not points:
            continue
        words = sparklines.words(points, figure.unit)
        svg = sparklines.draw(
            f"{figure.name} of {member}: {words}",
            points,
            start_ns=start_ns,
            end_ns=end_ns,
            most=tops[figure.name],
            shades=shades,
        )
        found.append(Multiple(name=figure.name, words=words, svg=svg))
    return found
