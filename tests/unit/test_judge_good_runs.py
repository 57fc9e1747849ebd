"""No false alarm: good runs with every legal mess pass; a torn record is unknown and accuses nobody."""

import random
from types import ModuleType

import pytest

from harness.records.history import ROW, HistoryFile, Op

RUNS = 200


@pytest.mark.parametrize("block", range(0, RUNS, 20))
def test_a_good_run_with_every_legal_mess_passes(made: ModuleType, messy: ModuleType, block: int) -> None:
    for seed in range(block, block + 20):
        verdict = messy.messy(made, seed).judge()
        words = {
            p.name: (p.verdict, p.reason, p.witnesses[:1]) for p in verdict.properties if p.verdict != "pass"
        }
        others = [f for f in (*verdict.coverage, *verdict.lifecycle) if f.verdict not in ("pass", "n/a")]
        if seed % 10 == 9:
            assert verdict.verdict == "unknown", (seed, words)
            assert not made.failed(verdict), (seed, words)
        else:
            assert (verdict.verdict, words) == ("pass", {}), (seed, words, others)


@pytest.mark.parametrize("block", range(0, 120, 20))
def test_a_bots_file_that_breaks_off_anywhere_accuses_nobody(
    made: ModuleType, messy: ModuleType, block: int
) -> None:
    for seed in range(block, block + 20):
        world, draw = messy.messy(made, seed), random.Random(f"torn:{seed}")
        bots, reader = world.histories()
        size = len(bots.events)
        kept = size - draw.randint(1, 200) if seed % 2 else int(size * draw.uniform(0.05, 0.95))
        world.histories = lambda bots=bots, reader=reader, kept=kept: (_cut(bots, kept), reader)
        verdict = world.judge()
        stories = [(p.name, p.witnesses[:1]) for p in verdict.properties if p.verdict == "fail"]
        assert (verdict.verdict, stories) == ("unknown", []), (seed, kept, size)


def _cut(file: HistoryFile, kept: int) -> HistoryFile:
    torn = (len(file.events) - kept) * ROW.size
    return HistoryFile(name=file.name, strings=file.strings, events=file.events[:kept], torn=torn)


def test_the_messes_are_there(made: ModuleType, messy: ModuleType) -> None:
    worlds = [messy.messy(made, seed) for seed in range(40)]
    entries = [entry for world in worlds for entry in world.entries]
    assert any(e.op is Op.SEND_LOST for e in entries)
    assert any(e.op is Op.SEND_OK and e.flags for e in entries)  # duplicates
    assert any(e.op is Op.SEND_FAILED and not e.flags for e in entries)  # nobody knows
    assert any(e.op is Op.LEAVE for e in entries)
    assert any(e.op is Op.JOIN and e.c and e.b == "e0" for e in entries)
    assert any(e.op is Op.DELIVERY and e.a["epoch"] == "e2" for e in entries)
    assert any(world.plan.cluster.retention for world in worlds)
    assert any(world.torn for world in worlds)
    assert any(e.op is Op.SEND and e.a["producer"].endswith(".2") for e in entries)
    excused = {prop.name for world in worlds for prop in world.judge().properties if prop.excused}
    assert {"acked-durable", "complete-delivery"} & excused
