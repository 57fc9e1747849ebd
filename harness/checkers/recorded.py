"""Rows with the strings behind their ids; the one place that looks into a history file.

A history may come from a crash or from elsewhere: an id that is not there reads as absent.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import merge

from harness.checkers.content import Received, parse_received
from harness.records.history import HistoryFile, Op, Row
from harness.records.plan import logical_name


@dataclass(frozen=True, slots=True)
class Recorded:
    """One row with the means to read its strings."""

    row: Row
    file: HistoryFile

    def string(self, string_id: int) -> str | None:
        """Return the string of an id, `None` where it is absent."""
        strings = self.file.strings
        found = strings[string_id] if 0 < string_id < len(strings) else None
        return found if isinstance(found, str) else None

    def text(self, string_id: int) -> str:
        """Return the string of an id, empty where it is absent, printable in every encoding."""
        return (self.string(string_id) or "").encode("utf-8", "replace").decode()


def rows_by_bot(histories: Iterable[HistoryFile]) -> dict[int, list[Recorded]]:
    """Sort out the rows by bot, each bot's in the order of recording.

    A bot belongs to one writer; should several have recorded it, their rows are merged by time.
    """
    parts: dict[int, list[list[Recorded]]] = {}
    for file in histories:
        own: dict[int, list[Recorded]] = {}
        for row in file.rows:
            own.setdefault(row.bot, []).append(Recorded(row, file))
        for bot, rows in own.items():
            parts.setdefault(bot, []).append(rows)
    return {bot: _joined(lists) for bot, lists in sorted(parts.items())}


def _joined(lists: list[list[Recorded]]) -> list[Recorded]:
    return lists[0] if len(lists) == 1 else list(merge(*lists, key=lambda recorded: recorded.row.t_ns))


class Contents:
    """Parses every received content once, however many got it, and knows this run's names."""

    def __init__(self, run_id: str, rooms: Iterable[str], *, positions: bool) -> None:
        self.run_id = run_id
        self._rooms = frozenset(rooms)
        self._positions = positions
        self._parsed: dict[str, Received] = {}

    def received(self, recorded: Recorded) -> Received:
        """Return the content of a DELIVERY or FINAL_READ row."""
        raw = recorded.string(recorded.row.a) or ""
        found = self._parsed.get(raw)
        if found is None:
            found = parse_received(raw, self.run_id, positions=self._positions)
            self._parsed[raw] = found
        return found

    def room(self, name: str) -> str | None:
        """Return the logical room of a row's operand, `None` for a room that is not of this run."""
        return name if name in self._rooms else logical_name(name, self.run_id)


ANSWERS = frozenset({Op.SEND_OK, Op.SEND_FAILED, Op.SEND_LOST})
