"""The picture of a run that goes on: lanes as they were seen, faults as they happened or are planned."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.records.folder import RunFolder
from harness.records.journal import FaultEntry
from harness.records.live import LiveWriter, Moment
from harness.serving.drawing import NARROW, POINTS, WIDE, draw, thinned, windows
from harness.serving.following import Scene, look
from harness.serving.listing import Listing


@pytest.fixture
def scene(run: RunFolder, runs_dir: Path, made_runs: ModuleType) -> Scene:
    """A run that goes on, fourteen seconds after its load began: node-2 was killed at 11 s."""
    run.verdict.unlink()
    run.report.unlink()
    writer = LiveWriter(run.live)
    for second in range(15):
        rate = 0.0 if second == 12 else 60.0
        moment = Moment(t_ns=made_runs.at(second), phase="chaos", at_s=second, of_s=26.0, acked_per_s=rate)
        writer.append(moment)
    writer.close()
    listing = Listing(runs_dir)
    path = listing.find(run.path.name)
    assert path is not None
    seen = look(listing.row(path))
    assert seen.meta is not None
    meta = replace(seen.meta, load_ended_ns=None, ended_ns=None)
    cut = made_runs.at(14.0)
    faults = tuple(entry for entry in seen.faults if entry.t_ns <= cut)
    members = tuple(entry for entry in seen.members if entry.t_ns <= cut)
    return replace(seen, meta=meta, now_ns=cut, faults=faults, members=members)


def test_lanes_faults_and_rates_are_there_for_wide_and_narrow_pages(scene: Scene) -> None:
    for width in (WIDE, NARROW):
        picture = str(draw(scene, width=width))
        for part in (
            "<title>node-kill, up to 14.0 s</title>",
            "node-2 down from 11.",
            'class="state down"',
            'class="window active"',
            "kill node-2: active, 11.00 s to 14.00 s",
            'class="phase now"',
            'class="now-line"',
            'class="line acked"',
        ):
            assert part in picture, part


def test_a_fault_is_planned_then_active_then_over(scene: Scene) -> None:
    def state(faults: tuple[FaultEntry, ...], **changes: Any) -> tuple[str, str]:
        [window] = windows(replace(scene, faults=faults, **changes))
        return window.state, f"{window.start_s:.0f}"

    assert state(()) == ("planned", "11")
    assert state(scene.faults)[0] == "active"
    injected = scene.faults[0]
    healed = replace(injected, step="heal_proved", t_ns=injected.t_ns + 1, done_ns=injected.t_ns + 1)
    assert state((*scene.faults, healed))[0] == "over"
    assert state((replace(injected, step="failed"),))[0] == "failed"


def test_before_the_load_there_is_a_picture_without_rates(scene: Scene) -> None:
    assert scene.meta is not None
    early = replace(
        scene, meta=replace(scene.meta, load_began_ns=None), now_ns=scene.meta.began_ns, moments=(), faults=()
    )
    assert early.phase == "starting"
    picture = str(draw(early, width=WIDE))
    assert 'class="window planned"' in picture
    assert "now-line" not in picture


def test_a_long_run_has_few_points_and_keeps_its_dips() -> None:
    points = [(float(at), 0.0 if at == 5_003 else 100.0) for at in range(10_000)]
    few = thinned(points)
    assert len(few) <= POINTS
    assert min(value for _, value in few) == 0.0
    assert thinned([]) == []
    assert thinned(points[:3]) == points[:3]


def test_many_faults_do_not_make_the_picture_grow_without_end(scene: Scene) -> None:
    assert scene.plan is not None
    fault = scene.plan.faults[0]
    faults = tuple(replace(fault, id=f"f{number}") for number in range(300))
    height = float(str(draw(scene, width=WIDE)).split('viewBox="0 0 1120 ')[1].split('"')[0])
    many = str(draw(replace(scene, plan=replace(scene.plan, faults=faults)), width=WIDE))
    assert float(many.split('viewBox="0 0 1120 ')[1].split('"')[0]) < height + 60
