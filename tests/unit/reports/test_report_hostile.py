"""Hostile strings in every field of every record, in the history and in the logs: shown, never obeyed."""

import dataclasses
import re
import typing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from harness.records.codec import write_json
from harness.records.history import Op, write_history
from harness.records.journal import FaultEntry, Journal, MemberEntry, read_journal
from reports import write_reports
from reports.text import clipped, visible, without_ansi

EVIL = (
    "<script>alert(1)</script><img src=x onerror=1>]]>--><!--\"'&amp;{{7*7}}|`"
    "\x1b[31m\x00\x0b\ufffe\u202e\u2066אבג🙂\r\n# x"
)
UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


def poisoned(value: Any, kind: Any) -> Any:
    """Return the value with EVIL behind every string whose type is `str`; enums and literals stay."""
    if kind is str:
        return value + EVIL
    if dataclasses.is_dataclass(value):
        hints = typing.get_type_hints(type(value))
        changed = {f.name: poisoned(getattr(value, f.name), hints[f.name]) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **changed)
    arguments = [a for a in typing.get_args(kind) if a is not Ellipsis]
    if isinstance(value, tuple):
        return tuple(poisoned(item, arguments[0]) for item in value)
    if isinstance(value, dict):
        return {poisoned(k, arguments[0]): poisoned(v, arguments[1]) for k, v in value.items()}
    return value + EVIL if isinstance(value, str) and str in arguments else value


@pytest.fixture(params=["passing", "expected_failing", "unexpected_failing", "unknown"], scope="module")
def folder(request: pytest.FixtureRequest, runs: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run folder poisoned throughout, with its reports."""
    made = getattr(runs, request.param)(tmp_path_factory.mktemp("hostile"))
    poison(made)
    write_reports(made.folder)
    return made.folder


def poison(made: Any) -> None:
    """Put EVIL into every string of a made run folder."""
    meta = dataclasses.replace(made.meta, aborted="interrupted")
    for path, record in (
        (made.folder.plan, made.plan),
        (made.folder.meta, meta),
        (made.folder.verdict, made.verdict),
    ):
        write_json(path, poisoned(record, type(record)))
    for path, kind in ((made.folder.faults, FaultEntry), (made.folder.members, MemberEntry)):
        entries = read_journal(kind, path)
        path.unlink()
        with Journal(path) as journal:
            for entry in entries:
                journal.append(poisoned(entry, kind))
    _poison_history(made)
    _poison_files(made.folder)


def _poison_history(made: Any) -> None:
    for path in made.folder.history.iterdir():
        path.unlink()
    texts = [f"text {i} {EVIL}\ud800" for i in range(5)]
    rows = [dataclasses.replace(row, a=row.a % 5 + 1) if row.op in _NAMED else row for row in made.rows]
    known = [row for row in rows if row.op in (*_NAMED, Op.SEND_OK)]
    write_history(made.folder.history, "bots-0", known, texts)


_NAMED = (Op.CONNECT, Op.DISCONNECT, Op.SEND, Op.DELIVERY)


def _poison_files(folder: Any) -> None:
    folder.scenario.write_bytes(b"name: x # " + EVIL.encode() + b"\xff\xfe\n")
    for log in folder.logs.iterdir():
        log.write_bytes(b"\xff\xfe\x80 " + EVIL.encode() + b"\n")
    (folder.logs / "evil <script> ]]>.log").write_bytes(EVIL.encode())


def test_the_page_has_no_element_that_the_strings_name(folder: Any, parse: Any) -> None:
    page = parse(folder.report.read_text("utf-8"))
    tags = {element.tag for element in page.walk()}
    assert "img" not in tags
    scripts = [script for script in page.all("script") if not script.attributes]
    data = [script for script in page.all("script") if script.attributes]
    assert all(script.attributes["type"] == "application/json" for script in data)
    assert not any("alert(1)" in script.text for script in scripts)
    assert "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e" in "".join(script.text for script in data)
    assert not any(name.startswith("on") for e in page.walk() for name in e.attributes)
    assert "49" not in page.one("dl", **{"class": "facts"}).text.replace("4711", "")


def test_the_page_shows_the_strings_and_no_character_that_cannot_be_seen(folder: Any, parse: Any) -> None:
    source = folder.report.read_text("utf-8")
    assert not UNSEEN.search(source)
    page = parse(source)
    shown = " ".join(visible(EVIL).split())
    for heading in ("guarantees", "reconnections", "faults", "evidence", "plan", "environment"):
        assert shown in page.one("section", **{"aria-labelledby": heading}).text
    assert "<script>alert(1)</script>" in page.one("section", **{"aria-labelledby": "logs"}).text
    assert (
        shown
        in page.one(
            "header",
        ).text
        if len(page.all("header")) == 1
        else shown in page.all("header")[0].text
    )
    for drawing in page.all("svg", "timeline"):
        assert "<script>alert(1)</script>" in drawing.text


def test_the_junit_file_is_valid_xml_with_the_strings_in_it(folder: Any) -> None:
    root = ElementTree.fromstring(folder.junit.read_bytes())
    texts = [text for element in root.iter() for text in (element.text, *element.attrib.values()) if text]
    assert any("<script>alert(1)</script>" in text for text in texts)
    assert not any(UNSEEN.search(text) for text in texts)


def test_the_summary_has_no_live_html_and_keeps_its_tables(folder: Any) -> None:
    text = folder.summary.read_text("utf-8")
    before_command = text.rpartition("Run it again")[0]
    assert "<script" not in before_command
    assert "<img" not in before_command
    assert not UNSEEN.search(text)
    for line in before_command.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) in (3, 5)


def test_nothing_is_written_beside_the_three_reports(folder: Any) -> None:
    assert not list(Path(folder.path).glob("*.part"))


def test_unseen_characters_are_shown_as_escapes() -> None:
    assert visible("a\x00b\x1b\u202e\ud800\tc\nd") == "a\\x00b\\x1b\\u202e\\ud800\tc\nd"
    assert visible("שלום مرحبا 🙂 é") == "שלום مرحبا 🙂 é"
    assert without_ansi("\x1b[1;31mred\x1b[0m plain") == "red plain"
    assert clipped("abcdef", 6) == "abcdef"
    assert clipped("abcdefg", 3) == "abc … (4 more characters)"
