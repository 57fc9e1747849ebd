"""latency and bandwidth: proven by their own doing, not by what is slow anyway; over when they say so."""

from collections.abc import Iterator

import pytest

from harness.backends.abilities import GONE, Effect, Evidence, Impairment
from harness.backends.base import Identity, Member
from harness.faults.bandwidth import Bandwidth
from harness.faults.base import NotProven
from harness.faults.latency import Latency
from harness.faults.link_fault import LinkFault
from harness.records.plan import FaultPlan, Role, Setting


class Links:
    """The one link of a node with Redis: how long exchanges take, and what is said to have been delayed."""

    def __init__(self, *trips: float | None, counts: bool = True, gone: bool = False) -> None:
        self._trips: Iterator[float | None] = iter(trips)
        self._last: float | None = 0.001
        self.others: dict[str, Impairment] = {}  # of other faults, by handle
        self.calls: list[str] = []
        self._counts, self.gone = counts, gone
        self._counted = 0
        self.stuck = False  # what `restore` does nothing about
        self.impaired: list[Impairment] = []

    def impair(self, impairment: Impairment) -> str:
        self.impaired.append(impairment)
        return "1"

    def in_force(self) -> dict[str, Impairment]:
        mine = {"1": self.impaired[0]} if self.stuck else {}
        return {**mine, **self.others}

    def restore(self, handle: str) -> None:
        self.calls.append("restore")
        if not self.stuck:
            self._counts = self.gone = False

    def evidence(self, handle: str) -> Evidence:
        return {"bytes": str(self._counted), "shaper": GONE if self.gone else "runs"}

    def round_trip(self, member: str, peer: str, *, timeout_s: float) -> float | None:
        self.calls.append("exchange")
        self._last = next(self._trips, self._last)
        self._counted += self._counts and self._last is not None
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


def another(effect: Effect) -> dict[str, Impairment]:
    """What another fault does to the link, seen from its other end."""
    return {"2": Impairment(member="redis", peers=("node-1",), effect=effect, delay_s=0.4, bytes_per_s=9)}


def test_a_delay_on_a_link_that_is_cut_meanwhile_ends_at_once_and_is_healed_by_what_is_counted() -> None:
    links = Links(0.001, 0.2, None)
    fault = injected(Latency, links, delay=0.1)
    fault.prove()
    links.others, links.calls = another("drop"), []

    evidence = fault.heal()

    assert links.calls[0] == "restore"
    assert evidence is not None
    assert evidence["after"] == "node-1–redis: no answer"
    assert evidence["seen by"] == (
        "node-1–redis: counts alone, since drop of another fault holds: it is not in force, and nothing is "
        "counted any more"
    )


def test_a_delay_on_a_link_that_is_dead_and_nobody_says_why_is_not_healed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.faults.link_fault.HEALED_S", 0.2)
    links = Links(0.001, 0.2, None)
    fault = injected(Latency, links, delay=0.1)
    fault.prove()
    links.others = {"2": Impairment(member="redis", peers=("node-2",), effect="drop")}  # Of another link.
    with pytest.raises(NotProven, match="after the heal not as before: node-1–redis: no answer"):
        fault.heal()


def test_a_delay_that_stays_is_not_healed_where_a_cut_hides_it() -> None:
    links = Links(0.001, 0.2, None)
    fault = injected(Latency, links, delay=0.1)
    fault.prove()
    links.others, links.stuck = another("drop"), True
    with pytest.raises(NotProven, match="after the heal the delay is still in force at node-1"):
        fault.heal()


@pytest.mark.parametrize("effect", ["delay", "rate"])
def test_a_delay_on_a_link_that_is_slowed_otherwise_is_healed_by_what_is_counted(effect: Effect) -> None:
    links = Links(0.001, 0.2, 0.9)
    fault = injected(Latency, links, delay=0.1)
    fault.prove()
    links.others = another(effect)

    evidence = fault.heal()

    assert evidence is not None
    assert evidence["after"] == "node-1–redis: 900.0 ms"
    assert f"counts alone, since {effect} of another fault holds" in evidence["seen by"]


def test_a_delay_whose_end_shows_is_healed_by_time_whatever_else_holds() -> None:
    links = Links(0.001, 1.0, 0.85)
    fault = injected(Latency, links, delay=0.1)
    fault.prove()
    links.others = another("delay")

    evidence = fault.heal()

    assert evidence is not None
    assert evidence["seen by"] == "node-1–redis: time and counts"


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
