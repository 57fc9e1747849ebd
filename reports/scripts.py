"""The scripts of a page: our own files, inline, each allowed by the hash of its text and by nothing else.

Data goes beside them as JSON, in elements that no browser runs.
"""

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from markupsafe import Markup

_STATIC = files("reports") / "static"
# What could end the element, or begin a comment in it: the same in JSON, escaped.
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


@dataclass(frozen=True, slots=True)
class Script:
    """The text of an inline script."""

    text: str

    @classmethod
    def of(cls, *names: str) -> "Script":
        """Put files of `static/` together as one script that shares no names with others."""
        parts = [(_STATIC / name).read_text("utf-8") for name in names]
        return cls("\n".join(['(() => {\n"use strict";', *parts, "})();"]))

    @property
    def digest(self) -> str:
        """The source that a content security policy allows it by."""
        return f"'sha256-{base64.b64encode(hashlib.sha256(self.text.encode()).digest()).decode()}'"

    @property
    def markup(self) -> Markup:
        """The element."""
        return Markup(f"<script>{self.text}</script>")  # Our own file: nothing of a run is in it.


def policy(scripts: Iterable[Script]) -> str:
    """Return the content security policy of a page with these scripts."""
    allowed = " ".join(script.digest for script in scripts) or "'none'"
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {allowed}",
            "style-src 'unsafe-inline'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def data(id_: str, value: Any) -> Markup:
    """Return an element that holds a value as JSON; a script reads it by its id."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)
    return Markup('<script type="application/json" id="{}">').format(id_) + Markup(f"{text}</script>")
