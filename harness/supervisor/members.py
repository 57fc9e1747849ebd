"""What can be asked of a cluster's members, and done to them, by whoever has the token."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from harness import clock
from harness.backends.base import Backend
from harness.errors import UsageError
from harness.records.codec import dump_json
from harness.records.journal import MemberEntry
from harness.supervisor.records import MemberStatus
from harness.watch import MemberWatch

ACTIONS = ("kill", "restart", "pause", "resume")


class Members:
    """The members of one cluster; safe to use from several threads."""

    def __init__(self, backend: Backend, watch: MemberWatch) -> None:
        self._backend = backend
        self._watch = watch

    def statuses(self) -> tuple[MemberStatus, ...]:
        """Look at every member, now. Empty as long as none was started."""
        self._watch.sample()
        urls = {member.name: member.url for member in self._backend.members()}
        return tuple(_status(entry, urls[entry.member]) for entry in self._watch.newest.values())

    def act(self, action: str, member: str) -> MemberStatus:
        """Do one of `ACTIONS` to a member; return its status after it.

        Raises:
            UsageError: there is no such action or member.
            HarnessError: the member is in no state for it, or it failed.
        """
        known = [one.name for one in self._backend.members()]
        if member not in known:
            raise UsageError(f"there is no member {member!r}; there are {', '.join(known) or 'none yet'}")
        self._work(action)(member)
        return next(status for status in self.statuses() if status.name == member)

    def _work(self, action: str) -> Callable[[str], None]:
        if action not in ACTIONS:
            raise UsageError(f"there is no action {action!r}; there are {', '.join(ACTIONS)}")
        work: Callable[[str], None] = getattr(self._backend, action)
        return work


def plain(record: object) -> dict[str, Any]:
    """Return a record as an answer holds it."""
    fields: dict[str, Any] = json.loads(dump_json(record, indent=None))
    return fields


def _status(entry: MemberEntry, url: str | None) -> MemberStatus:
    age = timedelta(microseconds=(clock.now_ns() - entry.t_ns) // 1000)
    return MemberStatus(
        name=entry.member,
        role=entry.role,
        state=entry.state,
        since=clock.utc_now() - age,
        identity=entry.identity,
        url=url,
    )
