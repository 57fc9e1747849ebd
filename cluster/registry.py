"""The registry: which nodes there are, and each node's lease on its users.

Every node stamps itself in Redis every 2 s, by Redis' clock, under an incarnation that is new with each
start. A stamp older than 6 s is stale: the node counts as dead. Stamps that are old because Redis itself
was away tell nothing; for one lease after an outage the last known states hold.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent
from gevent.event import Event

from cluster import keys, log, wire
from cluster.link import Link, RedisDown
from cluster.protocol import Refusal
from cluster.settings import Settings
from cluster.store import Store

BEAT_S = 2.0
SUSPECT_AFTER_MS = 4_000
STALE_AFTER_MS = 6_000
FORGET_AFTER_MS = 600_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """A node as the registry knows it."""

    server_id: str
    url: str
    incarnation: str
    age_ms: int

    @property
    def alive(self) -> bool:
        """Tell whether its lease holds."""
        return self.age_ms < STALE_AFTER_MS

    @property
    def suspect(self) -> bool:
        """Tell whether it has missed a beat."""
        return self.age_ms >= SUSPECT_AFTER_MS

    def state(self) -> str:
        """Return the word for it in `server_info`."""
        return "alive" if self.alive else "dead"


class Registry:
    """Keeps this node's lease and knows the others'."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._server_id = settings.server_id
        self._store = store
        self.incarnation = secrets.token_hex(8)
        self._about = wire.dumps({"url": settings.public_url, "incarnation": self.incarnation})
        self._nodes: dict[str, Peer] = {}
        self._last_beat_s: float | None = None
        self._grace_until_s = 0.0
        self._stop = Event()
        self.lapsed = False  # our own lease was stale: others may have dropped our users
        self.on_beat: Callable[[bool], None] = lambda changed: None  # called after each beat

    def start(self) -> "gevent.Greenlet[..., Any]":
        """Start beating, at once and then every 2 s."""
        return gevent.spawn(self._run)

    def peers(self) -> list[dict[str, str]]:
        """Return the other nodes as `server_info` has them."""
        return [
            {"server_id": peer.server_id, "url": peer.url, "state": peer.state()}
            for peer in sorted(self._nodes.values(), key=lambda peer: peer.server_id)
            if peer.server_id != self._server_id
        ]

    def alive(self) -> frozenset[str]:
        """Return the names of the other nodes whose lease held when Redis last said so."""
        return frozenset(p.server_id for p in self._nodes.values() if p.alive) - {self._server_id}

    def holder(self, server_id: str, incarnation: str) -> Peer | None:
        """Return the node that holds the lease of an incarnation, `None` where nobody does any more."""
        peer = self._nodes.get(server_id)
        if peer is None or peer.incarnation != incarnation or not peer.alive:
            return None
        return peer

    def retire(self) -> None:
        """Stop beating and leave the registry."""
        self._stop.set()
        try:
            self._store.link.script("retire", [keys.NODES], self._server_id, self._about)
        except RedisDown as error:
            log.warning("not_retired", reason=str(error))  # The stamp goes stale by itself.

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._beat(self._store.link)
            except (RedisDown, Refusal) as error:
                log.debug("beat_missed", reason=str(error))
            self._stop.wait(BEAT_S if self._store.health.up else 0.25)

    def _beat(self, link: Link) -> None:
        now_ms, *flat = link.script("beat", [keys.NODES], self._server_id, self._about)
        now_s = time.monotonic()
        if self._last_beat_s is not None and now_s - self._last_beat_s > SUSPECT_AFTER_MS / 1000:
            self._grace_until_s = now_s + STALE_AFTER_MS / 1000
            self.lapsed = True
        self._last_beat_s = now_s
        found = [_peer(i, v, now_ms) for i, v in zip(flat[::2], flat[1::2], strict=True)]
        known = [self._in_grace(peer, now_s) for peer in found if peer.age_ms < FORGET_AFTER_MS]
        before = self._states()
        self._nodes = {peer.server_id: peer for peer in known}
        self.on_beat(self._states() != before)

    def _states(self) -> set[tuple[str, str, str, bool]]:
        return {(p.server_id, p.incarnation, p.state(), p.suspect) for p in self._nodes.values()}

    def _in_grace(self, peer: Peer, now_s: float) -> Peer:
        before = self._nodes.get(peer.server_id)
        if now_s < self._grace_until_s and before is not None and before.alive and not peer.alive:
            return before
        return peer


def _peer(server_id: bytes, value: bytes, now_ms: int) -> Peer:
    stamp, about = value.split(b" ", 1)
    fields = wire.loads(about)
    return Peer(
        server_id=server_id.decode(),
        url=str(fields["url"]),
        incarnation=str(fields["incarnation"]),
        age_ms=max(0, now_ms - int(stamp)),
    )
