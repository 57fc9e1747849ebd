"""The Markdown of a report: what stands in docs/benchmarks.md between its two markers."""

from typing import Any

from tests.benchmarks.fanout import SHAPES
from tests.benchmarks.report import Report, table, verdict

FANOUT_HEAD = (
    "system",
    "window",
    "deliveries per node CPU-s",
    "deliveries/s",
    "node CPU",
    "loader CPU",
    "Redis CPU",
    "others' CPU",
    "bytes a frame",
    "ack p50 / p99 ms",
    "remark",
)
STOCK_FACTOR, SOCKETIO_FACTOR = 4.0, 2.0


def markdown(report: Report) -> list[str]:
    """Return the lines of all tables, a summary first."""
    results = report.results
    sections = [_machine(report.machine)]
    if "fanout" in results:
        sections += [_fanout_summary(results["fanout"]), *_fanout(results["fanout"])]
    return [line for section in sections for line in (*section, "")][:-1]


def _machine(machine: dict[str, Any]) -> list[str]:
    return [
        f"{machine['cores']} cores of {machine['cpu']}, Linux {machine['kernel']}, "
        f"Python {machine['python']}, {machine['redis']}, "
        f"Node.js {machine['node'] or 'not there'}, at commit {machine['commit']}."
    ]


def _best(results: list[dict[str, Any]], shape: str) -> dict[str, dict[str, Any]]:
    """Return each system's best valid run of a shape."""
    best: dict[str, dict[str, Any]] = {}
    for result in results:
        if result["shape"] == shape and not result["invalid"]:
            known = best.get(result["system"])
            if known is None or result["per_cpu_s"] > known["per_cpu_s"]:
                best[result["system"]] = result
    return best


def _fanout_summary(results: list[dict[str, Any]]) -> list[str]:
    rows = []
    for name in dict.fromkeys(result["shape"] for result in results):
        best = _best(results, name)
        ours = best.get("wordaround")
        for system, factor in (
            ("stock", STOCK_FACTOR),
            ("socketio-redis", SOCKETIO_FACTOR),
            ("socketio-streams", SOCKETIO_FACTOR),
        ):
            if system in best and ours is not None:
                ratio = ours["per_cpu_s"] / best[system]["per_cpu_s"]
                rows.append(
                    [
                        SHAPES[name].title,
                        system,
                        f"{ratio:.2f} ×",
                        f"≥ {factor:.0f} ×",
                        verdict(ratio >= factor),
                    ]
                )
    return table(
        ["deliveries per CPU-second, best window", "WordAround against", "ratio", "goal", "reached"], rows
    )


def _fanout(results: list[dict[str, Any]]) -> list[list[str]]:
    sections = []
    for name in dict.fromkeys(result["shape"] for result in results):
        rows = [_fanout_row(result) for result in results if result["shape"] == name]
        sections.append([f"{SHAPES[name].title}:", "", *table(FANOUT_HEAD, rows)])
    return sections


def _fanout_row(result: dict[str, Any]) -> list[str]:
    elapsed_s = result["elapsed_s"]
    return [
        result["system"],
        str(result["window"]),
        f"{result['per_cpu_s']:,.0f}",
        f"{result['deliveries'] / elapsed_s:,.0f}",
        *(
            f"{result[key] / elapsed_s:.0%}"
            for key in ("node_cpu_s", "loader_cpu_s", "other_cpu_s", "foreign_cpu_s")
        ),
        str(result["frame_bytes"]),
        f"{result['ack_ms'].get('p50', 0):.1f} / {result['ack_ms'].get('p99', 0):.1f}",
        f"invalid: {result['invalid']}" if result["invalid"] else "",
    ]
