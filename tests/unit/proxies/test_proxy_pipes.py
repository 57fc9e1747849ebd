"""Pipes: which rules hold for which direction, and when bytes are due."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.abilities import Impairment
from harness.clock import NS
from harness.proxies.pipes import CHUNK, SMALLEST_PIECE, Pipe, Pipes, Rule


def rule(effect: str, **more: object) -> Rule:
    fields = {"member": "node-1", "peers": ("redis",), **more}
    return Rule(impairment=Impairment(effect=effect, **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("direction", "to", "from_"), [("both", True, True), ("to", True, False), ("from", False, True)]
)
def test_a_rule_holds_for_its_member_its_peers_and_its_direction(direction, to, from_):
    it = rule("drop", direction=direction, peers=("redis", "node-2"))
    assert it.holds("node-1", "redis") == it.holds("node-1", "node-2") == to
    assert it.holds("redis", "node-1") == it.holds("node-2", "node-1") == from_
    assert not it.holds("redis", "node-2")
    assert not it.holds("node-1", "node-3")


def test_pipes_made_later_have_the_rules_too():
    pipes = Pipes()
    pipes.add("1", rule("drop").impairment)
    assert pipes.between("node-1", "redis").cut
    assert not pipes.between("node-2", "redis").cut
    pipes.remove("1")
    assert not pipes.between("node-1", "redis").cut


@given(st.lists(st.integers(1, CHUNK), min_size=1, max_size=50), st.integers(1, 10**9))
def test_bytes_that_come_at_once_are_due_as_fast_as_the_rate_allows(sizes, bytes_per_s):
    pipe = Pipe("node-1", "redis")
    pipe.put([rule("rate", bytes_per_s=bytes_per_s)])
    dues = [pipe.due_ns(size, 0) for size in sizes]
    assert dues == sorted(dues)
    assert abs(dues[-1] - sum(sizes) * NS / bytes_per_s) <= len(sizes)


@given(st.floats(0, 10), st.floats(0, 1), st.integers(0, 2**32))
def test_a_delay_varies_by_its_jitter_and_no_more(delay_s, share, seed):
    pipe = Pipe("node-1", "redis")
    jitter_s = delay_s * share
    pipe.put([rule("delay", delay_s=delay_s, jitter_s=jitter_s, seed=seed)])
    due_s = (pipe.due_ns(100, 5 * NS) - 5 * NS) / NS
    assert max(0.0, delay_s - jitter_s) - 1e-6 <= due_s <= delay_s + jitter_s + 1e-6


def delays(*, seed: int, source: str = "node-1", sink: str = "redis", pause: bool = False) -> list[int]:
    """What ten pieces of one direction wait."""
    pipe, mine = Pipe(source, sink), rule("delay", delay_s=0.1, jitter_s=0.1, seed=seed)
    pipe.put([mine])
    first = [pipe.due_ns(100, 0) for _ in range(5)]
    if pause:  # Another rule comes and goes.
        pipe.put([mine, rule("rate", bytes_per_s=10**9)])
        pipe.put([mine])
    return [*first, *(pipe.due_ns(100, 0) for _ in range(5))]


def test_jitter__of_the_same_seed__is_the_same():
    assert delays(seed=7) == delays(seed=7)
    assert delays(seed=7) != delays(seed=8)


def test_jitter__goes_on_where_it_was_when_another_rule_comes_and_goes():
    assert delays(seed=7, pause=True) == delays(seed=7)


def test_jitter__of_each_direction__is_its_own():
    assert delays(seed=7) != delays(seed=7, source="redis", sink="node-1")


def test_where_a_rate_holds_reads_are_small():
    pipe = Pipe("node-1", "redis")
    assert pipe.piece == CHUNK
    pipe.put([rule("rate", bytes_per_s=100_000), rule("rate", bytes_per_s=50_000)])
    assert (pipe.piece, pipe.most) == (1000, 4000)
    pipe.put([rule("rate", bytes_per_s=10)])
    assert pipe.piece == SMALLEST_PIECE
    pipe.put([])
    assert pipe.piece == CHUNK
