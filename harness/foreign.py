"""Judging a history that was recorded elsewhere, in the documented format (`docs/history.md`).

The folder has a manifest, `history.json`, and the history itself: files `NAME.events` with `NAME.strings`, or
`NAME.jsonl`. There are no faults, no members and no measure of the generator: what is said of those is n/a.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from harness.errors import UsageError
from harness.judge.judgement import judge
from harness.records.codec import read_json
from harness.records.guarantees import GUARANTEES
from harness.records.history import HistoryFile, read_history
from harness.records.jsonl import NotHistory, read_lines
from harness.records.meta import FOREIGN, Meta
from harness.records.plan import BotPlan, ClusterPlan, Expectation, Limits, PhasePlan, Plan
from harness.records.verdict import RunVerdict

MANIFEST = "history.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignBot:
    """A client: its ordinal in the history, its logical name, its rooms."""

    ordinal: int
    name: str
    rooms: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """`history.json`: what a history does not say of itself. Names are logical, without the run's id."""

    schema: Literal[1]
    run_id: str  # 8 hexadecimal digits
    delivery: Literal["durable", "pubsub"]
    rooms: tuple[str, ...]
    nodes: tuple[str, ...]  # those that were alive at the end and were read
    bots: tuple[ForeignBot, ...]
    load_began_ns: int
    load_ended_ns: int
    name: str = "foreign"
    retention: int | None = None
    limits: Limits = field(default_factory=Limits)


def judge_foreign(folder: Path, checks: tuple[str, ...] = ()) -> RunVerdict:
    """Judge a foreign history; `checks`: only these guarantees.

    Raises:
        UsageError: the folder does not hold what it must; the message says what.
    """
    manifest = _manifest(folder)
    histories = _histories(folder)
    return judge(
        plan=_plan(manifest, checks or tuple(GUARANTEES), named=bool(checks)),
        meta=_meta(manifest, folder),
        histories=histories,
        faults=(),
        members=(),
    )


def _manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; give one with {MANIFEST} and the history's files")
    try:
        return read_json(Manifest, path)
    except FileNotFoundError as error:
        raise UsageError(f"{path} is missing: it says who took part (docs/history.md)") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(f"{path}: {where}: {first['msg']}") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


def _histories(folder: Path) -> tuple[HistoryFile, ...]:
    try:
        found = [*read_history(folder), *(_jsonl(path) for path in sorted(folder.glob("*.jsonl")))]
    except (NotHistory, OSError, ValueError) as error:
        raise UsageError(str(error)) from error
    if not found:
        raise UsageError(f"{folder} has no history: neither NAME.events with NAME.strings, nor NAME.jsonl")
    return tuple(found)


def _jsonl(path: Path) -> HistoryFile:
    with path.open(encoding="utf-8") as text:
        return read_lines(path.stem, text)


def _plan(manifest: Manifest, checks: tuple[str, ...], *, named: bool) -> Plan:
    nodes = manifest.nodes or ("node",)
    return Plan(
        scenario=manifest.name,
        description="A history that was recorded elsewhere.",
        seed=0,
        cluster=ClusterPlan(
            nodes=manifest.nodes,
            delivery=manifest.delivery,
            appendfsync="always",
            retention=manifest.retention,
        ),
        rooms=manifest.rooms,
        bots=tuple(
            BotPlan(
                ordinal=bot.ordinal,
                name=bot.name,
                rooms=bot.rooms,
                first_node=nodes[0],
                start_at_s=0.0,
                messages_per_second=0.0,
                seed=0,
            )
            for bot in manifest.bots
        ),
        messages_per_second=0.0,
        phases=(PhasePlan(name="steady", start_s=0.0, end_s=0.0),),
        faults=(),
        checks=checks,
        checks_named=named,
        limits=manifest.limits,
        expect=Expectation(),
    )


def _meta(manifest: Manifest, folder: Path) -> Meta:
    return Meta(
        run_id=manifest.run_id,
        backend=FOREIGN,
        backend_reason="the history was recorded elsewhere",
        command=f"wordaround check --history {folder}",
        began=datetime(1970, 1, 1, tzinfo=UTC),
        began_ns=manifest.load_began_ns,
        load_began_ns=manifest.load_began_ns,
        load_ended_ns=manifest.load_ended_ns,
        ended_ns=manifest.load_ended_ns,
    )
