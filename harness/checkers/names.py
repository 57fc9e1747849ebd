"""Small numbers for names: rooms, epochs and producers, each known by its place in a list."""

from collections.abc import Iterable

from harness.records.plan import logical_name


class Numbered:
    """Names in the order in which they were first asked for; `None` is -1."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}
        for name in names:
            self.number(name)

    def __len__(self) -> int:
        return len(self.names)

    def number(self, name: str | None) -> int:
        """Return the number of a name, a new one at its first use."""
        if name is None:
            return -1
        found = self._numbers.get(name)
        if found is None:
            found = self._numbers[name] = len(self.names)
            self.names.append(name)
        return found

    def name(self, number: int) -> str | None:
        """Return the name of a number."""
        return self.names[number] if number >= 0 else None


class Names:
    """All names of a run. Rooms are logical; those of the plan come first."""

    def __init__(self, run_id: str, rooms: Iterable[str]) -> None:
        self.run_id = run_id
        self.rooms = Numbered(rooms)
        self.epochs = Numbered()
        self.producers = Numbered()
        self._planned = frozenset(self.rooms.names)

    def room(self, name: str) -> str | None:
        """Return the logical room of a row's operand, `None` for a room that is not of this run."""
        return name if name in self._planned else logical_name(name, self.run_id)

    def epoch(self, text: str | None) -> int:
        """Return the number of an epoch."""
        return self.epochs.number(text)
