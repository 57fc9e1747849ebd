"""Aborts: too much unavailable, out of time; each says what it saw."""

import time

import pytest

from harness.aborts import Aborted, check_available, check_steady, out_of_time
from harness.interrupts import Interrupts
from harness.records.journal import MemberState
from harness.records.steady import SteadyBound

STATES = {
    "redis": MemberState.READY,
    "node-1": MemberState.PAUSED,
    "node-2": MemberState.DOWN,
    "node-3": MemberState.READY,
}


def test_more_members_away_than_allowed_stop_the_run_and_are_named() -> None:
    with pytest.raises(Aborted) as caught:
        check_available(STATES, 1)
    assert "2 members were unavailable at once, and `limits.max_unavailable` allows 1" in str(caught.value)
    assert "node-1 (paused), node-2 (down)" in str(caught.value)


@pytest.mark.parametrize("most", [2, 3, None])
def test_as_many_as_allowed_do_not(most: int | None) -> None:
    check_available(STATES, most)


def test_an_unsteady_cluster_is_told_with_probes_and_values() -> None:
    bounds = (SteadyBound(probe="ack_ratio", least=0.9), SteadyBound(probe="ready_nodes", least=3))
    with pytest.raises(Aborted) as caught:
        check_steady(((bounds[0], 0.5), (bounds[1], 3.0)))
    assert str(caught.value) == (
        "the steady state did not hold before the first fault, so none was injected: "
        "ack_ratio was 0.5 (at least 0.9)"
    )


def test_what_could_not_be_measured_does_not_hold() -> None:
    with pytest.raises(Aborted, match="ack_ratio was not measured, since there was nothing to measure"):
        check_steady([(SteadyBound(probe="ack_ratio", least=0.0), None)])


def test_a_steady_state_within_its_bounds_does_not_stop_the_run() -> None:
    bound = SteadyBound(probe="ack_latency_p99", least=0.001, most=0.25)
    check_steady([(bound, 0.001), (bound, 0.25)])


def _spend(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)  # where the limit may strike


def test_the_time_limit_strikes_in_an_exposed_block() -> None:
    with (
        Interrupts(lambda text: None) as interrupts,
        interrupts.shield(),
        pytest.raises(Aborted, match=r"longer than `--timeout` gives it \(0.05 s\)"),
        interrupts.within(0.05, out_of_time),
        interrupts.exposed(),
    ):
        _spend(5)


def test_the_time_limit_leaves_what_is_shielded_alone() -> None:
    done = []
    with (
        Interrupts(lambda text: None) as interrupts,
        interrupts.shield(),
        interrupts.within(0.02, out_of_time),
    ):
        _spend(0.1)
        done.append("shielded")
        with pytest.raises(Aborted), interrupts.exposed():
            done.append("never")
    assert done == ["shielded"]


def test_healing_takes_the_time_that_it_needs_and_the_limit_strikes_after_it() -> None:
    healed = []

    def heal(interrupts: Interrupts) -> None:
        with interrupts.timeless():
            _spend(0.1)
            healed.append(True)
        healed.append(False)

    with (
        Interrupts(lambda text: None) as interrupts,
        interrupts.shield(),
        pytest.raises(Aborted),
        interrupts.within(0.02, out_of_time),
        interrupts.exposed(),
    ):
        heal(interrupts)
    assert healed == [True]


def test_a_limit_that_was_not_reached_never_strikes() -> None:
    with Interrupts(lambda text: None) as interrupts, interrupts.shield():
        with interrupts.within(0.05, out_of_time), interrupts.exposed():
            pass
        with interrupts.exposed():
            _spend(0.1)
