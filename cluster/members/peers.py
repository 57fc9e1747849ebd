"""What a node knows of the others, and the state that follows from it. Pure: time is given.

`alive`     it answered a heartbeat, or sent one, within 2.5 s
`suspect`   it has been silent for longer; or it refuses connections, which is known at once
`dead`      silent for 6 s, or refusing for 2 s, and its lease in Redis is late as well
`draining`  it says so, as long as it is heard

Heartbeats come first: they show whether a server serves, every second and without Redis. The registry is the
second source: a node whose lease is fresh is never called dead by somebody who merely cannot reach it.

A refusal counts only while nothing is heard from the node itself: whoever knows it by a wrong address is
refused there, but gets its heartbeats.
"""

from dataclasses import dataclass
from enum import StrEnum

from cluster.members.registry import LATE_AFTER_MS, NodeRecord

HEARTBEAT_S = 1.0
SUSPECT_AFTER_S = 2.5
DEAD_AFTER_S = 6.0
REFUSED_DEAD_AFTER_S = 2.0


class State(StrEnum):
    """What a node thinks of another."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    DEAD = "dead"
    DRAINING = "draining"


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisSeen:
    """How a node stands with Redis, in ms before it said so; `up_ms`: answers without a failure, so far."""

    up: bool
    age_ms: int
    up_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """What a node says of itself, in every heartbeat and every answer."""

    server_id: str
    url: str
    sync_url: str
    incarnation: str
    draining: bool
    redis: RedisSeen


@dataclass(kw_only=True, slots=True, eq=False)
class Peer:
    """Another node. Times are this process' monotonic seconds, `None`: never."""

    server_id: str
    url: str
    sync_url: str
    incarnation: str
    known_s: float
    draining: bool = False
    answered_s: float | None = None  # it answered our heartbeat
    called_s: float | None = None  # its own came
    refused_s: float | None = None  # since when it refuses connections
    stamped_s: float | None = None  # its last beat in the registry
    round_trip_ms: float | None = None
    redis: RedisSeen | None = None
    redis_told_s: float = 0.0

    def heard_s(self) -> float | None:
        """Return when it was last heard, by whatever way."""
        return max((at for at in (self.answered_s, self.called_s) if at is not None), default=None)

    def take(self, word: Word, now_s: float) -> None:
        """Take in what it says of itself."""
        self.url, self.sync_url, self.incarnation = word.url, word.sync_url, word.incarnation
        self.draining = word.draining
        self.redis, self.redis_told_s = word.redis, now_s

    def answered(self, word: Word, *, now_s: float, round_trip_ms: float) -> None:
        """Our heartbeat was answered."""
        self.take(word, now_s)
        self.answered_s, self.refused_s, self.round_trip_ms = now_s, None, round_trip_ms

    def called(self, word: Word, now_s: float) -> None:
        """Its heartbeat came."""
        self.take(word, now_s)
        self.called_s = now_s

    def refused(self, now_s: float) -> None:
        """A connection to it was refused."""
        if self.refused_s is None:
            self.refused_s = now_s

    def registered(self, record: NodeRecord, now_s: float) -> None:
        """The registry tells of it; where it was not heard itself lately, that is what we know."""
        self.stamped_s = now_s - record.age_ms / 1000
        heard_s = self.heard_s()
        if heard_s is None or self.stamped_s > heard_s:
            self.url, self.sync_url = record.url, record.sync_url
            self.incarnation, self.draining = record.incarnation, record.draining

    def state(self, now_s: float) -> State:
        """Return what is to be thought of it."""
        heard_s = self.heard_s()
        silent_s = now_s - (self.known_s if heard_s is None else heard_s)
        refused_s = self._refused_for_s(now_s)
        if self.draining and silent_s < SUSPECT_AFTER_S and refused_s is None:
            return State.DRAINING
        if silent_s < SUSPECT_AFTER_S and refused_s is None:
            return State.ALIVE
        gone = silent_s >= DEAD_AFTER_S or (refused_s is not None and refused_s >= REFUSED_DEAD_AFTER_S)
        return State.DEAD if gone and not self._lease_fresh(now_s) else State.SUSPECT

    def _refused_for_s(self, now_s: float) -> float | None:
        if self.refused_s is None or (self.called_s is not None and self.called_s > self.refused_s):
            return None
        return now_s - self.refused_s

    def _lease_fresh(self, now_s: float) -> bool:
        return self.stamped_s is not None and now_s - self.stamped_s < LATE_AFTER_MS / 1000


def cut_off_alone(peers: "tuple[Peer, ...]", *, answered_s: float, now_s: float, patience_s: float) -> bool:
    """Tell whether Redis has answered others, all the time for `patience_s`, in which it did not answer us.

    `answered_s`: its last answer to us. Only the span counts in which a peer's Redis was up without a break:
    after an outage of all, one node comes back before another.
    """
    return any(_served_meanwhile_s(peer, answered_s, now_s) >= patience_s for peer in peers)


def _served_meanwhile_s(peer: Peer, answered_s: float, now_s: float) -> float:
    seen = peer.redis
    if seen is None or not seen.up or peer.state(now_s) is not State.ALIVE:
        return 0.0
    last_s = peer.redis_told_s - seen.age_ms / 1000
    first_s = peer.redis_told_s - seen.up_ms / 1000
    return last_s - max(first_s, answered_s)
