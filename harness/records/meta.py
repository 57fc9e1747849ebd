"""`meta.json`: where, when and with what a run was made."""

from dataclasses import dataclass, field
from datetime import datetime

FOREIGN = "foreign"  # the backend of a history that was recorded elsewhere: nobody watched any member


@dataclass(frozen=True, kw_only=True, slots=True)
class Meta:
    """Facts about a run that are not in its plan.

    `*_ns` are stamps of the machine's monotonic clock, comparable with the history's and the journals'.
    A field that the run did not reach is `None`; `aborted` then says why the run ended early.
    """

    schema: int = 1
    run_id: str  # 8 hexadecimal digits; the suffix of every room and user name on the wire
    backend: str  # "process" | "docker" | "foreign"
    backend_reason: str  # why this backend, in one line
    command: str  # to run it again
    began: datetime  # UTC
    began_ns: int
    load_began_ns: int | None = None  # time zero of the plan
    recovery_began_ns: int | None = None  # later than planned where a heal took its time
    load_ended_ns: int | None = None
    ended_ns: int | None = None
    aborted: str | None = None
    versions: dict[str, str] = field(default_factory=dict)  # wordaround, python, redis, docker, …
    machine: dict[str, str] = field(default_factory=dict)  # system, cores, memory
