"""Scenarios about nodes end as they say, on each backend; nothing is left behind."""

from collections.abc import Callable

import pytest

from harness.scenario.library import shipped
from tests.fault_tolerance.shipped import BACKENDS, FAST, cases


@pytest.mark.parametrize(("name", "backend"), cases("nodes"))
def test_scenario(name: str, backend: str, ends_as_it_says: Callable[[str, str], None]) -> None:
    ends_as_it_says(name, backend)


def test_the_fast_half_names_only_what_there_is() -> None:
    known = {(name, backend) for name in shipped() for backend in BACKENDS}
    assert known >= FAST
