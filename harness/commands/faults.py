"""`wordaround faults`: what can be done to a cluster on this machine, found out by trying."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from harness.backends import docker as docker_backend
from harness.commands.console import stdout
from harness.faults.availability import BACKENDS, Ability, ability
from harness.faults.registry import FAULTS


def faults(
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects on stdout.")] = False,
) -> None:
    """List the faults, and for each backend whether this machine can have it; why not, where not."""
    no_docker = docker_backend.available()
    found = [_able(fault, backend, no_docker) for fault in FAULTS for backend in BACKENDS]
    if as_json:
        typer.echo(json.dumps([asdict(able) for able in found], indent=2))
        return
    for fault, kind in FAULTS.items():
        stdout.print(f"[bold]{fault}[/]  {kind.spec.summary}", soft_wrap=True)
        for able in found:
            if able.fault == fault:
                stdout.print(f"  {_line(able)}", soft_wrap=True)


def _able(fault: str, backend: str, no_docker: str | None) -> Ability:
    spec = FAULTS[fault].spec
    if backend == "docker" and no_docker is not None and "docker" in spec.mechanisms:
        return Ability(fault=fault, backend=backend, mechanism=spec.mechanisms[backend], missing=no_docker)
    return ability(fault, backend)


def _line(able: Ability) -> str:
    if able.missing is None:
        return f"[green]✔[/] {able.backend:<8} {able.mechanism}"
    return f"[dim]✘ {able.backend:<8} no: {able.missing}[/]"
