"""latency and bandwidth: proven by their own doing, not by what is slow anyway; over when they say so."""

from collections.abc import Iterator

import pytest

from harness.backends.abilities import GONE, Evidence, Impairment
from harness.backends.base import Identity, Member
from harness.faults.bandwidth import Bandwidth
from harness.faults.base import NotProven
from harness.faults.latency import Latency
from harness.faults.link_fault import LinkFault
from harness.records.plan import FaultPlan, Role, Setting


class Links:
    """The one link of a node with Redis: how long exchanges take, and what is said to have been delayed."""

    def __init__(self, *trips: float, counts: bool = True, gone: bool = False) -> None:
        self._trips: Iterator[float] = iter(trips)
        self._last = 0.001
        self._counts, self.gone = counts, gone
        self._counted = 0
        self.stuck = False  # what `restore` does nothing about
        self.impaired: list[Impairment] = []

    def impair(self, impairment: Impairment) -> str:
        self.impaired.append(impairment)
        return "1"

    def restore(self, handle: str) -> None:
        if not self.stuck:
            self._counts = self.gone = False

    def evidence(self, handle: str) -> Evidence:
        return {"bytes": str(self._counted), "shaper": GONE if self.gone else "runs"}

    def round_trip(self, member: str, peer: str, *, timeout_s: float) -> float | None:
        self._counted += self._counts
        self._last = next(self._trips, self._last)
        return self._last


class Cluster:
    """As much of a backend as the faults ask for."""

    name = "docker"

    def __init__(self, links: Links) -> None:
        self.links = links

    def members(self) -> tuple[Member, ...]:
        return (
            Member(name="redis", role=Role.REDIS, url=None),
            Member(name="node-1", role=Role.NODE, url=None),
        )

    def identity(self, member: str) -> Identity:
        return Identity(kind="container", host_pid=1, started="now")

    def paused(self, member: str) -> bool:
        return False


def injected(kind: type[LinkFault], links: Links, **settings: Setting) -> LinkFault:
    plan = FaultPlan(
        id="f", fault="f", at_s=0, targets=("node-1",), peers=("redis",), duration_s=1.0, settings=settings
    )
    fault = kind(plan, Cluster(links))  # type: ignore[arg-type]
    fault.inject()
    return fault


def test_a_delay_beneath_another_one_is_not_proven_by_that_one() -> None:
    fault = injected(Latency, Links(0.4, 0.4, counts=False), delay=0.1)
    with pytest.raises(NotProven, match="nothing of them was counted at node-1"):
        fault.prove()


def test_a_delay_that_varies_as_much_as_it_is_long_is_proven_by_an_answer_that_is_late() -> None:
    fault = injected(Latency, Links(0.001, 0.002, 0.1, 0.21), delay=0.1, jitter=0.1)
    assert fault.prove()["during"] == "node-1–redis: 210.0 ms"


def test_a_delay_that_varies_as_much_as_it_is_long_and_is_never_seen_is_not_proven() -> None:
    fault = injected(Latency, Links(0.001), delay=0.1, jitter=0.1)
    with pytest.raises(NotProven, match=r"wanted one answer after 0\.19 s or more.* node-1–redis: 1\.0 ms"):
        fault.prove()


def test_a_delay_that_varies_much_and_stays_is_not_healed_by_an_answer_that_was_lucky() -> None:
    links = Links(0.001, 0.21, 0.39, 0.02)
    fault = injected(Latency, links, delay=0.1, jitter=0.1)
    fault.prove()
    links.stuck = True
    with pytest.raises(NotProven, match="after the heal an exchange is still counted at node-1"):
        fault.heal()
    links.stuck = False
    assert fault.heal() is not None


def test_a_delay_that_is_over_is_healed_also_when_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.faults.link_fault.HEALED_S", 0.2)
    fault = injected(Latency, Links(0.001, 0.2, 0.2, 0.001), delay=0.1)
    fault.prove()
    assert fault.heal() is not None
    assert fault.heal() is not None


def test_a_narrow_place_whose_shaper_has_ended_is_not_proven() -> None:
    fault = injected(Bandwidth, Links(0.001, gone=True), rate=1000)
    with pytest.raises(NotProven, match=f"node-1–redis is not impaired any more: {GONE}"):
        fault.prove()


def test_a_narrow_place_whose_shaper_has_ended_before_its_time_was_not_there_all_the_time() -> None:
    links = Links(0.001)
    fault = injected(Bandwidth, links, rate=1000)
    fault.prove()
    links.gone = True
    with pytest.raises(NotProven, match=f"node-1–redis was not impaired to the end: {GONE}"):
        fault.heal()
    assert fault.heal() is not None  # It is over all the same.


def test_the_jitter_of_each_member_is_drawn_from_the_faults_own_seed() -> None:
    def seeds(seed: int) -> dict[str, int]:
        links = Links(0.001)
        plan = FaultPlan(
            id="f",
            fault="latency",
            at_s=0,
            targets=("node-1", "node-2"),
            peers=("redis",),
            duration_s=1.0,
            settings={"delay": 0.1, "jitter": 0.1},
            seed=seed,
        )
        Latency(plan, Cluster(links)).inject()  # type: ignore[arg-type]
        return {impairment.member: impairment.seed for impairment in links.impaired}

    assert seeds(1) == seeds(1)
    assert len({*seeds(1).values(), *seeds(2).values()}) == 4
