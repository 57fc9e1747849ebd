"""Violations of a run that goes on: seen as its history grows, at a bounded price, while somebody looks."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.clock import now_ns
from harness.records.codec import write_json
from harness.records.folder import RunFolder
from harness.records.history_format import ROW, Row
from harness.saved_runs import UNDER_WAY
from harness.serving import foresight as foresight_module
from harness.serving.following import Scene, look
from harness.serving.foresight import Foresight, Outlook
from harness.serving.listing import Listing

NAME = "20260101T000000Z-made-up-7"


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.01)


@pytest.fixture
def world(made: ModuleType) -> Any:
    """A run in the middle, in which somebody received a message twice."""
    world = made.World()
    world.start()
    world.talk(10)
    return world


@pytest.fixture
def foresight() -> Iterator[Foresight]:
    found = Foresight(pause_s=0.05)
    yield found
    found.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "foresight"]


def scene_of(runs_dir: Any) -> Scene:
    listing = Listing(runs_dir)
    path = listing.find(NAME)
    assert path is not None
    scene = look(listing.row(path))
    assert scene.row.run.verdict == UNDER_WAY
    return scene


def append(folder: RunFolder, world: Any) -> None:
    """Write the bots' history anew: a longer one than before."""
    [file] = [file for file in world.histories() if file.name == "bots-1"]
    old = (folder.history / "bots-1.events").read_bytes()
    rows: tuple[Row, ...] = file.rows
    new = b"".join(packed(row) for row in rows)
    assert new.startswith(old)
    (folder.history / "bots-1.events").write_bytes(new)


def packed(row: Row) -> bytes:
    return ROW.pack(row.t_ns, row.op, row.flags, row.bot, row.conn, row.a, row.b, row.c, row.d)


def test_a_violation_is_seen_while_the_history_grows(world: Any, runs_dir: Any, foresight: Foresight) -> None:
    folder = world.save(runs_dir / NAME)
    asked: Callable[[], Outlook] = lambda: foresight.of(scene_of(runs_dir))  # noqa: E731
    assert asked().until_ns is None
    until(lambda: asked().until_ns is not None)
    assert asked().violations == ()
    assert asked().events > 50
    world.receive(1, world.logs["room-1"][4])
    append(folder, world)
    until(lambda: bool(asked().violations))
    [violation] = asked().violations
    assert violation.name == "no-duplicates"
    assert "twice" in violation.stories[0].story
    first = violation.stories
    world.receive(1, world.logs["room-1"][2])
    append(folder, world)
    until(lambda: asked().violations[0].count == 2)
    assert asked().violations[0].stories == first  # what was told first stays


def test_a_history_that_is_too_large_is_left_to_the_end_and_said(world: Any, runs_dir: Any) -> None:
    world.save(runs_dir / NAME)
    foresight = Foresight(pause_s=0.05, most_bytes=100)
    until(lambda: foresight.of(scene_of(runs_dir)).silent != "")
    assert "larger than what is judged while a run goes on" in foresight.of(scene_of(runs_dir)).silent
    assert foresight.of(scene_of(runs_dir)).until_ns is None
    foresight.close()


def test_a_history_that_cannot_be_read_is_said(world: Any, runs_dir: Any, foresight: Foresight) -> None:
    folder = world.save(runs_dir / NAME)
    folder.members.write_text("{}\n{}\n")
    until(lambda: foresight.of(scene_of(runs_dir)).silent != "")
    assert "members.jsonl" in foresight.of(scene_of(runs_dir)).silent


Judge = Callable[..., tuple[tuple[()], int]]


def test_judging_takes_a_fifth_of_the_time_at_most_however_many_look(
    world: Any, runs_dir: Any, foresight: Foresight, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.save(runs_dir / NAME)
    began, spans, judged = time.monotonic(), [], []

    def slowly(folder: RunFolder, *_: Any, **__: Any) -> tuple[tuple[()], int]:
        start = time.monotonic()
        time.sleep(0.1)  # what a long history takes
        spans.append((start, time.monotonic()))
        judged.append(folder.path.name)
        return (), 1

    monkeypatch.setattr(foresight_module, "violations_so_far", slowly)
    one = scene_of(runs_dir)
    other = replace(one, row=replace(one.row, run=replace(one.row.run, path=copied(one.row.run.path))))
    while len(spans) < 4:
        foresight.of(one)
        foresight.of(other)
        assert time.monotonic() < began + 20
        time.sleep(0.01)
    gaps = [after[0] - before[1] for before, after in pairwise(spans)]
    assert min(gaps) >= 4 * 0.1
    assert judged in ([NAME, "other"] * 2, ["other", NAME] * 2)  # they take turns


def copied(path: Path) -> Path:
    return Path(shutil.copytree(path, path.with_name("other")))


def failing(times: int | None, error: Exception) -> tuple[Judge, list[int]]:
    """Return a judge that fails so many times (`None`: always), and when it was asked."""
    calls: list[int] = []

    def judge(*_: Any, **__: Any) -> tuple[tuple[()], int]:
        calls.append(now_ns())
        if times is None or len(calls) <= times:
            raise error
        return (), 7

    return judge, calls


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), RecursionError("deep"), KeyError("bot")])
def test_a_checker_that_trips_over_a_history_is_said_and_others_are_judged_on(
    world: Any, runs_dir: Any, foresight: Foresight, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    world.save(runs_dir / NAME)
    one = scene_of(runs_dir)
    other = replace(one, row=replace(one.row, run=replace(one.row.run, path=copied(one.row.run.path))))
    real = foresight_module.violations_so_far

    def trips(folder: RunFolder, *arguments: Any, **options: Any) -> Any:
        if folder.path.name == NAME:
            raise error
        return real(folder, *arguments, **options)

    monkeypatch.setattr(foresight_module, "violations_so_far", trips)
    until(lambda: foresight.of(one).silent != "" and foresight.of(other).until_ns is not None)
    assert f"judging fails on this history ({error!r})" in foresight.of(one).silent
    assert foresight.of(other).silent == ""


def test_what_fails_once_is_not_said_and_judged_again(
    world: Any, runs_dir: Any, foresight: Foresight, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.save(runs_dir / NAME)
    judge, calls = failing(2, OSError(24, "Too many open files"))
    monkeypatch.setattr(foresight_module, "violations_so_far", judge)
    scene, said = scene_of(runs_dir), set()
    until(lambda: said.add(foresight.of(scene).silent) or foresight.of(scene).until_ns is not None)
    assert (len(calls) >= 3, said) == (True, {""})


def test_what_failed_several_times_is_said_until_it_is_judged_again(
    world: Any, runs_dir: Any, foresight: Foresight, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.save(runs_dir / NAME)
    judge, _ = failing(6, OSError(24, "Too many open files"))
    monkeypatch.setattr(foresight_module, "violations_so_far", judge)
    scene = scene_of(runs_dir)
    until(lambda: "Too many open files" in foresight.of(scene).silent)
    until(lambda: foresight.of(scene).until_ns is not None)
    assert foresight.of(scene).silent == ""


def test_nobody_looks_and_nothing_is_judged(
    world: Any, runs_dir: Any, foresight: Foresight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foresight_module, "INTEREST_S", 0.3)
    world.save(runs_dir / NAME)
    calls: list[int] = []
    monkeypatch.setattr(
        foresight_module, "violations_so_far", lambda *_, **__: (calls.append(now_ns()), ((), 1))[1]
    )
    asked_ns = now_ns()
    foresight.of(scene_of(runs_dir))
    until(lambda: bool(calls))
    time.sleep(1.0)  # nothing may come, so there is nothing to wait for
    assert calls[-1] < asked_ns + 800_000_000


def test_before_the_load_there_is_nothing_to_judge(world: Any, runs_dir: Any, foresight: Foresight) -> None:
    folder = world.save(runs_dir / NAME)
    write_json(folder.meta, replace(world.meta, load_began_ns=None))
    assert foresight.of(scene_of(runs_dir)) == Outlook()
