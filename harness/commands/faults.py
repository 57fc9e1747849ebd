"""`wordaround faults`: what can be done to a cluster on this machine, found out by trying."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from harness.backends import docker as docker_backend
from harness.backends import process as process_backend
from harness.commands import complete
from harness.commands.console import stdout
from harness.errors import UsageError
from harness.faults.availability import BACKENDS, Ability, ability
from harness.faults.registry import FAULTS
from harness.scenario.values import did_you_mean


def faults(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="FAULT", help="These alone; else all.", autocompletion=complete.faults),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects on stdout.")] = False,
) -> None:
    """List the faults, and for each backend whether this machine can have it; why not, where not."""
    wanted = _wanted(names)
    unusable = {"docker": docker_backend.available(), "process": process_backend.available()}
    found = [_able(fault, backend, unusable.get(backend)) for fault in wanted for backend in BACKENDS]
    if as_json:
        typer.echo(json.dumps([asdict(able) for able in found], indent=2))
        return
    for fault in wanted:
        stdout.print(f"[bold]{fault}[/]  {FAULTS[fault].spec.summary}", soft_wrap=True)
        for able in found:
            if able.fault == fault:
                stdout.print(f"  {_line(able)}", soft_wrap=True)


def _wanted(names: list[str] | None) -> tuple[str, ...]:
    for name in names or ():
        if name not in FAULTS:
            hint = did_you_mean(name, FAULTS)
            raise UsageError(f"there is no fault {name!r}{hint}\n  faults: {', '.join(FAULTS)}")
    return tuple(fault for fault in FAULTS if not names or fault in names)


def _able(fault: str, backend: str, unusable: str | None) -> Ability:
    """Return the answer for a fault on a backend; `unusable` is why the whole backend cannot be used."""
    mechanism = FAULTS[fault].spec.mechanisms.get(backend)
    if unusable is not None and mechanism is not None:
        return Ability(fault=fault, backend=backend, mechanism=mechanism, missing=unusable)
    return ability(fault, backend)


def _line(able: Ability) -> str:
    if able.missing is None:
        return f"[green]✔[/] {able.backend:<8} {able.mechanism}"
    return f"[dim]✘ {able.backend:<8} no: {able.missing}[/]"
