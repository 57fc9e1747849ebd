"""bandwidth: what is read over the link takes as long as its size says; healed, it does not."""

import time

import pytest

from harness.faults.base import NotProven
from harness.http_get import get
from harness.records.plan import CLIENTS

FAULT = "bandwidth"
RATE = 8_192


def page(cluster) -> tuple[int, float]:
    """Read a page of some size from node-1, as clients do; return its bytes and the seconds."""
    began = time.monotonic()
    status, body = get(f"{cluster.member('node-1').url}/metrics", timeout_s=30.0)
    assert status == 200
    return len(body), time.monotonic() - began


def test_no_more_passes_than_the_rate_until_it_is_healed(cluster):
    fault = cluster.fault(FAULT, "node-1", duration=3.0, peers=(CLIENTS,), rate=RATE)
    fault.undo()
    fault.inject()
    proof = fault.prove()
    size, took_s = page(cluster)
    assert size > RATE / 2
    assert took_s >= size / RATE * 0.8
    assert proof.keys() > {"before", "during"}

    fault.heal()
    cluster.until(lambda: page(cluster)[1] < took_s / 2, "afterwards it comes at once")


def test_who_sends_too_little_over_it_is_not_slowed_but_counted(cluster):
    fault = cluster.fault(FAULT, "node-1", duration=3.0, peers=("redis", "node-2"), rate=1 << 20)
    fault.inject()
    fault.prove()
    fault.heal()


def test_a_narrow_place_that_somebody_widened_is_not_proven(cluster, monkeypatch):
    monkeypatch.setattr("harness.faults.counted.COUNTED_S", 0.5)
    fault = cluster.fault(FAULT, "node-1", duration=3.0, peers=("redis",), rate=RATE)
    fault.inject()
    cluster.backend.links.restore(fault._handles["node-1"])
    with pytest.raises(NotProven, match="nothing of them was counted at node-1"):
        fault.prove()
    fault.heal()


def test_what_stays_in_force_is_not_healed(cluster, monkeypatch):
    fault = cluster.fault(FAULT, "node-1", duration=3.0, peers=("redis",), rate=RATE)
    fault.inject()
    with monkeypatch.context() as broken:
        broken.setattr(cluster.backend.links, "restore", lambda handle: None)
        with pytest.raises(NotProven, match="after the heal an exchange is still counted at node-1"):
            fault.heal()
    fault.heal()
