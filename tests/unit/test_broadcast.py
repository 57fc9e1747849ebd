"""What a run shows is in its folder, too: at every change, else twice a second, never at the run's cost."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.broadcast import Broadcast
from harness.progress import Status
from harness.records.journal import MemberState
from harness.records.live import Moment, Said, read_live

STATUS = Status(
    phase="chaos", at_s=3.0, of_s=26.0, members={"node-1": MemberState.READY}, joined=29, bots=30, acked=7
)


class Screen:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.shown: list[Status] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def show(self, status: Status) -> None:
        self.shown.append(status)

    def close(self) -> None:
        raise AssertionError("the screen is not the run's to close")


def read(path: Path) -> tuple[tuple[Moment, ...], tuple[Said, ...]]:
    return read_live(path, last_bytes=1 << 20)


def test_moments_are_written_at_every_change_and_else_seldom(tmp_path: Path) -> None:
    screen, path = Screen(), tmp_path / "live.jsonl"
    broadcast = Broadcast(screen, path, interval_s=3600)
    down = replace(STATUS, members={"node-1": MemberState.DOWN})
    statuses = [STATUS, replace(STATUS, at_s=3.1), down, replace(down, faults=("kill node-1",))]
    for status in statuses:
        broadcast.show(status)
    broadcast.close()
    assert screen.shown == statuses
    assert [(m.at_s, m.members["node-1"], m.faults) for m in read(path)[0]] == [
        (3.0, "ready", ()),
        (3.0, "down", ()),
        (3.0, "down", ("kill node-1",)),
    ]
    assert read(path)[0][0].acked == 7


def test_nothing_changes_but_time_passes_and_it_is_written(tmp_path: Path) -> None:
    broadcast = Broadcast(Screen(), tmp_path / "live.jsonl", interval_s=0)
    for _ in range(3):
        broadcast.show(STATUS)
    assert len(read(tmp_path / "live.jsonl")[0]) == 3
    broadcast.close()


def test_what_is_said_is_there_too_and_a_line_that_is_not_whole_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    broadcast = Broadcast(Screen(), path)
    for text in ("one", "<script>\n"):
        broadcast.say(text)
    broadcast.close()
    path.write_bytes(path.read_bytes() + b'{"t_ns":1,"te')
    assert [said.text for said in read(path)[1]] == ["one", "<script>\n"]


def test_only_the_end_of_a_long_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    broadcast = Broadcast(Screen(), path)
    for number in range(100):
        broadcast.say(f"sentence {number}")
    broadcast.close()
    said = read_live(path, last_bytes=200)[1]
    assert 1 < len(said) < 6
    assert said[-1].text == "sentence 99"


def test_a_folder_that_takes_nothing_is_told_once_and_the_run_goes_on(tmp_path: Path) -> None:
    screen = Screen()
    broadcast = Broadcast(screen, tmp_path / "nowhere" / "live.jsonl")
    for _ in range(3):
        broadcast.show(STATUS)
        broadcast.say("on")
    assert len(screen.shown) == 3
    assert [text for text in screen.said if text != "on"] == [
        f"Nobody can follow the run any longer: {tmp_path}/nowhere/live.jsonl: No such file or directory"
    ]


def test_a_line_that_is_neither_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "live.jsonl").write_text('{"t_ns":1}\n')
    with pytest.raises(ValueError, match="validation error"):
        read(tmp_path / "live.jsonl")
