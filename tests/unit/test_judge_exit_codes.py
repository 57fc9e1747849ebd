"""Exit codes: 0 as expected, 1 other than expected, 3 unknown; of several the worst."""

from types import ModuleType

import pytest

from harness.judge.exit_codes import exit_code, worst
from harness.records.plan import Expectation

LOSS = Expectation(verdict="fail", violates=("complete-delivery",))


@pytest.mark.parametrize(
    ("delivery", "expect", "lag_ms", "code"),
    [
        ("durable", None, 1.0, 0),
        ("pubsub", None, 1.0, 1),
        ("pubsub", LOSS, 1.0, 0),
        ("durable", LOSS, 1.0, 1),
        ("durable", None, 999.0, 3),
        ("pubsub", None, 999.0, 3),
        ("pubsub", LOSS, 999.0, 3),
    ],
)
def test_of_a_run(
    made: ModuleType, delivery: str, expect: Expectation | None, lag_ms: float, code: int
) -> None:
    world = made.stormy(delivery=delivery, expect=expect)
    world.lag_ms = lag_ms
    assert exit_code(world.judge()) == code


@pytest.mark.parametrize(
    ("codes", "code"),
    [([], 0), ([0, 0], 0), ([0, 3], 3), ([3, 1, 0], 1), ([1, 4, 3], 4), ([0, 130, 4], 130)],
)
def test_of_several(codes: list[int], code: int) -> None:
    assert worst(codes) == code
