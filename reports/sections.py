"""The sections of the page, in their order: each has a heading, a template, and what the template shows.

Whoever adds a section writes its template and a function that takes the facts out of the run, and names both
here; a sheet or a script of its own goes into `SHEETS` or `SCRIPTS`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from markupsafe import Markup

from harness.records.plan import Plan
from harness.records.verdict import Finding, Property, Verdict
from reports import members, picture, return_curve, sequence_drawing, timeline, zoomable
from reports.anchors import witness_id
from reports.limits import Limits
from reports.picture import Picture
from reports.reconnections import first, grouped
from reports.run import Run
from reports.scripts import data
from reports.spans import fault_records

T = TypeVar("T", Property, Finding)
Facts = Callable[[Picture, Limits], Mapping[str, Any]]  # of the picture's run

SHEETS = ("style.css", "timeline.css", "members.css")
SCRIPTS = ("page.js",)
TIMELINE_SCRIPT = ("scales.js", "drawing.js", "reading.js", "timeline.js")  # of static/, one script together
WELL = frozenset({Verdict.PASS, Verdict.NOT_APPLICABLE})


def _nothing_more(shown: Picture, limits: Limits) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A part of the page under a heading of its own: `id` is its heading's, `template` draws it."""

    id: str
    title: str  # in the list of what is on the page
    template: str
    facts: Facts = _nothing_more  # under the names by which the template knows them
    spare: int = 0  # where it stands in the order in which sections go that do not fit; 0: it stays


def _timeline(shown: Picture, limits: Limits) -> Mapping[str, Any]:
    return {
        "picture": shown,
        "picture_data": data("timeline-data", zoomable.payload(shown)),
        "untold": picture.untold(shown.run),
        "wide": timeline.draw(shown, width=timeline.WIDE),
        "narrow": timeline.draw(shown, width=timeline.NARROW),
        "torn": [file for file in shown.run.history if file.torn],
    }


def _guarantees(shown: Picture, limits: Limits) -> Mapping[str, Any]:
    return {"cards": _cards(shown.run), "diagrams": _diagrams(shown.run, limits)}


def _cards(run: Run) -> list[tuple[int, Property]]:
    """Return the guarantees with their places in the verdict: violations, doubts, then the rest."""
    order = {Verdict.FAIL: 0, Verdict.UNKNOWN: 1}
    return sorted(
        enumerate(run.verdict.properties), key=lambda card: (order.get(card[1].verdict, 2), card[0])
    )


def _diagrams(run: Run, limits: Limits) -> dict[str, Markup]:
    """Return the diagrams of the first stories of each guarantee, by the stories' ids."""
    faults = fault_records(run.plan, run.faults)
    found = {
        witness_id(p.name, index): sequence_drawing.drawn(run, faults, witness)
        for p in run.verdict.properties
        for index, witness in enumerate(p.witnesses[: limits.diagrams])
    }
    return {name: diagram for name, diagram in found.items() if diagram is not None}


def _reconnections(shown: Picture, limits: Limits) -> Mapping[str, Any]:
    run = shown.run
    groups = grouped(run.verdict.reconnections)
    shown_here = first(groups, limits.groups)
    deadline_ms = run.plan.limits.reconnection_s * 1000
    return {
        "groups": [(group, return_curve.drawn(group, deadline_ms)) for group in shown_here],
        "groups_left_out": len(groups) - len(shown_here),
        "labels": {record.fault_id: record.label for record in fault_records(run.plan, run.faults)},
    }


def _faults(shown: Picture, limits: Limits) -> Mapping[str, Any]:
    run = shown.run
    records = fault_records(run.plan, run.faults)
    injected = {record.fault_id for record in records}
    never = [fault for fault in run.plan.faults if fault.id not in injected]
    worst = sorted(range(len(records)), key=lambda i: not records[i].failed)[: limits.faults]
    return {
        "faults": [records[i] for i in sorted(worst)],
        "faults_left_out": len(records) - len(worst),
        "planned": {fault.id: fault for fault in run.plan.faults},
        "not_injected": never[: limits.faults],
        "not_injected_left_out": max(0, len(never) - limits.faults),
    }


def _evidence(shown: Picture, limits: Limits) -> Mapping[str, Any]:
    kinds = (("coverage", shown.run.verdict.coverage), ("lifecycle", shown.run.verdict.lifecycle))
    return {"evidence": [(kind, *kept(findings, limits.evidence)) for kind, findings in kinds]}


def kept(findings: Sequence[T], most: int) -> tuple[list[tuple[int, T]], int]:
    """Return findings with their places, all that are not well among them, and how many are left out."""
    placed = list(enumerate(findings))
    first = sorted(placed, key=lambda place: place[1].verdict in WELL)
    wrong = sum(finding.verdict not in WELL for finding in findings)
    shown = sorted(first[: max(most, wrong)], key=lambda place: place[0])
    return shown, len(placed) - len(shown)


def _members(shown: Picture, limits: Limits) -> Mapping[str, Any]:
    return {
        "member_cards": members.collect(shown, limits),
        "members_left_out": max(0, len(shown.run.plan.cluster.members) - limits.members),
        "shades": members.shades(shown),
    }


def _plan(shown: Picture, limits: Limits) -> Mapping[str, Any]:
    return {"rooms": _bots_per_room(shown.run.plan, limits.rooms)}


def _bots_per_room(plan: Plan, most: int) -> list[tuple[str, int]]:
    counts = Counter(room for bot in plan.bots for room in bot.rooms)
    return [(room, counts[room]) for room in plan.rooms[:most]]


# Guarantees are never left out, nor what is small whatever the run.
SECTIONS = (
    Section(id="timeline", title="Timeline", template="timeline.html.j2", facts=_timeline, spare=7),
    Section(id="guarantees", title="Guarantees", template="guarantees.html.j2", facts=_guarantees),
    Section(
        id="reconnections", title="Reconnections", template="reconnections.html.j2",
        facts=_reconnections, spare=4,
    ),
    Section(id="faults", title="Faults", template="faults.html.j2", facts=_faults, spare=5),
    Section(
        id="evidence", title="Coverage and lifecycle", template="coverage.html.j2", facts=_evidence, spare=6
    ),
    Section(id="members", title="Members", template="members.html.j2", facts=_members, spare=2),
    Section(id="figures", title="Figures", template="figures.html.j2"),
    Section(id="plan", title="Plan", template="plan.html.j2", facts=_plan, spare=3),
    Section(id="environment", title="Environment", template="environment.html.j2"),
    Section(id="logs", title="Logs", template="logs.html.j2", spare=1),
)  # fmt: skip
