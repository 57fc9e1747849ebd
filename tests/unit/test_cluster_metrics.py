"""Metrics: one list of names, documented; every reading comes out as Prometheus reads it."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cluster import counters, metrics
from cluster.connections import Connections
from cluster.counters import BATCH_BOUNDS, ConnectionCounters, Histogram, RequestCounters
from cluster.members.caller import Tally
from cluster.members.gate import Gate
from cluster.parts import Parts
from cluster.protocol import Code, Refusal
from cluster.rate import TokenBucket
from cluster.storage.link import Health
from cluster.transport.outbox import Outbox
from harness.sampling import PAGE, parsed

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"


class _Delivery:
    def status(self) -> dict[str, Any]:
        return {"tail": [7, 9], "tail_lag": {"entries": 3, "silent_s": 0.5}, "commits_waiting": 2}


class _Sync:
    tally = Tally()

    def states(self) -> dict[str, int]:
        return {"alive": 2, "dead": 0, "suspect": 0, "draining": 0}


def parts() -> Parts:
    """A node's parts, as far as metrics look."""
    gate, outbox = Gate(), Outbox(1000)
    gate.drain("a test")
    outbox.writes = 5
    anything: Any = SimpleNamespace(sent=0, reaped=0, calls=0, unauthorized=0)
    delivery: Any = _Delivery()
    sync: Any = _Sync()
    return Parts(
        health=Health(),
        connections=Connections(),
        outbox=outbox,
        delivery=delivery,
        gate=gate,
        sync=sync,
        sync_routes=anything,
        user_lists=anything,
        reaper=anything,
    )


def exposed() -> str:
    """What Prometheus reads."""
    return metrics.exposition(parts(), "")[0].decode()


def test_documentation__its_table__is_what_is_exposed() -> None:
    assert metrics.table() in DOCUMENT.read_text()
    types = re.findall(r"^# TYPE (\S+) (\S+)$", exposed(), re.MULTILINE)
    ours = [(name, kind) for name, kind in types if name.startswith(metrics.PREFIX)]
    assert ours == [(figure.full_name, figure.kind) for figure in metrics.METRICS]
    others = {name for name, _ in types} - {name for name, _ in ours}
    assert {name for name in others if f"`{name}`" not in DOCUMENT.read_text()} == set()


def test_counters__each__has_a_metric() -> None:
    """What is counted and never shown would be counted for nothing."""
    source = Path(metrics.__file__).read_text()
    named = set(re.findall(r'(?:"|counters\.)([a-z]+)\.([a-z_]+)', source))
    groups = {
        name: group for name, group in vars(counters).items() if type(group).__name__.endswith("Counters")
    }
    shown = {(group, field) for group, field in named if group in groups}
    assert shown == {(name, field) for name, group in groups.items() for field in type(group).__slots__}


def test_readings__of_every_kind__as_prometheus_has_them() -> None:
    text = exposed()
    for line in (
        "wordaround_redis_up 0.0",
        "wordaround_draining 1.0",
        'wordaround_tail_position{shard="1"} 9.0',
        "wordaround_tail_lag 3.0",
        "wordaround_commits_waiting 2.0",
        "wordaround_writes_total 5.0",
        'wordaround_peers{state="alive"} 2.0',
        'wordaround_peers{state="dead"} 0.0',
    ):
        assert f"\n{line}\n" in text, line


def test_exposition__for_openmetrics__in_its_format() -> None:
    text, content_type = metrics.exposition(parts(), "application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")


def test_exposition__for_names__these_samples_alone() -> None:
    asked = ("wordaround_tail_lag", "process_resident_memory_bytes", "wordaround_commit_seconds_sum", "x")
    text = metrics.exposition(parts(), "", asked)[0].decode()
    samples = [line.partition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert set(samples) == {*asked} - {"x"}
    assert len(samples) == 3


def test_exposition__for_the_names_that_a_run_records__a_fraction_of_the_whole() -> None:
    """It passes every second over the links that faults make narrow."""
    recorded = parse_qs(urlsplit(PAGE).query)["name[]"]
    text = metrics.exposition(parts(), "", recorded)[0]
    assert set(recorded) == {*parsed(text)}
    assert 5 * len(text) < len(exposed())


def test_histogram__values_around_a_bound__the_bound_is_inclusive() -> None:
    histogram = Histogram(BATCH_BOUNDS)
    for value in (1, 2, 3, 256, 257):
        histogram.observe(value)
    assert histogram.counts == [1, 1, 1, 0, 0, 0, 0, 0, 1, 1]
    assert histogram.total == 519


@pytest.mark.parametrize(
    ("event", "answer", "expected"),
    [
        ("send_message", {"ok": True, "duplicate": False}, {"sends": "acked"}),
        ("send_message", {"ok": True, "duplicate": True}, {"sends": "duplicate"}),
        (
            "send_message",
            Refusal(Code.RATE_LIMITED, "").answer(),
            {"sends": "rate_limited", "refused": "rate_limited"},
        ),
        ("join", {"ok": True, "recovered": True}, {"joins": "recovered"}),
        ("join", {"ok": True, "recovered": False}, {"joins": "snapshot"}),
        ("join", Refusal(Code.BAD_REQUEST, "").answer(), {"joins": "refused", "refused": "bad_request"}),
        ("leave", Refusal(Code.ROOM_INVALID, "").answer(), {"refused": "room_invalid"}),
    ],
)
def test_answer__of_each_kind__counted_once(
    event: str, answer: dict[str, Any], expected: dict[str, str]
) -> None:
    counted = RequestCounters()
    counted.answered(event, answer)
    for table in ("joins", "sends", "refused"):
        moved = {name for name, number in getattr(counted, table).items() if number}
        assert moved == ({expected[table]} if table in expected else set())


def test_leave_and_typing__taken__counted() -> None:
    counted = RequestCounters()
    counted.answered("leave", {"ok": True})
    counted.answered("typing", {"ok": True})
    assert (counted.leaves, counted.typing) == (1, 1)


def test_disconnect__for_a_reason_that_is_new__counted_by_it() -> None:
    counted = ConnectionCounters()
    counted.close("ping timeout")
    counted.close("a new one")
    assert (counted.closed["ping_timeout"], counted.closed["a_new_one"]) == (1, 1)


def test_bucket__of_two_a_second__burst_then_rate() -> None:
    bucket = TokenBucket(rate=2, burst=2, now_s=10)
    assert [bucket.take(10) for _ in range(3)] == [0, 0, 0.5]
    assert bucket.take(10.25) == 0.25
    assert bucket.take(10.5) == 0
    assert bucket.take(10.5) == 0.5
    assert [bucket.take(1000) for _ in range(3)] == [0, 0, 0.5], "a long pause fills it no further"
