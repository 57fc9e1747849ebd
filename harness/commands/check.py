"""`wordaround check`: saved runs and foreign histories, judged again."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from harness import judging
from harness.commands import complete, github
from harness.commands.console import Json, code_of, print_verdict, stdout
from harness.errors import UsageError
from harness.foreign import judge_foreign
from harness.judge.exit_codes import exit_code, worst
from harness.judge.folder import judge_folder
from harness.records.folder import RunFolder
from harness.records.verdict import RunVerdict


def check(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN", help="Run folders.", autocompletion=complete.runs)
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="GUARANTEE",
            help="Check these alone; writes nothing. Repeatable.",
            autocompletion=complete.guarantees,
        ),
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain",
            metavar="GUARANTEE",
            help="Say how it is judged and, of runs, all that was found.",
            autocompletion=complete.guarantees,
        ),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option("--history", metavar="FOLDER", help="Judge a foreign history (docs/history.md)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge saved runs again, and write their verdicts and reports anew."""
    checks = judging.named([*(only or ()), *([explain] if explain else ())])
    explained = judging.named([explain])[0] if explain else None
    if not runs and history is None:
        if explained is None:
            raise UsageError("name a run folder, or a foreign history with --history")
        typer.echo(judging.definition(explained))
        return
    order = _Check(checks=checks, explained=explained, as_json=as_json)
    codes = [code_of(functools.partial(_check_one, RunFolder(path), order)) for path in runs or ()]
    if history is not None:
        codes.append(code_of(functools.partial(_check_foreign, history, order)))
    raise typer.Exit(worst(codes))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Check:
    checks: tuple[str, ...]
    explained: str | None
    as_json: bool


def _check_one(folder: RunFolder, order: _Check) -> int:
    """Judge a run. Only the verdict on all of its checks is kept in the folder."""
    if order.checks:
        verdict = judge_folder(folder, order.checks)
        _say_checked(verdict, folder.path, order)
    else:
        verdict = judging.judge_and_report(folder)
        _say_checked(verdict, folder.report, order)
        github.tell(folder)
    return exit_code(verdict)


def _check_foreign(folder: Path, order: _Check) -> int:
    verdict = judge_foreign(folder, order.checks)
    _say_checked(verdict, folder, order)
    return exit_code(verdict)


def _say_checked(verdict: RunVerdict, where: Path, order: _Check) -> None:
    if order.explained is not None and not order.as_json:
        stdout.print(judging.explanation(verdict, order.explained), soft_wrap=True, markup=False)
        return
    print_verdict(where, verdict, as_json=order.as_json)
