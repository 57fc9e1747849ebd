"""What a supervisor is told, what it tells, and how it is reached."""

from dataclasses import dataclass
from datetime import datetime

from harness.records.journal import MemberState
from harness.records.plan import ClusterPlan


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What to start."""

    run_id: str  # 8 hexadecimal digits; the cluster's id
    backend: str  # as it was asked for: `auto`, `docker`, `process`
    cluster: ClusterPlan
    command: str  # that gave the order, for people


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """How the supervisor is reached; a file that only its user can read."""

    socket: str  # of the control socket
    url: str  # of the same over HTTP, for `WORDAROUND_CONTROL_URL`
    token: str  # that both want


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberStatus:
    """A member as the supervisor sees it."""

    name: str
    role: str  # "node" | "redis"
    state: MemberState
    since: datetime  # when it was first seen so, within a second
    identity: str  # as in `members.jsonl`; "" when it is down
    url: str | None  # where this machine reaches it


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterStatus:
    """A cluster as its supervisor sees it. `members` is empty as long as nothing of it was started."""

    schema: int = 1
    id: str
    ready: bool  # every member is
    backend: str
    reason: str  # why that backend
    delivery: str
    since: datetime
    supervisor: int  # its process id
    control_url: str
    access: str  # the file with the token
    logs: str  # the folder of the members' logs
    members: tuple[MemberStatus, ...]
