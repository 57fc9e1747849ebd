"""Broken histories: each kind of break is caught by the guarantee that it breaks, and by no unrelated one."""

import re
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.records.guarantees import GUARANTEES

GUIDE = Path(__file__).parents[2] / "docs" / "guarantees.md"
BEGIN, END = "<!-- The matrix: made by `make matrix`, held by a test. -->\n", "<!-- End of the matrix. -->\n"
RANDOM = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_broken_was_good(made: ModuleType, mutations: ModuleType, seed: int) -> None:
    verdict = mutations.good(made, seed).judge()
    assert {prop.verdict for prop in verdict.properties} == {"pass"}
    assert verdict.verdict == "pass"


TEXT = Path(__file__).with_name("mutations.py").read_text("utf-8")
NAMES = [name.replace("_", "-") for name in re.findall(r"^@_breaks\(.*\)\ndef (\w+)\(", TEXT, re.MULTILINE)]


def test_there_are_enough_kinds_and_one_for_each_guarantee(mutations: ModuleType) -> None:
    assert list(mutations.MUTATIONS) == NAMES
    assert len(NAMES) >= 40
    assert {mutation.breaks for mutation in mutations.MUTATIONS.values()} == set(GUARANTEES)


@pytest.mark.parametrize("mutation", NAMES)
def test_a_mutation_is_caught_by_what_it_breaks_and_by_nothing_unrelated(
    made: ModuleType, mutations: ModuleType, mutation: str
) -> None:
    found = mutations.MUTATIONS[mutation]
    world = mutations.good(made)
    found.apply(world)
    verdict = world.judge()
    assert made.failed(verdict) == {found.breaks, *found.too}
    assert made.found(verdict, found.breaks).witnesses
    assert verdict.verdict == "fail"


@pytest.mark.parametrize("guarantee", GUARANTEES)
@RANDOM
@given(data=st.data())
def test_random_breaks_of_a_guarantee_are_caught(
    made: ModuleType, mutations: ModuleType, guarantee: str, data: st.DataObject
) -> None:
    own = [mutation for mutation in mutations.MUTATIONS.values() if mutation.breaks == guarantee]
    found = data.draw(st.sampled_from(own), label="mutation")
    world = mutations.good(made, data.draw(st.integers(0, 419), label="seed"))
    found.apply(world)
    assert made.failed(world.judge()) == {found.breaks, *found.too}


def test_the_published_matrix_is_what_these_tests_hold(mutations: ModuleType) -> None:
    published = GUIDE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    assert published == mutations.matrix(GUARANTEES), "run `make matrix`"
