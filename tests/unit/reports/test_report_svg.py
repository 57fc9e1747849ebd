"""The pieces of the picture: scales keep order, ticks are round, paths run where they must."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.svg import Scale, decades, nice_step, step_area, step_band, step_line, tag, ticks


def test_text_and_attributes_are_escaped_once() -> None:
    assert tag("text", "<b>&", title='"x"') == '<text title="&#34;x&#34;">&lt;b&gt;&amp;</text>'
    assert tag("g", tag("text", "<")) == "<g><text>&lt;</text></g>"


def test_an_element_without_children_closes_itself_and_none_is_left_out() -> None:
    assert (
        tag("rect", x=1.04, stroke_width=2, class_="a", fill=None)
        == '<rect x="1" stroke-width="2" class="a"/>'
    )


def test_scales_end_at_their_edges() -> None:
    linear, log = Scale(0, 10, 100, 200), Scale(1, 1000, 0, 30, log=True)
    assert [linear(v) for v in (-5, 0, 5, 10, 11)] == [100, 100, 150, 200, 200]
    assert [log(v) for v in (0.0, 1, 10, 1000, 1e9)] == pytest.approx([0, 0, 10, 30, 30])


def test_an_upright_scale_grows_upwards() -> None:
    assert Scale(0, 4, 60, 20)(1) == 50


@settings(deadline=None)  # A busy machine is no failure.
@given(st.floats(1e-3, 1e9), st.integers(1, 20))
def test_a_step_is_round_and_no_larger_than_needed(length: float, most: int) -> None:
    step = nice_step(length, most)
    assert length / step <= most * (1 + 1e-6)
    assert float(f"{step:.1e}") == pytest.approx(step)


@settings(deadline=None)  # A busy machine is no failure.
@given(st.floats(-100, 100), st.floats(0.01, 1e6), st.integers(1, 16))
def test_ticks_rise_within_the_range(low: float, length: float, most: int) -> None:
    found = ticks(low, low + length, most)
    assert found == sorted(set(found))
    assert len(found) <= most + 1
    slack = length * 1e-6 + 1e-9
    assert all(low - slack <= value <= low + length + slack for value in found)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(2.4, 812, (1, 1000)), (1, 1, (1, 10)), (0.3, 0.4, (0.1, 1)), (10, 100, (10, 100))],
)
def test_decades_surround_the_values(low: float, high: float, expected: tuple[float, float]) -> None:
    assert decades(low, high) == pytest.approx(expected)


def test_a_step_line_breaks_where_nothing_is_known() -> None:
    assert step_line([(0, 1, 5), (1, 2, 3), (2, 3, None), (3, 4, 7)]) == "M0 5H1V3H2M3 7H4"


def test_an_area_stands_on_its_base() -> None:
    assert step_area([(0, 1, 5), (1, 2, None), (2, 3, 4)], 9) == "M0 9H0V5H1V9H2V4H3V9Z"
    assert step_area([], 9) == ""


def test_a_band_has_a_box_where_both_lines_are_known() -> None:
    low, high = [(0, 1, 5), (1, 2, None)], [(0, 1, 2), (1, 2, 3)]
    assert step_band(low, high) == "M0 5H1V2H0Z"
