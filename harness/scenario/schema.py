"""The scenario language as a JSON Schema, so that editors complete and check it while one types.

It is made from the model. What only the checks of sense know (whom a fault can hit, when) it cannot say.
"""

from typing import Any

from harness.scenario.model import Scenario

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema, as plain data."""
    schema: dict[str, Any] = _plain(Scenario.model_json_schema())
    schema["$defs"].pop("AnyFault", None)  # Only there to say what is wrong with a fault that has no name.
    items = schema["properties"]["faults"]["items"]
    items["oneOf"] = [option for option in items["oneOf"] if not option["$ref"].endswith("/AnyFault")]
    return {"$schema": DIALECT, **schema, "title": "A scenario of WordAround"}


def _plain(value: Any) -> Any:
    """Drop what means nothing to whoever writes YAML: Python's titles, nulls, and defaults in seconds."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    plain = {key: _plain(item) for key, item in value.items() if key != "discriminator"}
    if isinstance(plain.get("title"), str):
        plain.pop("title")
    options = plain.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        rest = [option for option in options if option != {"type": "null"}]
        plain.pop("anyOf")
        plain.update(rest[0] if len(rest) == 1 else {"anyOf": rest})
    if plain.get("default", 0) is None:
        plain.pop("default")
    if plain.get("type") == "string" and isinstance(plain.get("default"), float):
        plain["default"] = f"{plain['default']:g}s"
    return plain
