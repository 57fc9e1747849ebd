"""A run's files, read by whoever judges, reports or shows them: a record, or a sentence on why there is none.

A folder may be half-written, damaged, another version's or anybody's. Whatever lies in it, what comes out of
here is what was asked for, or `Unreadable`, which each reader tells in its own way.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from harness.records.codec import in_words, read_json, schema_of
from harness.records.journal import read_journal
from harness.records.meta import Meta
from harness.records.verdict import RunVerdict

T = TypeVar("T")

SCHEMA = 1  # of meta.json and verdict.json
_SHOWN = 40  # characters of a schema that is none


class Unreadable(ValueError):
    """A file cannot be read. `what` says why without its place: `is missing: …`."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path} {what}")
        self.path = path
        self.what = what


class Missing(Unreadable):
    """There is no such file."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            f"is missing: {path.parent} is not the folder of a run, "
            "or the run broke off before it was written",
        )


class OtherSchema(Unreadable):
    """The file says that another version made it."""

    def __init__(self, path: Path, schema: object) -> None:
        super().__init__(
            path, f"has schema {repr(schema)[:_SHOWN]}; this version of WordAround reads schema {SCHEMA}"
        )


def record(kind: type[T], path: Path) -> T:
    """Read one record; of those that have a schema, only that of this version.

    Raises:
        Unreadable: it is missing, cannot be read, or is no such record.
    """
    if kind in (Meta, RunVerdict):
        schema = told(path, schema_of)
        if schema not in (SCHEMA, None):
            raise OtherSchema(path, schema)
    return told(path, lambda path: read_json(kind, path))


def journal(kind: type[T], path: Path) -> tuple[T, ...]:
    """Read a journal; where there is none, nothing was written.

    Raises:
        Unreadable: it cannot be read, or a line of it is no such record.
    """
    return told(path, lambda path: read_journal(kind, path))


def told(path: Path, read: Callable[[Path], T]) -> T:
    """Read a file or a folder in any way.

    Raises:
        Unreadable: reading failed, in whatever way a foreign file can make it fail.
    """
    try:
        _not_endless(path)
        return read(path)
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, FileNotFoundError) and not path.exists():
            raise Missing(path) from error
        raise Unreadable(path, _why(error)) from error


def _not_endless(path: Path) -> None:
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError("it is no file")  # Reading a pipe would wait for somebody to write.


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        return f"cannot be read: {in_words(error)}"
    return f"is damaged, or another version of WordAround made it: {in_words(error)}"
