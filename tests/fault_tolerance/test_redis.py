"""Scenarios about Redis end as they say, on each backend; nothing is left behind."""

from collections.abc import Callable

import pytest

from tests.fault_tolerance.shipped import cases


@pytest.mark.parametrize(("name", "backend"), cases("redis"))
def test_scenario(name: str, backend: str, ends_as_it_says: Callable[[str, str], None]) -> None:
    ends_as_it_says(name, backend)
