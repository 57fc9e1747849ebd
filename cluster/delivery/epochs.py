"""Which log holds: epochs, the runs of Redis under them, and what a node may still say after a restart.

An *epoch* names one history of the log. Within it a position, once anybody was told of it, means the same
message for ever. A *run* is one life of a Redis process; it has a `run_id`, new with every start. Redis
may come back from a restart with all that it had, or without its end, or empty; only the nodes together
know what there was. So:

1. `wa:epoch` holds "<epoch> <run_id>": the epoch, and the run in which it was last found whole. Whatever
   appends to a shard log carries that as a `Guard`, goes only through a connection to that run, and has
   no effect where the key says otherwise. After a restart nothing is appended until rule 3 is done.
2. A node knows how far it saw each shard log, run by run: what its tail handed on, what it was told was
   committed, what it read for a join. That is all that it can have told to clients.
3. In a new run every node reports by the script `stand`: whether it saw anything that is not in the log
   (`lost`), and for whom it waits. As soon as all have reported for whom anybody waits, or the waiting has
   lasted for a lease, the same script decides, at one moment and therefore once: nothing lost, then the
   epoch goes on in the new run; else it is *sealed* at the surviving end and a new epoch opens, whose
   positions go on behind that end. The script is the lock; no node leads, so none can die leading.
4. When an epoch goes on, the surviving heads are kept (`wa:epoch:runs`). A node that was away compares
   itself with them when it comes back: if it saw more, it opens a new epoch then. It says nothing to
   its clients and appends nothing before that.
5. Where `wa:epoch` is missing (an empty Redis) there is nothing to compare: a new epoch opens.
6. A node that finds another epoch than its own gives its clients a snapshot (`recovered: false`) before
   any message of the new one.

A node that starts has seen nothing. It waits for those that Redis remembers, but shortly: whoever lives is
back at Redis within a second, and where the whole cluster starts anew nobody else will come.

A room notes the first seq that each epoch has in it. So the sealed end of an epoch in a room is one
before the first seq of any later epoch there, or the room's head where nothing came later. A cursor of an
older epoch is resumed like any other unless it lies behind that end.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cluster.settings import Settings
from cluster.storage import keys
from cluster.storage.link import Link
from cluster.storage.resp import RUN_ID, Guard

LEASE_MS = 6_000  # for a node that was seen alive: as long as its lease may hold
FRESH_WAIT_MS = 1_500


class Sightings:
    """The highest place in each shard log that this node saw in one epoch, run by run."""

    def __init__(self, shards: int) -> None:
        self._shards = shards
        self._epoch = ""
        self._by_run: dict[str, list[int]] = {}

    @property
    def epoch(self) -> str:
        """The epoch; empty where nothing was seen yet."""
        return self._epoch

    def enter(self, guard: Guard, positions: Sequence[int]) -> None:
        """Stand at these positions: all that was seen before is in the log, or of an epoch that is over."""
        known = self._by_run.get(guard.run_id) if guard.epoch == self._epoch else None
        self._epoch = guard.epoch
        self._by_run = {guard.run_id: list(map(max, known or positions, positions))}

    def saw(self, guard: Guard, shard: int, k: int) -> None:
        """Something up to `k` was seen; of another epoch it does not matter any more."""
        if guard.epoch == self._epoch:
            seen = self._by_run.setdefault(guard.run_id, [0] * self._shards)
            if k > seen[shard]:
                seen[shard] = k

    def highest(self) -> list[int]:
        """Return the highest place of each shard over all runs; empty where nothing was seen yet."""
        return [max(seen) for seen in zip(*self._by_run.values(), strict=True)]

    def report(self) -> list[str]:
        """Return "<run_id> <k> …" for each run."""
        return [" ".join(map(str, (run_id, *seen))) for run_id, seen in self._by_run.items()]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stands:
    """The log that holds, with the heads of its shards."""

    guard: Guard
    shards: int
    heads: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Waits:
    """Redis is in a new run, and these nodes have not reported yet."""

    absent: tuple[str, ...]


class Standing:
    """Where this node stands. `guard` is `None` while it may neither append nor tell anybody anything."""

    def __init__(self, settings: Settings, expected: Callable[[], frozenset[str]]) -> None:
        """`expected`: the other nodes that may have seen something, as far as is known here."""
        self._server_id = settings.server_id
        self._shards = settings.shards
        self._expected = expected
        self.sightings = Sightings(settings.shards)
        self.guard: Guard | None = None
        self.reason = "the tail has not begun yet"

    def ask(self, link: Link) -> Stands | Waits:
        """Report, and learn which log holds; raises `RedisDown` and `ResponseError`."""
        heads = (keys.shard_head(shard) for shard in range(self._shards))
        names = [keys.EPOCH, keys.SHARDS, keys.EPOCHS, keys.RUNS, keys.REPORTS, keys.NODES, *heads]
        seen = self.sightings
        flag, *answer = link.script(
            "stand",
            names,
            RUN_ID,
            self._server_id,
            secrets.token_hex(8),
            self._shards,
            LEASE_MS if seen.epoch else FRESH_WAIT_MS,
            " ".join(sorted(self._expected() - {self._server_id})),
            seen.epoch,
            *seen.report(),
        )
        if flag == b"waits":
            return Waits(absent=tuple(name.decode() for name in answer))
        epoch, run_id, shards, *heads_found = answer
        guard = Guard(epoch.decode(), run_id.decode())
        return Stands(guard=guard, shards=shards, heads=tuple(heads_found))

    def enter(self, guard: Guard, positions: Sequence[int]) -> None:
        """Speak for this log from now on, having seen it up to these positions."""
        self.sightings.enter(guard, positions)
        self.guard, self.reason = guard, ""

    def doubt(self, reason: str) -> None:
        """Speak for no log until `enter`."""
        self.guard, self.reason = None, reason
