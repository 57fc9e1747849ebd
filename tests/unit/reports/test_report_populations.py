"""Populations: step series on common moments, few of them, and no node forgotten."""

from hypothesis import given, settings
from hypothesis import strategies as st

from reports.figures import Steps
from reports.populations import NODES_SHOWN, OTHERS, few, together

STEPS = st.dictionaries(st.integers(0, 1000), st.integers(0, 50), max_size=20).map(
    lambda steps: tuple(sorted(steps.items()))
)


def value(steps: Steps, t_ns: int) -> int:
    return next((v for t, v in reversed(steps) if t <= t_ns), 0)


@settings(deadline=None)  # A busy machine is no failure.
@given(st.lists(STEPS, min_size=1, max_size=4))
def test_every_series_has_its_value_at_every_moment(series: list[Steps]) -> None:
    named = {f"node-{i}": steps for i, steps in enumerate(series)}
    found = together(named)
    for name, column in found.columns.items():
        assert list(column) == [value(named[name], t) for t in found.moments_ns]


def test_very_many_moments_become_few_and_the_last_value_stays() -> None:
    found = together({"node-1": tuple((t, t) for t in range(1_000_000))})
    assert len(found.moments_ns) <= 2_001
    assert found.columns["node-1"][-1] == 999_999
    assert found.columns["node-1"] == found.moments_ns


def test_nodes_beyond_what_an_eye_tells_apart_are_summed() -> None:
    series = {f"node-{i}": ((i, 10),) for i in range(NODES_SHOWN + 3)}
    found = few(series)
    assert list(found) == [*(f"node-{i}" for i in range(NODES_SHOWN - 1)), OTHERS]
    assert found[OTHERS][-1][1] == 40
    assert few({"node-1": ((1, 1),)}) == {"node-1": ((1, 1),)}


def test_the_most_is_of_all_together() -> None:
    assert together({"a": ((1, 5), (3, 0)), "b": ((2, 4),)}).most == 9
    assert together({}).most == 0
