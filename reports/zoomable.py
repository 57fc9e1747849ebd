"""What the page's script is told of a picture: every series at every level, states, faults, populations.

Its size is bounded whatever the history is: the levels have a few thousand bins in all, step series a few
thousand moments. A column of nothing but zeros is left out, and what has no value is `null`.
"""

import math
from typing import Any

import numpy as np

from reports.figures import COUNTS, Latencies, Level
from reports.picture import Picture
from reports.populations import Populations
from reports.run import Run
from reports.sentence import plural
from reports.text import clipped, visible

_DIGITS = 4  # of a latency: more is noise
_SHOWN = 100  # characters of a name or an identity


def payload(shown: Picture) -> dict[str, Any]:
    """Return the data of a picture, ready for JSON; times are seconds from the start of the load."""
    run = shown.run
    return {
        "levels": [_level(run, level) for level in shown.figures.levels],
        "populations": [
            _populations(
                run, shown.connected, [f"connected-{i}" for i in range(len(shown.connected.columns))]
            ),
            _populations(run, shown.cut_off, ["cut-off"]),
        ],
        "nodes": [_text(name) for name in shown.connected.columns],
        "lanes": _lanes(shown),
        "faults": _faults(shown),
    }


def _faults(shown: Picture) -> list[dict[str, Any]]:
    """Return those that have windows, one by one, and when any of the others lasts."""
    run, more = shown.run, f"some of {plural(shown.crowded, 'more fault')}"
    own = [
        {
            "from": _s(run, record.injected_ns or 0),
            "to": None if record.over_ns is None else _s(run, record.over_ns),
            "name": _text(record.label),
        }
        for record in shown.own_windows
    ]
    return [*own, *({"from": _s(run, a), "to": _s(run, b), "name": more} for a, b in shown.crowd)]


def _s(run: Run, t_ns: int) -> float:
    return round(run.at_s(t_ns), 4)


def _text(text: str) -> str:
    return visible(clipped(text, _SHOWN))


def _level(run: Run, level: Level) -> dict[str, Any]:
    columns: dict[str, list[Any]] = {name: level.counts[name].tolist() for name in COUNTS}
    for name, latencies in (("ack", level.ack), ("delivery", level.delivery)):
        columns |= {f"{name}.{part}": column for part, column in _latencies(latencies).items()}
    return {
        "start": _s(run, level.bins.start_ns),
        "width": level.bins.width_s,
        "count": level.bins.count,
        "series": {name: column for name, column in columns.items() if any(column)},
    }


def _latencies(latencies: Latencies) -> dict[str, list[Any]]:
    return {
        "count": latencies.count.tolist(),
        "p50": _rounded(latencies.p50),
        "p90": _rounded(latencies.p90),
        "high": _rounded(latencies.high),
    }


def _rounded(column: np.ndarray[Any, np.dtype[np.float64]]) -> list[float | None]:
    return [None if math.isnan(v) else float(f"{v:.{_DIGITS}g}") for v in column.tolist()]


def _populations(run: Run, populations: Populations, ids: list[str]) -> dict[str, Any]:
    return {
        "moments": [_s(run, t_ns) for t_ns in populations.moments_ns],
        "series": {id_: list(column) for id_, column in zip(ids, populations.columns.values(), strict=True)},
    }


def _lanes(shown: Picture) -> list[dict[str, Any]]:
    run = shown.run
    return [
        {
            "member": _text(lane.member),
            "spans": [
                {
                    "from": _s(run, span.start_ns),
                    "to": _s(run, span.end_ns),
                    "state": span.words,
                    "identity": _text(span.identity),
                    "note": _text(span.note),
                }
                for span in lane.spans
            ],
        }
        for lane in shown.lanes
    ]
