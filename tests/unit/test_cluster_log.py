"""The log: whole JSON lines, and nobody who does not read them can hold up the node."""

import json
import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import log

PIPE_BYTES = 1 << 20  # more than any pipe holds


class _Pipe:
    """A pipe with our handler at one end, read when the test wants it."""

    def __init__(self) -> None:
        read_end, self.write_end = os.pipe()
        self.reader = os.fdopen(read_end)
        self.handler = log._Lines(self.write_end, "node-7")

    def say(self, event: str, **fields: object) -> None:
        record = log.logger.makeRecord(log.logger.name, logging.INFO, "", 0, event, (), None)
        record.fields = fields
        self.handler.emit(record)

    def lines(self, until: str) -> list[dict[str, object]]:
        """Read up to the first line about an event."""
        found: list[dict[str, object]] = []
        while not found or found[-1]["event"] != until:
            found.append(json.loads(self.reader.readline()))
        return found

    def close(self) -> None:
        self.reader.close()
        self.handler.drain(5)
        os.close(self.write_end)


@pytest.fixture
def pipe() -> Iterator[_Pipe]:
    pipe = _Pipe()
    yield pipe
    pipe.close()


def test_lines__some__in_order_with_their_fields(pipe: _Pipe) -> None:
    for number in range(3):
        pipe.say("counted", number=number, odd="\ud800\n")
    pipe.say("end")
    lines = pipe.lines("end")
    assert [line.get("number") for line in lines] == [0, 1, 2, None]
    assert {line["node"] for line in lines} == {"node-7"}


def test_line__longer_than_a_pipe__whole(pipe: _Pipe) -> None:
    text = "x" * PIPE_BYTES
    pipe.say("long", text=text)
    pipe.say("end")
    assert [line.get("text") for line in pipe.lines("end")] == [text, None]


def test_reader__stalls__logging_goes_on_and_what_was_dropped_is_told(pipe: _Pipe) -> None:
    filling = "x" * 1000
    began = time.monotonic()
    said = log.LINES_MOST + PIPE_BYTES // 1000 + 500
    for _ in range(said):
        pipe.say("filled", text=filling)
    assert time.monotonic() - began < 30, "a full pipe held up the one who logs"
    assert pipe.handler.dropped > 0
    lines = [pipe.lines("filled")[0] for _ in range(said - pipe.handler.dropped)]
    pipe.say("end")
    lines += pipe.lines("end")
    (told,) = [line for line in lines if line["event"] == "log_lines_dropped"]
    assert told["lines"] == pipe.handler.dropped
    assert sum(line["event"] == "filled" for line in lines) == said - pipe.handler.dropped


def test_reader__gone__lines_are_dropped_in_silence(pipe: _Pipe) -> None:
    pipe.reader.close()
    pipe.say("nobody_reads")
    pipe.handler.drain(5)
    pipe.say("still_nobody")


def test_pipe__non_blocking_and_full__waited_for(pipe: _Pipe) -> None:
    os.set_blocking(pipe.write_end, False)
    for number in range(200):
        pipe.say("counted", number=number, text="x" * 1000)
    pipe.say("end")
    assert [line.get("number") for line in pipe.lines("end")] == [*range(200), None]


def test_documentation__its_events__are_those_of_the_code() -> None:
    root = Path(__file__).parents[2]
    call = re.compile(r'log\.(debug|info|warning|error|bug)\(\s*"([a-z_]+)"')
    in_code = {
        (event, "error" if level == "bug" else level)
        for file in (root / "cluster").rglob("*.py")
        for level, event in call.findall(file.read_text())
    }
    in_code.add(("log_lines_dropped", "warning"))
    row = re.compile(r"^\| `([a-z_]+)` \| ([a-z]+) \|", re.MULTILINE)
    documented = set(row.findall((root / "docs" / "logs.md").read_text()))
    assert documented == in_code
