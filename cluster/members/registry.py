"""The registry: which nodes there are, and each node's lease on its users.

**Leases.** A node that starts takes a lease under a new name, its *incarnation*, and stamps it every 2 s.
The stamps are written and judged by scripts, with Redis' clock alone: no node's clock matters. A lease is
*late* after 4 s and *stale* after 6 s; a stale one is reaped (see `reaper.py`) by whichever node sees it
first. A stamp is stored and does not expire: an expiry would go on while Redis, or the way to it, is away,
and end everybody's lease at once; and nobody would know which users to remove.

**After an outage nobody is reaped for one lease.** While Redis is away nobody can stamp, so old stamps prove
nothing. Every beat, of any node, also stamps a common *pulse*. When a beat finds the pulse older than 3 s (or
ahead: the clock was set back), nobody had reached Redis for so long, and it notes the moment in `since`. A
lease's age counts from the later of its stamp and `since`; so a node has 6 s from the end of the outage, too.
Both are in Redis and are read by the script that reaps, which refuses when it runs before the first beat; so
this holds whoever comes first, even a node that has just started, and over a restart of Redis.

**A reaped node that lives** (it was stopped, or cut off) sees at its next beat that its lease is gone. It
takes a new incarnation, and presence registers its live connections again. It does so as well when presence
finds itself in another epoch (`renew`).
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import gevent
from gevent.event import Event
from redis.exceptions import ResponseError

from cluster import log, wire
from cluster.settings import Settings
from cluster.storage import keys
from cluster.storage.link import Health, Link, RedisDown

BEAT_S = 2.0
BEAT_WITHOUT_REDIS_S = 0.25
BEAT_TIMEOUT_S = 1.5
SOONEST_S = 0.2
LATE_AFTER_MS = 4_000
STALE_AFTER_MS = 6_000
OUTAGE_MS = 3_000  # above the beat; with it the oldest stamp of a living node is still not stale
FORGET_AFTER_MS = 600_000


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeRecord:
    """A node as it has described itself; `age_ms` since it did."""

    server_id: str
    url: str
    sync_url: str
    incarnation: str
    draining: bool
    age_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """An incarnation's lease; `age_ms` since the later of its stamp and the last outage's end."""

    incarnation: str
    server_id: str
    stamp_ms: int
    age_ms: int

    @property
    def late(self) -> bool:
        """Tell whether it has missed a beat."""
        return self.age_ms >= LATE_AFTER_MS

    @property
    def stale(self) -> bool:
        """Tell whether it may be reaped."""
        return self.age_ms >= STALE_AFTER_MS


@dataclass(frozen=True, kw_only=True, slots=True)
class Roster:
    """What one beat has read."""

    nodes: tuple[NodeRecord, ...]
    leases: tuple[Lease, ...]
    condemned: tuple[str, ...]  # incarnations that somebody has begun to reap


class Registry:
    """Keeps this node's lease and reads the others'. `beats` and `beats_missed` count."""

    def __init__(self, settings: Settings, health: Health) -> None:
        self._settings = settings
        self._health = health
        self._link = Link(settings.redis_url, health, timeout_s=BEAT_TIMEOUT_S, connections=1)
        self._proposal = "" if settings.secret else secrets.token_hex(32)
        self._secrets: tuple[bytes, ...] = (settings.secret.encode(),) if settings.secret else ()
        self._held = False
        self._soon = Event()
        self._stopped = False
        self._told_of_namesakes = False
        self._namesakes: dict[str, int] = {}  # others' incarnations under our name -> their last stamp
        self._redis_ahead_ms: int | None = None  # of this process' monotonic clock
        self.incarnation = secrets.token_hex(8)
        self.roster = Roster(nodes=(), leases=(), condemned=())
        self.draining: Callable[[], bool] = lambda: False
        self.on_beat: Callable[[Roster], None] = lambda roster: None
        self.on_new_incarnation: Callable[[], None] = lambda: None
        self.beats = 0
        self.beats_missed = 0

    def start(self) -> "gevent.Greenlet[..., Any]":
        """Start beating, at once and then every 2 s."""
        return gevent.spawn(self._run)

    def beat_soon(self) -> None:
        """Beat without waiting for the time to come; does not switch greenlets."""
        self._soon.set()

    def secrets(self) -> tuple[bytes, ...]:
        """Return the cluster's secret, and the one before it where it has just changed; the first signs."""
        return self._secrets

    def clock_ms(self) -> int:
        """Return the cluster's time, which is Redis'; this machine's own until Redis was reached once."""
        if self._redis_ahead_ms is None:
            return int(datetime.now(UTC).timestamp() * 1000)
        return _monotonic_ms() + self._redis_ahead_ms

    def renew(self, why: str) -> None:
        """Go on under a new incarnation and let the old one's lease go stale; does not switch greenlets."""
        log.info("incarnation_renewed", incarnation=self.incarnation, reason=why)
        self._begin_anew()

    def retire(self, timeout_s: float = BEAT_TIMEOUT_S) -> None:
        """Stop beating, give the lease back and leave the registry, if Redis answers in time."""
        self._stopped = True
        self._soon.set()
        names = [keys.NODES, keys.LEASES, keys.CONDEMNED, keys.memberships(self.incarnation)]
        try:
            with gevent.Timeout(timeout_s, RedisDown(f"no answer within {timeout_s:.1f} s")):
                left = self._link.script("retire", names, self._settings.server_id, self.incarnation)
        except (RedisDown, ResponseError) as error:
            log.warning("not_retired", reason=str(error))  # The lease goes stale by itself.
        else:
            log.info("retired", memberships_left=left)

    def _run(self) -> None:
        while not self._stopped:
            self._soon.clear()
            try:
                self._beat()
            except (RedisDown, ResponseError) as error:
                self.beats_missed += 1
                log.debug("beat_missed", reason=str(error))
            self._soon.wait(self._pause_s())

    def _pause_s(self) -> float:
        """Return the time to the next beat: sooner where somebody's lease is about to end."""
        if not self._health.up:
            return BEAT_WITHOUT_REDIS_S
        turns = [at - lease.age_ms for lease in self.roster.leases for at in (LATE_AFTER_MS, STALE_AFTER_MS)]
        soonest_s = min((turn / 1000 for turn in turns if turn > 0), default=BEAT_S)
        return max(SOONEST_S, min(BEAT_S, soonest_s + 0.01))

    def _beat(self) -> None:
        flag, now_ms, since_ms, secret, nodes, leases, condemned = self._exchange("" if self._held else "new")
        self.beats += 1
        self._redis_ahead_ms = now_ms - _monotonic_ms()
        self._take_secret(secret)
        if flag == b"gone":
            log.warning("reaped_alive", incarnation=self.incarnation)
            self._begin_anew()
            return
        self._held = True
        self.roster = Roster(
            nodes=tuple(_node(i, v, now_ms) for i, v in _pairs(nodes)),
            leases=tuple(_lease(i, v, now_ms, since_ms) for i, v in _pairs(leases)),
            condemned=tuple(incarnation.decode() for incarnation in condemned),
        )
        self._look_for_namesakes()
        self.on_beat(self.roster)

    def _look_for_namesakes(self) -> None:
        """Tell when a lease under our name is stamped, but not by us: users would be called lost in turns."""
        others = {
            lease.incarnation: lease.stamp_ms
            for lease in self.roster.leases
            if lease.server_id == self._settings.server_id and lease.incarnation != self.incarnation
        }
        beating = [i for i, stamp_ms in others.items() if stamp_ms > self._namesakes.get(i, stamp_ms)]
        if beating and not self._told_of_namesakes:
            log.error(
                "server_id_taken",
                problem=f"another node is called {self._settings.server_id}, too: "
                "give each node of a cluster a WORDAROUND_SERVER_ID of its own",
                incarnation=beating[0],
            )
        self._told_of_namesakes = bool(beating)
        self._namesakes = others

    def _exchange(self, take: str) -> Any:
        names = [keys.NODES, keys.LEASES, keys.CONDEMNED, keys.PULSE, keys.SECRET]
        return self._link.script(
            "beat",
            names,
            self._settings.server_id,
            self.incarnation,
            self._about(),
            take,
            OUTAGE_MS,
            FORGET_AFTER_MS,
            self._proposal,
        )

    def _begin_anew(self) -> None:
        self.incarnation = secrets.token_hex(8)
        self._held = False
        self._soon.set()
        self.on_new_incarnation()

    def _take_secret(self, secret: bytes) -> None:
        if self._proposal and secret and secret not in self._secrets[:1]:
            self._secrets = (secret, *self._secrets[:1])

    def _about(self) -> str:
        return wire.dumps(
            {
                "url": self._settings.public_url,
                "sync_url": self._settings.sync_url,
                "incarnation": self.incarnation,
                "draining": self.draining(),
            }
        )


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _pairs(flat: list[bytes]) -> "zip[tuple[bytes, bytes]]":
    return zip(flat[::2], flat[1::2], strict=True)


def _node(server_id: bytes, value: bytes, now_ms: int) -> NodeRecord:
    stamp, about = value.split(b" ", 1)
    fields = wire.loads(about)
    return NodeRecord(
        server_id=server_id.decode(),
        url=str(fields["url"]),
        sync_url=str(fields.get("sync_url", fields["url"])),
        incarnation=str(fields["incarnation"]),
        draining=bool(fields.get("draining", False)),
        age_ms=max(0, now_ms - int(stamp)),
    )


def _lease(incarnation: bytes, value: bytes, now_ms: int, since_ms: int) -> Lease:
    stamp, server_id = value.split(b" ", 1)
    stamp_ms = int(stamp) if int(stamp) <= now_ms else 0  # as the reaping script has it
    return Lease(
        incarnation=incarnation.decode(),
        server_id=server_id.decode(),
        stamp_ms=int(stamp),
        age_ms=now_ms - max(stamp_ms, since_ms),
    )
