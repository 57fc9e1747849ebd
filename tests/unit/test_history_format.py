"""The history's files: what is written is read again, and a torn end is cut off and counted."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.records.history import (
    ROW,
    HistoryWriter,
    Op,
    Row,
    read_history,
    read_history_file,
    string_ids,
    write_history,
)

# The files are synced, which takes as long as the machine's disk likes.
ON_DISK = settings(max_examples=50, deadline=None)
U32 = st.integers(0, 2**32 - 1)
ROWS = st.builds(
    Row,
    t_ns=st.integers(0, 2**63 - 1),
    op=st.sampled_from(Op),
    flags=st.integers(0, 255),
    bot=st.integers(0, 2**16 - 1),
    conn=U32,
    a=st.integers(0, 3),
    b=st.integers(0, 3),
    c=st.integers(0, 3),
    d=U32,
)


@ON_DISK
@given(rows=st.lists(ROWS, max_size=30), strings=st.lists(st.text(), min_size=3, max_size=3, unique=True))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], strings: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("history")
    write_history(folder, "bots-1", rows, strings)
    (found,) = read_history(folder)
    assert (found.name, found.torn) == ("bots-1", 0)
    assert found.rows == tuple(rows)
    assert tuple(found.strings) == (None, *strings)


def test_equal_texts_have_one_id_and_absent_is_zero(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, "w")
    assert [writer.intern(text) for text in ("a", "b", "a", None, "")] == [1, 2, 1, 0, 3]
    writer.close()


def test_odd_texts_survive(tmp_path: Path) -> None:
    texts = ["two\nlines", "\x00", "\u2028", "naïve ☃", "\ud800", '"quoted"', ""]
    write_history(tmp_path, "w", [], texts)
    assert read_history(tmp_path)[0].strings == (None, *texts)


def test_writers_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("reader", "bots-2", "bots-1"):
        write_history(tmp_path, name, [], [])
    assert [file.name for file in read_history(tmp_path)] == ["bots-1", "bots-2", "reader"]


def test_a_writer_never_writes_over_a_history(tmp_path: Path) -> None:
    write_history(tmp_path, "w", [], ["kept"])
    with pytest.raises(FileExistsError):
        HistoryWriter(tmp_path, "w")
    assert read_history(tmp_path)[0].strings == (None, "kept")


def test_a_flushed_invoke_can_be_read_while_the_writer_is_open(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, "w")
    writer.record(5, Op.CONNECT, bot=1, conn=1, a=writer.intern("node-1"))
    assert read_history(tmp_path)[0].rows == ()
    writer.record(6, Op.JOIN, bot=1, conn=1, a=writer.intern("room-1.x"), flush=True)
    assert [row.op for row in read_history(tmp_path)[0].rows] == [Op.CONNECT, Op.JOIN]
    writer.close()


# Torn ends


def _written(folder: Path) -> Path:
    rows = [Row(t_ns=i, op=Op.DELIVERY, bot=1, conn=1, a=i) for i in (1, 2, 3)]
    write_history(folder, "w", rows, ["one", "two", "three"])
    return folder / "w.events"


@ON_DISK
@given(left=st.integers(0, 3 * ROW.size))
def test_a_torn_row_is_left_out_and_its_bytes_counted(
    tmp_path_factory: pytest.TempPathFactory, left: int
) -> None:
    events = _written(tmp_path_factory.mktemp("torn"))
    events.write_bytes(events.read_bytes()[:left])
    found = read_history_file(events)
    assert len(found.rows) == left // ROW.size
    assert found.torn == left % ROW.size


@ON_DISK
@given(left=st.integers(0, len('"one"\n"two"\n"three"\n')))
def test_rows_whose_strings_are_missing_are_left_out_with_all_that_follows(
    tmp_path_factory: pytest.TempPathFactory, left: int
) -> None:
    events = _written(tmp_path_factory.mktemp("torn"))
    strings = events.with_suffix(".strings")
    whole = strings.read_bytes()[:left]
    strings.write_bytes(whole)
    found = read_history_file(events)
    assert len(found.rows) == whole.count(b"\n")
    assert found.torn == (3 - len(found.rows)) * ROW.size


def test_an_unknown_operation_ends_the_reading(tmp_path: Path) -> None:
    events = _written(tmp_path)
    data = bytearray(events.read_bytes())
    data[ROW.size + 8] = 200
    events.write_bytes(data)
    found = read_history_file(events)
    assert (len(found.rows), found.torn) == (1, 2 * ROW.size)


def test_a_damaged_string_ends_the_strings(tmp_path: Path) -> None:
    events = _written(tmp_path)
    events.with_suffix(".strings").write_bytes(b'"one"\n"tw\n"three"\n')
    assert read_history_file(events).strings == (None, "one")


def test_a_required_string_that_is_absent_is_an_error(tmp_path: Path) -> None:
    found = read_history_file(_written(tmp_path))
    assert found.text(2) == "two"
    with pytest.raises(ValueError, match="string id 0"):
        found.text(0)


@pytest.mark.parametrize(
    ("op", "operands"),
    [(Op.JOIN, {1, 2}), (Op.SEND, {1}), (Op.SEND_OK, {3}), (Op.FINAL_READ, {1, 2, 3}), (Op.DELIVERY, {1})],
)
def test_which_operands_are_strings(op: Op, operands: set[int]) -> None:
    assert set(string_ids(Row(t_ns=0, op=op, a=1, b=2, c=3, d=4))) == operands
