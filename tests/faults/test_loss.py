"""loss: packets vanish, exchanges need to send again; healed, none does."""

import pytest

from harness.faults.base import NotProven

FAULT = "loss"


def times(cluster, count: int = 6) -> list[float]:
    """Time exchanges one after the other; a lost packet is sent again after 0.2 s or more."""
    trips = [cluster.backend.links.round_trip("node-1", "redis", timeout_s=20.0) for _ in range(count)]
    return [trip if trip is not None else 20.0 for trip in trips]


def test_packets_vanish_until_it_is_healed(cluster):
    cluster.until(
        lambda: max(times(cluster)) < 0.2, "before, no packet needs to be sent again", timeout_s=90.0
    )
    fault = cluster.fault(FAULT, "node-1", duration=3.0, peers=("redis",), percent=30.0)
    fault.undo()
    fault.inject()
    fault.prove()
    assert max(times(cluster)) >= 0.2
    fault.heal()
    cluster.until(
        lambda: max(times(cluster)) < 0.2, "afterwards, no packet needs to be sent again", timeout_s=90.0
    )


def test_a_loss_that_somebody_ended_is_not_proven(cluster, monkeypatch):
    monkeypatch.setattr("harness.faults.counted.COUNTED_S", 0.5)
    fault = cluster.fault(FAULT, "node-1", duration=3.0, peers=("redis",), percent=30.0)
    fault.inject()
    cluster.backend.links.restore(fault._handles["node-1"])
    with pytest.raises(NotProven, match="nothing of them was counted at node-1"):
        fault.prove()
    fault.heal()


def test_what_stays_in_force_is_not_healed(cluster, monkeypatch):
    fault = cluster.fault(FAULT, "node-1", duration=3.0, peers=("redis",), percent=30.0)
    fault.inject()
    with monkeypatch.context() as broken:
        broken.setattr(cluster.backend.links, "restore", lambda handle: None)
        with pytest.raises(NotProven, match="after the heal an exchange is still counted at node-1"):
            fault.heal()
    fault.heal()
