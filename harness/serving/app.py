"""The pages: the list of runs, a run, its files. All of them are read-only, and for this machine alone.

    /                          the runs folder
    /runs                      its table alone, which the page asks for again and again
    /runs/NAME/                a run: live while it goes on
    /runs/NAME/scene           what of that page changes
    /runs/NAME/report.html     the report, and the other files of `FILES`

Every request must name this address as its host: a page of elsewhere whose name was made to point at
127.0.0.1 (DNS rebinding) names its own. A name in an address is that of a folder in the runs folder itself;
links are not followed. Reports come from run folders, which may be anybody's: they are served in a sandbox,
where their scripts have no access to these pages.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, render_template, request
from jinja2 import StrictUndefined
from werkzeug.exceptions import HTTPException

from harness import __version__
from harness.saved_runs import BROKEN, NOT_JUDGED, UNDER_WAY
from harness.serving import drawing
from harness.serving.following import Scene, look
from harness.serving.foresight import Foresight
from harness.serving.listing import Listing, Row
from reports import pages, sentence
from reports.text import clipped, visible

NAMES = ("127.0.0.1", "localhost")
TEXT_SHOWN = 1_000  # characters of any one string of a run
FILES: Mapping[str, str] = {
    "report.html": "text/html",
    "summary.md": "text/plain",
    "junit.xml": "text/plain",  # as XML it could name a style sheet
    "verdict.json": "application/json",
}
GLYPHS: Mapping[str, str] = {**pages.GLYPHS, UNDER_WAY: "●", NOT_JUDGED: "–", BROKEN: "!"}

_OWN = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_REPORT = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def make_app(runs_dir: Path, foresight: Foresight, *, port: int) -> Flask:
    """Return the application for a runs folder, served on that port."""
    app = Flask("harness.serving")
    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.autoescape = True
    app.jinja_env.finalize = pages.shown
    app.jinja_env.filters |= {
        "clip": lambda text: clipped(str(text), TEXT_SHOWN),
        "glyph": lambda word: GLYPHS.get(word, "!"),
        "number": sentence.number,
        "seconds": sentence.seconds,
        "plural": sentence.plural,
        "moment": lambda at_s: f"{at_s:.1f} s".replace("-", "−"),
    }
    app.jinja_env.globals["version"] = __version__
    listing = Listing(runs_dir)
    hosts = {f"{name}:{port}" for name in NAMES}

    def found(name: str) -> Path:
        path = listing.find(name)
        return path if path is not None else abort(404, f"There is no run {visible(clipped(name, 200))}.")

    @app.before_request
    def whence() -> None:
        if request.host not in hosts:
            abort(403, f"This page is for this machine alone: ask http://{NAMES[0]}:{port}/.")

    @app.after_request
    def guarded(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", _OWN)
        response.headers.extend(_ALWAYS)
        return response

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> tuple[str, int]:
        return render_template("refused.html.j2", error=error), error.code or 500

    @app.get("/")
    def runs_page() -> str:
        return render_template("runs.html.j2", runs_dir=str(runs_dir), listed=listing.read())

    @app.get("/runs")
    def runs_table() -> str:
        return render_template("table.html.j2", listed=listing.read())

    @app.get("/runs/<name>/")
    def run_page(name: str) -> str:
        return render_template("run.html.j2", **_facts(listing.row(found(name)), foresight))

    @app.get("/runs/<name>/scene")
    def run_scene(name: str) -> str:
        return render_template("scene.html.j2", **_facts(listing.row(found(name)), foresight))

    @app.get("/runs/<name>/<file>")
    def run_file(name: str, file: str) -> Response:
        return _file(found(name) / file) if file in FILES else abort(404, "No such file is served.")

    return app


def _facts(row: Row, foresight: Foresight) -> dict[str, Any]:
    scene = look(row)
    return {
        "scene": scene,
        "run": row.run,
        "row": row,
        "wide": drawing.draw(scene, width=drawing.WIDE),
        "narrow": drawing.draw(scene, width=drawing.NARROW),
        "windows": drawing.windows(scene),
        "outlook": foresight.of(scene) if scene.under_way else None,
        "worst": _worst(scene),
    }


def _worst(scene: Scene) -> Any:
    return sentence.worst_violation(scene.verdict) if scene.verdict is not None else None


def _file(path: Path) -> Response:
    """Serve one file of a run, which may be anybody's."""
    missing = f"This run has no {path.name} (yet)."
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        abort(404, missing)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        abort(404, missing)
    with os.fdopen(descriptor, "rb") as file:
        response = Response(file.read(), content_type=f"{FILES[path.name]}; charset=utf-8")
    response.headers["Content-Security-Policy"] = _REPORT
    return response
