"""What the model says against a document, as located sentences; and what of it is valid all the same."""

import functools
from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from harness.scenario.model import Scenario
from harness.scenario.source import Document, Path, Problem
from harness.scenario.values import did_you_mean, listed, meant, shown


def validate(document: Document) -> Scenario | list[Problem]:
    """Return the scenario, or everything that is wrong with single keys and values."""
    try:
        return Scenario.model_validate(document.data)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    return _Wrong(document, errors).problems()


def valid_fields(model: type[BaseModel], data: object) -> dict[str, Any]:
    """Return those fields that are valid on their own, defaults included; nothing for no mapping.

    This is what the checks of sense work with while other keys are still wrong.
    """
    if not isinstance(data, Mapping):
        return {}
    misspelt = {meant(key, model.model_fields) for key in data if key not in model.model_fields}
    valid: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if name in data:
            valid.update(_valid(model, name, data[name]))
        elif not field.is_required() and name not in misspelt:
            valid[name] = field.default
    return valid


def _valid(model: type[BaseModel], name: str, value: object) -> dict[str, Any]:
    try:
        return {name: _adapter(model, name).validate_python(value, strict=True)}
    except ValidationError:
        return {}  # `validate` reports it.


@functools.cache
def _adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    field = model.model_fields[name]
    kind: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    return TypeAdapter(kind)


class _Wrong:
    """Turns pydantic's errors about one document into sentences with positions."""

    def __init__(self, document: Document, errors: list[ErrorDetails]) -> None:
        self._document = document
        located = [(error, _path(error, document)) for error in errors]
        self._missing = {path for error, path in located if error["type"] == "missing"}
        self._unknown = [path for error, path in located if error["type"] == "extra_forbidden"]
        self._wrong = [
            (error, path) for error, path in located if error["type"] not in ("missing", "extra_forbidden")
        ]

    def problems(self) -> list[Problem]:
        # A misspelt key is one mistake: what it was meant to be is not reported as missing too.
        misspelt = {(*path[:-1], meant(str(path[-1]), _keys_of(path[:-1]))) for path in self._unknown}
        return [
            *(self._unknown_key(path) for path in self._unknown),
            *(self._missing_key(path) for path in self._missing if path not in misspelt),
            *(self._wrong_value(error, path) for error, path in self._wrong),
        ]

    def _unknown_key(self, path: Path) -> Problem:
        known = _keys_of(path[:-1])
        instead = did_you_mean(str(path[-1]), known) or f"; known are {listed(known)}"
        return Problem(self._document.where_key(path), f"unknown key `{path[-1]}`{_inside(path)}{instead}")

    def _missing_key(self, path: Path) -> Problem:
        return Problem(self._document.where_key(path[:-1]), f"the key `{path[-1]}` is missing{_inside(path)}")

    def _wrong_value(self, error: ErrorDetails, path: Path) -> Problem:
        key = next(part for part in reversed(path) if isinstance(part, str))
        return Problem(self._document.where(path), f"`{key}` {_WRONG[error['type']](error)}")


def _value_sentence(error: ErrorDetails) -> str:
    return str(error["ctx"]["error"])


def _mapping_sentence(error: ErrorDetails) -> str:
    return f"wants a mapping, not {shown(error['input'])}"


def _list_sentence(error: ErrorDetails) -> str:
    return f"wants a list, not {shown(error['input'])}"


# Every kind of error that the model can raise beside missing and unknown keys: the validators of its
# leaves raise ValueErrors with sentences of their own.
_WRONG = {"value_error": _value_sentence, "model_type": _mapping_sentence, "tuple_type": _list_sentence}


def _path(error: ErrorDetails, document: Document) -> Path:
    """Drop from pydantic's location what is no key of the data: the names of a union's branches."""
    data: Any = document.data
    path: list[int | str] = []
    for part in error["loc"]:
        in_list = isinstance(data, tuple) and isinstance(part, int)
        if in_list or (isinstance(data, Mapping) and part in data):
            data = data[part]
            path.append(part)
    return (*path, error["loc"][-1]) if error["type"] == "missing" else tuple(path)


def _keys_of(path: Path) -> tuple[str, ...]:
    """Return the keys that the mapping at this place may have."""
    model: Any = Scenario
    for part in path:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            model = get_args(annotation)[0] if get_origin(annotation) is tuple else annotation
    return tuple(model.model_fields)


def _inside(path: Path) -> str:
    keys = [part for part in path[:-1] if isinstance(part, str)]
    return f" in `{keys[-1]}`" if keys else ""
