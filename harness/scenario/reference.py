"""The parts of docs/scenarios.md that are made from the model and the faults (`make reference`)."""

from collections.abc import Iterable
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from harness.faults.registry import FAULTS
from harness.scenario.keys import (
    After,
    FaultKeys,
    Links,
    OneShot,
    Part,
    Repeat,
    Reversible,
    ReversibleOnLinks,
    Side,
    TakesDown,
    Target,
)
from harness.scenario.values import Kind

_BACKENDS = ("process", "docker", "attach")
_ON_LINKS = ("from_", "direction")
_PARTS: tuple[tuple[str, type[Part], tuple[str, ...]], ...] = (
    ("Every fault has", FaultKeys, ()),
    ("`target`", Target, ()),
    ("`after`", After, ()),
    ("`repeat`", Repeat, ()),
    ("Faults on links also have", ReversibleOnLinks, _ON_LINKS),
    ("`from`", Side, ()),
)


def common_keys() -> str:
    """Return the tables of what faults have in common."""
    return "\n\n".join(f"{title}:\n\n{_table(part, keys)}" for title, part, keys in _PARTS)


def faults() -> str:
    """Return a section on each fault: what it does, its own keys, and how each backend does it."""
    return "\n\n".join(_fault(name) for name in FAULTS)


def mechanisms() -> str:
    """Return the table fault × backend × mechanism."""
    head = f"| fault | {' | '.join(_BACKENDS)} |\n|---|{'---|' * len(_BACKENDS)}"
    rows = (
        f"| `{name}` | {' | '.join(_mechanism(name, backend) for backend in _BACKENDS)} |" for name in FAULTS
    )
    return "\n".join([head, *rows])


def _mechanism(fault: str, backend: str) -> str:
    spec = FAULTS[fault].spec
    return spec.mechanisms.get(backend) or f"no: {spec.why_not.get(backend, 'no way to do it')}"


def _fault(name: str) -> str:
    spec = FAULTS[name].spec
    common = {*FaultKeys.model_fields, *_ON_LINKS}
    own = [key for key in spec.keys.model_fields if key not in common]
    words = [f"#### `{name}`", f"{spec.summary} {_kind(spec.keys)} On: {', '.join(spec.roles)}."]
    if own:
        words.append(_table(spec.keys, own))
    return "\n\n".join(words)


def _kind(keys: type[FaultKeys]) -> str:
    links = _links(keys)
    if issubclass(keys, Reversible):
        return f"Lasts for its `duration`.{links}"
    if issubclass(keys, TakesDown):
        return f"Down until `restart_after`, or for good.{links}"
    if "duration" in keys.model_fields:
        return "Lasts for its `duration`, or is over by itself."
    return f"One moment, without `duration`.{links}" if issubclass(keys, OneShot) else links.strip()


def _links(keys: type[FaultKeys]) -> str:
    if issubclass(keys, ReversibleOnLinks):
        return " On links: has `from` and `direction`."
    return " On links: has `from`." if issubclass(keys, Links) else ""


def _table(part: type[Part], keys: Iterable[str] | None = None) -> str:
    head = "| key | type | default | meaning |\n|---|---|---|---|"
    fields = part.model_fields
    return "\n".join([head, *(_row(key, fields[key]) for key in keys or fields)])


def _row(name: str, field: FieldInfo) -> str:
    default = "" if field.is_required() or field.default is None else _default(field)
    return f"| `{field.alias or name}` | {_type(field)} | {default} | {field.description or ''} |"


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, float) and _type(field).startswith("duration"):
        return f"`{value:g}s`"
    if isinstance(value, Part):
        return f"`{{{', '.join(f'{k}: {v}' for k, v in value.model_dump(exclude_none=True).items())}}}`"
    return f"`{value}`"


def _type(field: FieldInfo) -> str:
    return _words(field.annotation, tuple(field.metadata))


def _words(annotation: Any, metadata: tuple[Any, ...]) -> str:
    for mark in metadata:
        if isinstance(mark, Kind) and mark.schema is not None:
            return _of_schema(mark.schema)
    if hasattr(annotation, "__metadata__"):  # Annotated[…]
        return _words(annotation.__origin__, annotation.__metadata__)
    if get_origin(annotation) is tuple:
        return f"list of {_words(get_args(annotation)[0], ())}"
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{option}`" for option in get_args(annotation))
    options = [option for option in get_args(annotation) if option is not NoneType]
    if options:
        return _words(options[0], ())
    return "mapping" if isinstance(annotation, type) and issubclass(annotation, Part) else "text"


def _of_schema(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(f"`{option}`" for option in schema["enum"])
    if schema["type"] == "integer":
        return f"{schema['minimum']} to {schema['maximum']}"
    if schema["type"] == "number":
        low = (
            f"above {schema['exclusiveMinimum']}"
            if "exclusiveMinimum" in schema
            else f"from {schema['minimum']}"
        )
        return f"number {low}, up to {schema['maximum']:g}"
    if "title" in schema:
        return str(schema["title"])
    if "examples" in schema:
        return "duration"
    return "name" if "maxLength" in schema else "text"
