"""The usual set-up, with a Redis message queue, is caught breaking what it breaks."""

from collections.abc import Callable

import pytest

from tests.fault_tolerance.shipped import cases


@pytest.mark.parametrize(("name", "backend"), cases("pubsub"))
def test_scenario(name: str, backend: str, ends_as_it_says: Callable[[str, str], None]) -> None:
    ends_as_it_says(name, backend)
