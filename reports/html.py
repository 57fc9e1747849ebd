"""`report.html`: one file, complete in itself, for people.

The page asks for nothing: no font, no image, no script but its own, which the content security policy knows
by their hashes. Whatever comes from the run is escaped by the template engine, after `visible` has made it
visible; nothing of it ever stands inside a script.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.records.plan import Plan
from harness.records.verdict import Finding, Property, Verdict
from reports import members, picture, sentence, sequence_drawing, timeline, zoomable
from reports.anchors import witness_id
from reports.reconnections import grouped
from reports.run import Run
from reports.scripts import data, joined
from reports.spans import FaultRecord, fault_records
from reports.text import clipped, visible

SHEETS = ("style.css", "timeline.css", "members.css")
SCRIPTS = ("page.js",)
TIMELINE_SCRIPT = ("scales.js", "drawing.js", "reading.js", "timeline.js")  # of static/, one script together


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A part of the page under a heading of its own: `id` is its heading's, `template` draws it."""

    id: str
    title: str  # in the list of what is on the page
    template: str


SECTIONS = (
    Section(id="timeline", title="Timeline", template="timeline.html.j2"),
    Section(id="guarantees", title="Guarantees", template="guarantees.html.j2"),
    Section(id="reconnections", title="Reconnections", template="reconnections.html.j2"),
    Section(id="faults", title="Faults", template="faults.html.j2"),
    Section(id="evidence", title="Coverage and lifecycle", template="coverage.html.j2"),
    Section(id="members", title="Members", template="members.html.j2"),
    Section(id="figures", title="Figures", template="figures.html.j2"),
    Section(id="plan", title="Plan", template="plan.html.j2"),
    Section(id="environment", title="Environment", template="environment.html.j2"),
    Section(id="logs", title="Logs", template="logs.html.j2"),
)

GLYPHS = {Verdict.PASS: "✓", Verdict.FAIL: "✕", Verdict.UNKNOWN: "?", Verdict.NOT_APPLICABLE: "–"}
STORIES_SHOWN = 3  # as headings of their own; the others unfold
DIAGRAMS_SHOWN = 8  # of each guarantee
OPERATIONS_SHOWN = 24
BOTS_SHOWN = 200
ROOMS_SHOWN = 100
TEXT_SHOWN = 1_000  # characters of any one string from the run
LINE_SHOWN = 300  # of one that is a line among many
SCENARIO_SHOWN = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One of the three kinds of finding, as the first screen shows it."""

    name: str
    about: str
    findings: tuple[Property | Finding, ...]

    @property
    def count(self) -> str:
        """How they came out: "6 pass, 1 fail"."""
        verdicts = Counter(finding.verdict for finding in self.findings)
        return ", ".join(f"{verdicts[v]:,} {v.value}" for v in Verdict if verdicts[v]) or "none"


def render(run: Run) -> str:
    """Return the page."""
    shown = picture.collect(run)
    records = fault_records(run.plan, run.faults)
    environment = _environment(run)
    scripts = (*_scripts(environment), joined(*TIMELINE_SCRIPT))
    return environment.get_template("report.html.j2").render(
        run=run,
        sections=SECTIONS,
        sheets=SHEETS,
        scripts=scripts,
        policy=_policy(scripts),
        diagrams=_diagrams(run, records),
        plan=run.plan,
        meta=run.meta,
        verdict=run.verdict,
        stats=run.verdict.stats,
        headline=sentence.headline(run),
        worst=sentence.worst_violation(run.verdict),
        kinds=_kinds(run),
        cards=_cards(run),
        picture=shown,
        picture_data=data("timeline-data", zoomable.payload(shown)),
        untold=picture.untold(run),
        wide=timeline.draw(shown, width=timeline.WIDE),
        narrow=timeline.draw(shown, width=timeline.NARROW),
        member_cards=members.collect(run, shown),
        members_left_out=members.left_out(run),
        groups=grouped(run.verdict.reconnections),
        faults=records,
        planned={fault.id: fault for fault in run.plan.faults},
        rooms=_bots_per_room(run.plan),
        witness_id=witness_id,
        stories_shown=STORIES_SHOWN,
        operations_shown=OPERATIONS_SHOWN,
        bots_shown=BOTS_SHOWN,
        torn=[file for file in run.history if file.torn],
    )


def _scripts(environment: Environment) -> tuple[Markup, ...]:
    """Return our own scripts, word for word as they stand in the page."""
    assert environment.loader is not None
    return tuple(Markup(environment.loader.get_source(environment, name)[0]) for name in SCRIPTS)


def _policy(scripts: Iterable[str]) -> str:
    """Return the content security policy: styles of the page's own, and these scripts alone."""
    hashes = (b64encode(sha256(script.encode()).digest()).decode() for script in scripts)
    sources = " ".join(f"'sha256-{digest}'" for digest in hashes) or "'none'"
    return (
        f"default-src 'none'; script-src {sources}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _diagrams(run: Run, records: tuple[FaultRecord, ...]) -> dict[str, Markup]:
    """Return the diagrams of the first stories of each guarantee, by the stories' ids."""
    found = {
        witness_id(p.name, index): sequence_drawing.drawn(run, records, witness)
        for p in run.verdict.properties
        for index, witness in enumerate(p.witnesses[:DIAGRAMS_SHOWN])
    }
    return {name: diagram for name, diagram in found.items() if diagram is not None}


def _environment(run: Run) -> Environment:
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": sentence.number,
        "seconds": sentence.seconds,
        "ms": _milliseconds,
        "clip": lambda text: clipped(str(text), TEXT_SHOWN),
        "clip_line": lambda text: clipped(str(text), LINE_SHOWN),
        "clip_scenario": lambda text: clipped(str(text), SCENARIO_SHOWN),
        "moment": lambda t_ns: "–" if t_ns is None else sentence.moment(run.at_s(t_ns)),
        "plural": sentence.plural,
        "bound": sentence.bound_percent,
        "glyph": GLYPHS.__getitem__,
    }
    environment.globals["is_expected"] = lambda finding: (
        isinstance(finding, Property) and sentence.is_expected_failure(run.plan, run.verdict, finding)
    )
    return environment


def _shown(value: Any) -> Any:
    """Make every string that a template prints visible; markup of our own passes."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else sentence.milliseconds(value)


def _kinds(run: Run) -> tuple[Kind, ...]:
    verdict = run.verdict
    return (
        Kind(name="Guarantees", about="did the cluster keep its promises?", findings=verdict.properties),
        Kind(name="Coverage", about="was it really put to the test?", findings=verdict.coverage),
        Kind(name="Lifecycle", about="did the run begin and end in health?", findings=verdict.lifecycle),
    )


def _cards(run: Run) -> list[tuple[int, Property]]:
    """Return the guarantees with their places in the verdict: violations, doubts, then the rest."""
    order = {Verdict.FAIL: 0, Verdict.UNKNOWN: 1}
    return sorted(
        enumerate(run.verdict.properties), key=lambda card: (order.get(card[1].verdict, 2), card[0])
    )


def _bots_per_room(plan: Plan) -> list[tuple[str, int]]:
    counts = Counter(room for bot in plan.bots for room in bot.rooms)
    return [(room, counts[room]) for room in plan.rooms[:ROOMS_SHOWN]]
