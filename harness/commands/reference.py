"""The commands as Markdown, from what Typer knows of them: docs/commands.md has it (`make reference`)."""

from collections.abc import Iterable, Iterator
from typing import Any

import typer

from harness import cli


def commands() -> str:
    """Return a section for each command, with its line and a table of its arguments and options."""
    return "\n\n".join(
        part for name in cli.COMMANDS for part in _sections(f"wordaround {name}", cli.load(name))
    )


def root() -> str:
    """Return the table of the options of `wordaround` itself."""
    return _table(typer.main.get_command(cli.app).params)


def _sections(name: str, command: Any) -> Iterator[str]:
    groups = getattr(command, "commands", None)
    if groups is not None:
        for sub_name, sub_command in groups.items():
            yield from _sections(f"{name} {sub_name}", sub_command)
        return
    yield f"### `{name}{''.join(map(_usage, command.params))}`"
    yield " ".join(command.help.split())
    if table := _table(command.params):
        yield table


def _usage(parameter: Any) -> str:
    if parameter.param_type_name != "argument" or parameter.hidden:
        return ""
    word = f"{parameter.metavar or parameter.name}{'…' if parameter.nargs == -1 else ''}"
    return f" {word}" if parameter.required else f" [{word}]"


def _table(parameters: Iterable[Any]) -> str:
    rows = [
        f"| {_name(parameter)} | {_default(parameter)} | {_help(parameter)} |"
        for parameter in parameters
        if not parameter.hidden
    ]
    return "\n".join(["| | default | |", "|---|---|---|", *rows]) if rows else ""


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name}`"
    value = "" if parameter.is_flag else f" {_value(parameter)}"
    return ", ".join(f"`{option}{value}`" for option in parameter.opts)


def _value(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper()).replace("|", "\\|")


def _default(parameter: Any) -> str:
    default = parameter.default
    return "" if parameter.required or default in (None, False, ()) else f"`{default}`"


def _help(parameter: Any) -> str:
    return (parameter.help or "").replace("|", "\\|")
