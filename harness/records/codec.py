"""Frozen dataclasses to and from JSON, strictly: an unknown or ill-typed field is an error."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


_adapters: dict[object, TypeAdapter[Any]] = {}  # Making one costs more than a hundred records that it reads.


def _adapter(kind: Any) -> TypeAdapter[Any]:
    found = _adapters.get(kind)
    if found is None:
        found = _adapters[kind] = TypeAdapter(kind)
    return found


def dump_json(record: object, *, indent: int | None = 2) -> bytes:
    """Return the record as UTF-8 JSON, keys in field order, so that equal records give equal bytes."""
    return _adapter(type(record)).dump_json(record, indent=indent)


def load_json(kind: type[T], data: bytes | str) -> T:
    """Parse JSON into the record type.

    Raises:
        pydantic.ValidationError: the JSON is no such record; the message says where.
    """
    record: T = _adapter(kind).validate_json(data)
    return record


def write_json(path: Path, record: object) -> None:
    """Write the record so that a reader sees the old file or the new one, never half of it."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(dump_json(record) + b"\n")
    part.replace(path)


def read_json(kind: type[T], path: Path) -> T:
    """Read a record that `write_json` wrote."""
    return load_json(kind, path.read_bytes())
