"""What the model says against a document, as located sentences; and what of it is valid all the same."""

import functools
from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from harness.scenario.model import Fault, Scenario, fault_model
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
    keys = written_keys(model)
    misspelt = {meant(key, keys) for key in data if key not in keys}
    valid: dict[str, Any] = {}
    for key, name in keys.items():
        if key in data:
            valid.update(_valid(model, name, data[key]))
        elif not model.model_fields[name].is_required() and key not in misspelt:
            valid[name] = model.model_fields[name].default
    return valid


def written_keys(model: type[BaseModel]) -> dict[str, str]:
    """Return the model's keys as scenarios write them, each with its name in Python (`from` is `from_`)."""
    return {field.alias or name: name for name, field in model.model_fields.items()}


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
        misspelt = {(*path[:-1], meant(str(path[-1]), self._keys(path[:-1]))) for path in self._unknown}
        return [
            *(self._unknown_key(path) for path in self._unknown),
            *(self._missing_key(path) for path in self._missing if path not in misspelt),
            *(self._wrong_value(error, path) for error, path in self._wrong),
        ]

    def _unknown_key(self, path: Path) -> Problem:
        known = self._keys(path[:-1])
        instead = did_you_mean(str(path[-1]), known) or f"; known are {listed(known)}"
        return Problem(self._document.where_key(path), f"unknown key `{path[-1]}`{_inside(path)}{instead}")

    def _keys(self, path: Path) -> tuple[str, ...]:
        """Return the keys that the mapping at this place may have."""
        model: Any = Scenario
        data: Any = self._document.data
        for part in path:
            data = data[part]
            if isinstance(part, int):
                model = fault_model(data) if model is Fault else model
            else:
                model = _kind(model, part)
        return tuple(written_keys(model))

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
    branches = 0 if error["loc"][:1] != ("faults",) else 1  # A fault's branch is called as the fault is.
    for part in error["loc"]:
        if branches and len(path) == 2 and isinstance(part, str):
            branches = 0
            continue
        in_list = isinstance(data, tuple) and isinstance(part, int)
        if in_list or (isinstance(data, Mapping) and part in data):
            data = data[part]
            path.append(part)
    return (*path, error["loc"][-1]) if error["type"] == "missing" else tuple(path)


def _kind(model: type[BaseModel], key: str) -> Any:
    """Return what stands at a key: a part, or what a list is of."""
    annotation = model.model_fields[written_keys(model)[key]].annotation
    if get_origin(annotation) is tuple:
        return get_args(annotation)[0]
    options = [option for option in get_args(annotation) if option is not type(None)]  # `X | None`
    return options[0] if options else annotation


def _inside(path: Path) -> str:
    keys = [part for part in path[:-1] if isinstance(part, str)]
    return f" in `{keys[-1]}`" if keys else ""
