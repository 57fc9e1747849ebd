"""The reaper: takes the memberships of dead nodes out of the rooms. Every node has one; any will do."""

import time
from collections.abc import Callable
from typing import Literal

from redis.exceptions import ResponseError

from cluster import log
from cluster.members.registry import OUTAGE_MS, STALE_AFTER_MS, Roster
from cluster.settings import Settings
from cluster.storage import keys
from cluster.storage.link import RedisDown
from cluster.storage.resp import Guard
from cluster.storage.store import Store

AT_ONCE = 200  # memberships that one call removes: Redis serves nobody else meanwhile
PATIENCE_S = 0.5  # at one beat; what is left is for the next, or for another node


class Reaper:
    """Reaps after every beat. `guard` returns the log that tells of it, as for `Presence`.

    `reaped` counts memberships, `reaped_nodes` incarnations, as far as this node has removed them.
    """

    def __init__(
        self, settings: Settings, store: Store, *, guard: Callable[[], Guard | Literal[""] | None]
    ) -> None:
        self._settings = settings
        self._store = store
        self._guard = guard
        self.reaped = 0
        self.reaped_nodes = 0

    def reap(self, roster: Roster) -> None:
        """Remove what stale incarnations have left; gives up quietly when Redis goes away."""
        until_s = time.monotonic() + PATIENCE_S
        stale = [lease.incarnation for lease in roster.leases if lease.stale]
        try:
            for incarnation in (*roster.condemned, *stale):
                self._reap(incarnation, until_s)
        except (RedisDown, ResponseError) as error:
            log.debug("reaping_stopped", reason=str(error))

    def _reap(self, incarnation: str, until_s: float) -> None:
        while time.monotonic() < until_s:
            guard = self._guard()
            if guard is None:
                return
            match self._call(guard, incarnation):
                case [b"reaped", int(removed), int(left)]:
                    self.reaped += removed
                    if left == 0:
                        self.reaped_nodes += 1
                        log.info("reaped", incarnation=incarnation, memberships=removed)
                        return
                case _:
                    return  # It holds after all, another node was faster, or the epoch changes: later.

    def _call(self, guard: Guard | str, incarnation: str) -> object:
        shards = range(self._settings.shards)
        names = [
            keys.EPOCH,
            keys.LEASES,
            keys.CONDEMNED,
            keys.PULSE,
            keys.memberships(incarnation),
            *(keys.shard_head(shard) for shard in shards),
            *(keys.shard_log(shard) for shard in shards),
        ]
        return self._store.link.script(
            "reap",
            names,
            guard,
            incarnation,
            STALE_AFTER_MS,
            OUTAGE_MS,
            AT_ONCE,
            self._settings.shard_messages,
            keys.PRESENCE,
            keys.PRESENCE_VERSION,
        )
