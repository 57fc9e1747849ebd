"""The numbers to reach, and how a run stands to them. Pure: results in, verdicts out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

FANOUT_FACTORS = {"stock": 4.0, "socketio-redis": 2.0, "socketio-streams": 2.0}
SENDS_PER_S = 5_000
ACK_P50_MS, ACK_P99_MS = 3.0, 15.0
KB_EACH = 60.0
RESUMED_P99_MS = 1_000.0
AFTER_RESET_S, AFTER_SILENCE_S = 1.0, 3.0
STARTUP = {
    "ready_process": ("Redis and 3 nodes ready, as processes", 3.0),
    "ready_docker": ("Redis and 3 nodes ready, as containers with the image built", 5.0),
    "overhead_process": ("a whole run less its phases, processes", 5.0),
    "overhead_docker": ("a whole run less its phases, containers", 5.0),
    "rebuild": ("the image after an edit in cluster/", 5.0),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """A row of the summary."""

    what: str
    measured: str
    goal: str
    reached: bool


def all_of(results: dict[str, Any]) -> list[Goal]:
    """Return the goals of all benchmarks that were run; what was not measured is not there."""
    return [
        *_fanout(results.get("fanout", [])),
        *_sends(results.get("sends")),
        *_idle(results.get("idle", [])),
        *_failover(results.get("failover", {})),
        *_startup(results.get("startup", {})),
    ]


def best(results: list[dict[str, Any]], shape: str) -> dict[str, dict[str, Any]]:
    """Return each system's best valid run of a shape."""
    found: dict[str, dict[str, Any]] = {}
    for result in results:
        if result["shape"] == shape and not result["invalid"] and result["per_cpu_s"]:
            known = found.get(result["system"])
            if known is None or result["per_cpu_s"] > known["per_cpu_s"]:
                found[result["system"]] = result
    return found


def _fanout(results: list[dict[str, Any]]) -> Iterator[Goal]:
    for shape in dict.fromkeys(result["shape"] for result in results):
        runs = best(results, shape)
        for system, factor in FANOUT_FACTORS.items():
            if system in runs and "wordaround" in runs:
                ours, theirs = runs["wordaround"], runs[system]
                ratio = ours["per_cpu_s"] / theirs["per_cpu_s"]
                yield Goal(
                    what=f"deliveries per node CPU-second against {system}, {shape}, each at its best window",
                    measured=f"{ratio:.2f} × ({_at(ours)} : {_at(theirs)})",
                    goal=f"≥ {factor:.0f} ×",
                    reached=ratio >= factor,
                )


def _at(run: dict[str, Any]) -> str:
    return f"{run['per_cpu_s'] / 1000:,.0f}k at {run['window']}"


def _sends(results: dict[str, Any] | None) -> Iterator[Goal]:
    if results is None:
        return
    sound = [r for r in results["closed"] if r["system"] == "wordaround" and not r["problems"]]
    if sound:
        run = max(sound, key=lambda r: r["sends_per_s"])
        yield Goal(
            what="acknowledged sends/s, fsync always, 3 nodes, 60 senders",
            measured=f"{run['sends_per_s']:,.0f}/s at window {run['window']}",
            goal=f"≥ {SENDS_PER_S:,}/s",
            reached=run["sends_per_s"] >= SENDS_PER_S,
        )
    for run in results["paced"]:
        if run["system"] == "wordaround" and run["ack_ms"]:
            p50, p99 = run["ack_ms"]["p50"], run["ack_ms"]["p99"]
            yield Goal(
                what=f"ack p50 / p99 at {run['rate']:,.0f} messages/s",
                measured=f"{p50:.1f} / {p99:.1f} ms",
                goal=f"< {ACK_P50_MS:.0f} / < {ACK_P99_MS:.0f} ms",
                reached=p50 < ACK_P50_MS and p99 < ACK_P99_MS and not run["problems"],
            )


def _idle(results: list[dict[str, Any]]) -> Iterator[Goal]:
    for run in results:
        if run["system"] != "wordaround":
            continue
        where = f"in {run['rooms']} rooms" if run["rooms"] else "not joined"
        count = run["steps"][-1]["connections"]
        kb = max(run["kb_more"], run["steps"][-1]["kb_each"])
        yield Goal(
            what=f"memory of an idle connection, {where}",
            measured=f"{kb:.1f} KB",
            goal=f"≤ {KB_EACH:.0f} KB",
            reached=kb <= KB_EACH,
        )
        yield Goal(
            what=f"{count:,.0f} idle connections hold their pings, {where}",
            measured=f"{run['hold_s']:.0f} s, {run['lost']} lost, {run['late']} late",
            goal="none lost or late",
            reached=run["lost"] == run["late"] == 0,
        )


def _failover(results: dict[str, Any]) -> Iterator[Goal]:
    if kills := results.get("node_kills"):
        took = kills["resumed_ms"]
        yield Goal(
            what="node SIGKILL to resumed, p99",
            measured=f"{took['p99']:.0f} ms" + (f", {kills['problems'][0]}" if kills["problems"] else ""),
            goal=f"< {RESUMED_P99_MS:,.0f} ms",
            reached=took["p99"] < RESUMED_P99_MS and not kills["problems"],
        )
    for name, what, most_s in (
        ("redis_resets", "a reset", AFTER_RESET_S),
        ("redis_silences", "silence", AFTER_SILENCE_S),
    ):
        if outages := results.get(name):
            longest_s = max(outages["delivered_s"])
            yield Goal(
                what=f"Redis back to first delivery at every node, after {what}, longest",
                measured=f"{longest_s:.2f} s",
                goal=f"< {most_s:.0f} s",
                reached=longest_s < most_s,
            )


def _startup(results: dict[str, list[float]]) -> Iterator[Goal]:
    for name, (what, most_s) in STARTUP.items():
        if took_s := results.get(name):
            yield Goal(
                what=f"{what}, longest",
                measured=f"{max(took_s):.2f} s",
                goal=f"< {most_s:.0f} s",
                reached=max(took_s) < most_s,
            )
