"""The Markdown of a report: what stands in docs/benchmarks.md between its two markers."""

from typing import Any

from tests.benchmarks import goals
from tests.benchmarks.fanout import SHAPES
from tests.benchmarks.report import Report, table

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
SENDS_HEAD = (
    "system",
    "load",
    "sends/s",
    "ack p50 / p99 ms",
    "CPU of 3 nodes",
    "Redis",
    "loader",
    "others",
    "remark",
)
IDLE_HEAD = ("system", "connections", "KB each", "KB for each more", "held", "lost", "late pings", "node CPU")


def markdown(report: Report) -> list[str]:
    """Return the lines of all tables, a summary against the goals first."""
    results = report.results
    sections = [_machine(report.machine, report.command), _summary(results)]
    makers = {
        "fanout": _fanout,
        "sends": _sends,
        "idle": _idle,
        "failover": _failover,
        "startup": _startup,
        "links": _links,
    }
    for name, make in makers.items():
        if name in results:
            sections += make(results[name])
    return [line for section in sections for line in (*section, "")][:-1]


def _machine(machine: dict[str, Any], command: list[str]) -> list[str]:
    return [
        f"`python -m tests.benchmarks {' '.join(command)}` at commit {machine['commit']}, "
        f"{machine['cores']} cores of {machine['cpu']}, Linux {machine['kernel']}, "
        f"Python {machine['python']}, {machine['redis']}, Node.js {machine['node'] or 'not there'}."
    ]


def _summary(results: dict[str, Any]) -> list[str]:
    rows = [
        [goal.what, goal.measured, goal.goal, "yes" if goal.reached else "**no**"]
        for goal in goals.all_of(results)
    ]
    return table(["what", "measured", "goal", "reached"], rows)


def _fanout(results: list[dict[str, Any]]) -> list[list[str]]:
    sections = []
    for name in dict.fromkeys(result["shape"] for result in results):
        rows = [_fanout_row(result) for result in results if result["shape"] == name]
        sections.append([f"Fan-out, {SHAPES[name].title}:", "", *table(FANOUT_HEAD, rows)])
    return sections


def _fanout_row(result: dict[str, Any]) -> list[str]:
    return [
        result["system"],
        str(result["window"]),
        f"{result['per_cpu_s']:,.0f}",
        f"{result['deliveries'] / result['elapsed_s']:,.0f}",
        *_shares(result),
        str(result["frame_bytes"]),
        _latency(result["ack_ms"]),
        "; ".join(result["remarks"]),
    ]


def _sends(results: dict[str, Any]) -> list[list[str]]:
    rows = [
        [
            result["system"],
            f"window {result['window']}" if "window" in result else f"{result['rate']:,.0f}/s, paced",
            f"{result['sends_per_s']:,.0f}",
            _latency(result["ack_ms"]),
            *_shares(result, ("node_cpu_s", "other_cpu_s", "loader_cpu_s", "foreign_cpu_s")),
            "; ".join([*result["problems"], *result["remarks"]]),
        ]
        for result in (*results["closed"], *results["paced"])
    ]
    lines = ["Sends, 60 rooms with one member each, 3 nodes:", "", *table(SENDS_HEAD, rows)]
    if ceiling := results["ceiling"]:
        lines += [
            "",
            f"Redis alone, the commit script in pipelines of {ceiling['pipeline']} over "
            f"{ceiling['connections']} connections: {ceiling['per_s']:,.0f} commits/s.",
        ]
    return [lines]


def _idle(results: list[dict[str, Any]]) -> list[list[str]]:
    rows = []
    for result in results:
        each = ", ".join(f"{step['connections']:,.0f}: {step['kb_each']:.1f}" for step in result["steps"])
        rows.append(
            [
                result["system"],
                f"{result['steps'][-1]['connections']:,.0f}, "
                + (f"in {result['rooms']} rooms" if result["rooms"] else "not joined"),
                each,
                f"{result['kb_more']:.1f}",
                f"{result['hold_s']:.0f} s, a ping every {result['ping_interval_s']:.0f} s",
                str(result["lost"]),
                str(result["late"]),
                f"{result['node_share']:.0%}",
            ]
        )
    return [["Idle connections on one node:", "", *table(IDLE_HEAD, rows)]]


def _failover(results: dict[str, Any]) -> list[list[str]]:
    rows = []
    if kills := results.get("node_kills"):
        took = kills["resumed_ms"]
        rows.append(
            [
                f"node SIGKILL to resumed, {kills['kills']} kills, {kills['clients']} clients on 3 nodes",
                f"p50 {took['p50']:.0f} ms, p99 {took['p99']:.0f} ms, max {took['max']:.0f} ms",
                str(took["count"]),
            ]
        )
    for name, what in (
        ("redis_resets", "Redis back after SIGKILL to a delivery at every node"),
        ("redis_silences", "Redis back after silence to a delivery at every node"),
    ):
        if outages := results.get(name):
            took_s = outages["delivered_s"]
            median_s = sorted(took_s)[len(took_s) // 2]
            rows.append([what, f"median {median_s:.2f} s, max {max(took_s):.2f} s", str(len(took_s))])
    return [["Failover:", "", *table(["what", "took", "samples"], rows)]]


def _links(results: dict[str, Any]) -> list[list[str]]:
    many = f"requests/s, {results['connections']} connections"
    rows = [
        [
            way,
            f"{results[way]['one']['per_s']:,.0f}",
            f"{results[way]['many']['per_s']:,.0f}",
            f"{results[way]['many']['cpu_us_each']:.0f}",
            f"{results[way]['stream']['mb_per_s']:,.0f}",
            f"{results[way]['stream']['cpu_ms_per_mb']:.2f}",
        ]
        for way in ("direct", "proxied")
    ]
    head = ["way", "requests/s, 1 connection", many, "proxies' CPU µs a request", "MB/s"]
    return [["Links of processes:", "", *table([*head, "proxies' CPU ms a MB"], rows)]]


def _startup(results: dict[str, list[float]]) -> list[list[str]]:
    rows = [
        [what, f"median {sorted(took)[len(took) // 2]:.2f} s, max {max(took):.2f} s", str(len(took))]
        for name, (what, _) in goals.STARTUP.items()
        if (took := results.get(name))
    ]
    return [["What one waits for:", "", *table(["what", "took", "samples"], rows)]]


def _shares(
    result: dict[str, Any],
    keys: tuple[str, ...] = ("node_cpu_s", "loader_cpu_s", "other_cpu_s", "foreign_cpu_s"),
) -> list[str]:
    return [f"{result[key] / result['elapsed_s']:.0%}" for key in keys]


def _latency(ack_ms: dict[str, float]) -> str:
    return f"{ack_ms['p50']:.1f} / {ack_ms['p99']:.1f}" if ack_ms else ""
