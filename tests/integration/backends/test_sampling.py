"""Metrics of members: a busy one shows, one that is down is a gap, and nothing waits for one that hangs."""

import http.client
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness.backends.process import ProcessBackend
from harness.clock import now_ns
from harness.records.metrics import Sample, read_samples
from harness.records.plan import ClusterPlan
from harness.sampling import MetricsSampler

pytestmark = pytest.mark.process

OFTEN_S = 0.1  # so that the test need not wait for seconds
MB = 1_000_000


def until(condition: Callable[[], bool], *, timeout_s: float = 15.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.01)


def put_to_work(backend: ProcessBackend, member: str) -> None:
    url = next(each.own_url for each in backend.members() if each.name == member)
    connection = http.client.HTTPConnection(urlsplit(url or "").netloc, timeout=5)
    connection.request("GET", "/work")
    connection.getresponse().read()
    connection.close()


def test_a_busy_member_shows_and_one_that_is_down_is_a_gap(
    backend: Callable[..., ProcessBackend], cluster: ClusterPlan, logs: Path, tmp_path: Path
) -> None:
    works = backend("works")
    works.start(cluster, run_id="3fa9c2d1", logs=logs)
    sampler = MetricsSampler(works, tmp_path, interval_s=OFTEN_S)
    sampler.start()

    def seen(member: str) -> tuple[Sample, ...]:
        path = tmp_path / f"{member}.jsonl"
        return read_samples(path) if path.exists() else ()

    until(lambda: all(len(seen(member)) > 3 for member in ("redis", *cluster.nodes)))
    before = seen("node-1")[-1]
    put_to_work(works, "node-1")
    until(lambda: (seen("node-1")[-1].cpu or 0) > 0.3)
    busy = seen("node-1")[-1]
    assert (busy.memory or 0) > (before.memory or 0) + 70 * MB
    assert busy.node is not None
    assert (busy.node.connections, busy.node.tail_lag) == (3, None)  # what is no number is no figure
    assert {sample.node for sample in (*seen("node-2"), *seen("redis"))} == {None}

    works.kill("node-1")
    down_ns, others = now_ns(), len(seen("node-2"))
    until(lambda: len(seen("node-2")) > others + 4)
    assert not [sample for sample in seen("node-1") if sample.t_ns > down_ns]
    works.restart("node-1")
    until(lambda: seen("node-1")[-1].t_ns > down_ns and seen("node-1")[-1].node is not None)
    again = [sample for sample in seen("node-1") if sample.t_ns > down_ns]
    assert {sample.identity for sample in again}.isdisjoint({busy.identity})
    assert again[0].cpu is None  # a share is a difference, and there is nothing before

    works.pause("node-1")
    stands_ns = now_ns()
    until(lambda: seen("node-1")[-1].t_ns > stands_ns and seen("node-1")[-1].node is None)
    assert (seen("node-1")[-1].memory or 0) > 0  # it is there, and says nothing
    works.resume("node-1")

    assert sampler.stop() == ()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("metrics-")]
    ended = len(seen("node-2"))
    time.sleep(3 * OFTEN_S)  # nothing may come, so there is nothing to wait for
    assert len(seen("node-2")) == ended


def test_a_folder_that_is_gone_is_told_and_ends_nothing_else(
    backend: Callable[..., ProcessBackend], cluster: ClusterPlan, logs: Path, tmp_path: Path
) -> None:
    works = backend("works")
    works.start(cluster, run_id="3fa9c2d1", logs=logs)
    sampler = MetricsSampler(works, tmp_path / "nowhere", interval_s=OFTEN_S)
    sampler.start()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("metrics-")])
    said = sampler.stop()
    assert sorted(sentence.split(" end early")[0] for sentence in said) == [
        f"The metrics of {member}" for member in (*cluster.nodes, "redis")
    ]
