"""Scripts of a page that are put together from files, and the data that they read.

Data goes beside them as JSON, in elements that no browser runs.
"""

import json
from importlib.resources import files
from typing import Any

from markupsafe import Markup

_STATIC = files("reports") / "static"
# What could end the element, or begin a comment in it: the same in JSON, escaped.
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def joined(*names: str) -> Markup:
    """Put files of `static/` together as the text of one script, which shares no names with others."""
    parts = [(_STATIC / name).read_text("utf-8") for name in names]
    return Markup("\n".join(['(() => {\n"use strict";', *parts, "})();"]))  # Nothing of a run is in it.


def data(id_: str, value: Any) -> Markup:
    """Return an element that holds a value as JSON; a script reads it by its id."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)
    return Markup('<script type="application/json" id="{}">').format(id_) + Markup(f"{text}</script>")
