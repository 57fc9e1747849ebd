"""`report.html`: one file, complete in itself, for people.

The page asks for nothing: no font, no image, no script but its own, which the content security policy knows
by their hashes. Whatever comes from the run is escaped by the template engine, after `visible` has made it
visible; nothing of it ever stands inside a script.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from harness.records.verdict import Finding, Property, Verdict
from reports import pages, picture, sentence
from reports.anchors import witness_id
from reports.limits import LEVELS, MOST_BYTES, Limits
from reports.picture import Picture
from reports.run import Run
from reports.scripts import joined
from reports.sections import SCRIPTS, SECTIONS, SHEETS, TIMELINE_SCRIPT, Section, kept
from reports.text import clipped


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One of the three kinds of finding, as the first screen shows it: those shown with their places."""

    name: str
    about: str
    findings: tuple[Property | Finding, ...]
    shown: list[tuple[int, Any]]
    left_out: int

    @property
    def count(self) -> str:
        """How they came out: "6 pass, 1 fail"."""
        verdicts = Counter(finding.verdict for finding in self.findings)
        return ", ".join(f"{verdicts[v]:,} {v.value}" for v in Verdict if verdicts[v]) or "none"


def render(run: Run) -> str:
    """Return the page, as full as its size allows."""
    shown, page = picture.collect(run), ""
    for limits, left_out in _ever_less():
        page = _page(shown, limits, left_out)
        if len(page.encode()) <= MOST_BYTES:
            break
    return page


def _ever_less() -> Iterator[tuple[Limits, tuple[Section, ...]]]:
    """Yield how much to show: less of everything, and in the end without whole sections."""
    yield from ((limits, ()) for limits in LEVELS)
    spare = sorted((section for section in SECTIONS if section.spare), key=lambda section: section.spare)
    yield from ((LEVELS[-1], tuple(spare[:count])) for count in range(1, len(spare) + 1))


def _page(shown: Picture, limits: Limits, left_out: tuple[Section, ...] = ()) -> str:
    run = shown.run
    environment = _environment(run, limits)
    scripts = (*_scripts(environment), joined(*TIMELINE_SCRIPT))
    facts: dict[str, Any] = {}
    for section in SECTIONS:
        facts |= section.facts(shown, limits) if section not in left_out else {}
    return environment.get_template("report.html.j2").render(
        run=run,
        limits=limits,
        sections=SECTIONS,
        left_out=left_out,
        sheets=SHEETS,
        scripts=scripts,
        policy=_policy(scripts),
        plan=run.plan,
        meta=run.meta,
        verdict=run.verdict,
        stats=run.verdict.stats,
        headline=sentence.headline(run),
        reasons=sentence.doubts(run) if run.verdict.verdict is Verdict.UNKNOWN else (),
        worst=sentence.worst_violation(run.verdict),
        kinds=_kinds(run, limits),
        **facts,
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


def _environment(run: Run, limits: Limits) -> Environment:
    environment = pages.environment()
    environment.filters |= {
        "number": sentence.number,
        "seconds": sentence.seconds,
        "ms": _milliseconds,
        "clip": lambda text: clipped(str(text), limits.text),
        "clip_line": lambda text: clipped(str(text), limits.line),
        "clip_scenario": lambda text: clipped(str(text), limits.scenario),
        "moment": lambda t_ns: "–" if t_ns is None else sentence.moment(run.at_s(t_ns)),
        "plural": sentence.plural,
        "bound": sentence.bound_percent,
        "glyph": pages.GLYPHS.__getitem__,
    }
    environment.globals["is_expected"] = lambda finding: (
        isinstance(finding, Property) and sentence.is_expected_failure(run.plan, run.verdict, finding)
    )
    environment.globals["witness_id"] = witness_id
    return environment


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else sentence.milliseconds(value)


def _kinds(run: Run, limits: Limits) -> tuple[Kind, ...]:
    verdict = run.verdict
    return (
        _kind("Guarantees", "did the cluster keep its promises?", verdict.properties, limits),
        _kind("Coverage", "was it really put to the test?", verdict.coverage, limits),
        _kind("Lifecycle", "did the run begin and end in health?", verdict.lifecycle, limits),
    )


def _kind(name: str, about: str, findings: tuple[Any, ...], limits: Limits) -> Kind:
    shown, left_out = kept(findings, limits.findings)
    return Kind(name=name, about=about, findings=findings, shown=shown, left_out=left_out)
