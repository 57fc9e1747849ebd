"""What all our pages have in common: how a template prints what comes from a run, and the verdicts' marks."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.records.verdict import Verdict
from reports.text import visible

GLYPHS: Mapping[str, str] = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✕",
    Verdict.UNKNOWN: "?",
    Verdict.NOT_APPLICABLE: "–",
}


def environment() -> Environment:
    """Return an environment for the templates of this package, which escapes whatever it prints."""
    return Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def shown(value: Any) -> Any:
    """Make every string that a template prints visible; markup of our own passes. Escaping follows."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
