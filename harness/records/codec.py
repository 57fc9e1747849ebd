"""Frozen dataclasses to and from JSON, strictly: an unknown or ill-typed field is an error.

So is a number that no run has. JSON knows numbers of any size, and Python reads `NaN` and `1e999`; what works
with records relies on numbers that are finite, and on nanoseconds of which two can be added in 64 bits.
"""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

T = TypeVar("T")


LARGEST = 2**62 - 1
LARGEST_FLOAT = LARGEST / 1e9  # seconds, as nanoseconds; no other figure of a run comes near it

_BOUNDS: dict[str, dict[str, Any]] = {
    "int": {"ge": -LARGEST, "le": LARGEST},
    "float": {"ge": -LARGEST_FLOAT, "le": LARGEST_FLOAT, "allow_inf_nan": False},
}

# Making one costs more than a hundred records that it reads.
_adapters: dict[object, TypeAdapter[Any]] = {}
_validators: dict[object, SchemaValidator] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    found = _adapters.get(kind)
    if found is None:
        found = _adapters[kind] = TypeAdapter(kind)
    return found


def _validator(kind: Any) -> SchemaValidator:
    found = _validators.get(kind)
    if found is None:
        found = _validators[kind] = SchemaValidator(_bounded(_adapter(kind).core_schema))
    return found


def _bounded(schema: Any) -> Any:
    """Return a schema with bounds at every number in it."""
    if isinstance(schema, list):
        return [_bounded(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    bounds = _BOUNDS.get(str(schema.get("type")), {})
    return {key: _bounded(part) for key, part in schema.items()} | bounds


def dump_json(record: object, *, indent: int | None = 2) -> bytes:
    """Return the record as UTF-8 JSON, keys in field order, so that equal records give equal bytes."""
    return _adapter(type(record)).dump_json(record, indent=indent)


def load_json(kind: type[T], data: bytes | str) -> T:
    """Parse JSON into the record type.

    Raises:
        pydantic.ValidationError: the JSON is no such record; `in_words` says where.
    """
    record: T = _validator(kind).validate_json(data)
    return record


def write_json(path: Path, record: object) -> None:
    """Write the record so that a reader sees the old file or the new one, never half of it."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(dump_json(record) + b"\n")
    part.replace(path)


def read_json(kind: type[T], path: Path) -> T:
    """Read a record that `write_json` wrote."""
    return load_json(kind, path.read_bytes())


def schema_of(path: Path) -> object:
    """Return what a file of JSON gives for its `schema`, `None` where it gives nothing that can be read.

    A file of another version need not be such a record at all: so this is asked before the record is parsed.
    """
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None  # Whoever parses the record says what is wrong with it.
    return found.get("schema") if isinstance(found, dict) else None


def is_no_json(error: ValidationError) -> bool:
    """Return whether what could not be read is not even JSON: a line that was cut off, for one."""
    return error.errors(include_url=False)[0]["type"] == "json_invalid"


def in_words(error: Exception) -> str:
    """Return what was wrong with a file: `at properties.2.name: Field required, and 3 more`."""
    if isinstance(error, ValidationError):
        first, *more = error.errors(include_url=False, include_context=False, include_input=False)
        where = ".".join(str(part) for part in first["loc"])
        rest = f", and {len(more)} more" if more else ""
        return f"{f'at {where}: ' if where else ''}{first['msg']}{rest}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())
