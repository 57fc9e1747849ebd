"""ServerSync: servers tell each other, directly, that they are there, and what need not be remembered.

Every node calls every other once a second (`caller.py`), by the URLs that the registry in Redis names and by
those in its settings; an answer is as good as a call. What follows for a peer's state is in `peers.py`.

**It decides nothing about membership**: that is the lease's alone. It tells clients where to go, makes users
of a dead server `lost` before their lease is, and lets a node see that it alone is cut off from Redis.
"""

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from gevent.event import Event

from cluster import log
from cluster.members.caller import Caller, Tally
from cluster.members.peers import Peer, RedisSeen, State, Word, cut_off_alone
from cluster.members.registry import NodeRecord, Registry, Roster
from cluster.members.signatures import Signatures
from cluster.members.sync_words import Notice
from cluster.settings import Settings
from cluster.storage.link import Health

JUDGE_S = 0.25
FORGET_AFTER_S = 10.0
LEFT_REMEMBERED = 64


class ServerSync:
    """Knows the other servers. No method but `start` and `flush` switches greenlets; `tally` counts."""

    def __init__(self, settings: Settings, health: Health, registry: Registry) -> None:
        self._settings = settings
        self._health = health
        self._registry = registry
        self.signatures = Signatures(settings.server_id, secrets=registry.secrets, clock_ms=registry.clock_ms)
        self._peers: dict[str, Peer] = {}
        self._callers: dict[str, Caller] = {}
        self._random = random.Random(settings.server_id)
        self._judged: tuple[object, ...] = ()
        self._left: deque[str] = deque(maxlen=LEFT_REMEMBERED)  # incarnations that said goodbye
        self._look = Event()
        self.draining: Callable[[], bool] = lambda: False
        self.on_change: Callable[[], None] = lambda: None
        self.on_notice: Callable[[str, Notice], None] = lambda sender, notice: None
        self.tally = Tally()

    def start(self) -> "gevent.Greenlet[..., Any]":
        """Start calling peers and judging them; the greenlet ends only by a bug."""
        return gevent.spawn(self._run)

    # What is known

    def peers(self) -> list[dict[str, str]]:
        """Return the other nodes as `server_info` has them, by name."""
        now_s = time.monotonic()
        return [
            {"server_id": peer.server_id, "url": peer.url, "state": peer.state(now_s).value}
            for peer in self._sorted()
        ]

    def details(self) -> list[dict[str, Any]]:
        """Return the other nodes as `/peers` has them; `last_seen_ms` ago, by this node itself."""
        now_s = time.monotonic()
        return [
            {
                "server_id": peer.server_id,
                "url": peer.url,
                "state": peer.state(now_s).value,
                "round_trip_ms": peer.round_trip_ms,
                "last_seen_ms": None if (at := peer.heard_s()) is None else round((now_s - at) * 1000),
            }
            for peer in self._sorted()
        ]

    def states(self) -> dict[str, int]:
        """Return how many peers are in each state."""
        now_s = time.monotonic()
        counts = Counter(peer.state(now_s) for peer in self._peers.values())
        return {state.value: counts[state] for state in State}

    def not_known_dead(self) -> frozenset[str]:
        """Return the names of all nodes, this one too, except those known to be dead."""
        now_s = time.monotonic()
        others = (peer for peer in self._peers.values() if peer.state(now_s) is not State.DEAD)
        return frozenset({self._settings.server_id, *(peer.server_id for peer in others)})

    def is_lost(self, server_id: str, incarnation: str) -> bool:
        """Tell whether an incarnation serves nobody: its server is silent, or is another one by now."""
        peer = self._peers.get(server_id)
        if peer is None or incarnation == self._registry.incarnation:
            return False
        state = peer.state(time.monotonic())
        return state in (State.SUSPECT, State.DEAD) or peer.incarnation != incarnation

    def alone_without_redis(self, patience_s: float, *, since_s: float) -> bool:
        """Tell whether Redis has not answered us for so long while it answered peers; see `peers.py`.

        What was before `since_s` (monotonic) does not count.
        """
        return cut_off_alone(
            tuple(self._peers.values()),
            answered_s=max(self._health.answered_s, since_s),
            now_s=time.monotonic(),
            patience_s=patience_s,
        )

    # What comes in

    def learn(self, roster: Roster) -> None:
        """Take in what the registry knows; forget who is neither there nor heard."""
        now_s = time.monotonic()
        for record in roster.nodes:
            if self._is_other(record):
                self._peer(record, now_s).registered(record, now_s)
        registered = {record.server_id for record in roster.nodes}
        for peer in list(self._peers.values()):
            seen_s = peer.heard_s() or peer.known_s
            if peer.server_id not in registered and now_s - seen_s > FORGET_AFTER_S:
                del self._peers[peer.server_id]
        self._look.set()

    def called(self, word: Word) -> None:
        """A peer's heartbeat or notice has come."""
        if self._is_other(word):
            now_s = time.monotonic()
            if word.server_id not in self._peers:
                self._look.set()
            self._peer(word, now_s).called(word, now_s)

    def noticed(self, word: Word, notice: Notice) -> None:
        """A peer's notice has come, with its word."""
        if not self._is_other(word):
            return  # One of the URLs in the settings is our own; or it has said goodbye already.
        sender = word.server_id
        peer = self._peers.get(sender)
        match notice.type:
            case "draining" if peer is not None:
                peer.draining = True
            case "left" if peer is not None:
                self._left.append(word.incarnation)
                del self._peers[sender]
            case "joined":
                log.info("peer_joined", peer=sender)
        self._look.set()
        self.on_notice(sender, notice)

    def answered(self, word: Word, round_trip_ms: float) -> None:
        """A peer has answered our heartbeat."""
        if self._is_other(word):
            now_s = time.monotonic()
            peer = self._peer(word, now_s)
            was = peer.state(now_s)
            peer.answered(word, now_s=now_s, round_trip_ms=round_trip_ms)
            if peer.state(now_s) is not was:
                self._look.set()

    def refused(self, server_id: str) -> None:
        """Nobody listens where a peer should."""
        peer = self._peers.get(server_id)
        if peer is not None:
            peer.refused(time.monotonic())
            self._look.set()

    # What goes out

    def word(self) -> Word:
        """Return what this node says of itself."""
        now_s, health = time.monotonic(), self._health
        return Word(
            server_id=self._settings.server_id,
            url=self._settings.public_url,
            sync_url=self._settings.sync_url,
            incarnation=self._registry.incarnation,
            draining=self.draining(),
            redis=RedisSeen(
                up=health.up,
                age_ms=round((now_s - health.answered_s) * 1000),
                up_ms=round((now_s - health.up_since_s) * 1000) if health.up else 0,
            ),
        )

    def tell(self, notice: Notice) -> None:
        """Tell all peers that are heard, soon."""
        now_s = time.monotonic()
        heard = (State.ALIVE, State.DRAINING)
        for peer in self._peers.values():
            caller = self._callers.get(peer.sync_url)
            if caller is not None and peer.state(now_s) in heard:
                caller.tell(notice)

    def flush(self, timeout_s: float) -> None:
        """Wait until notices are told, or until the time is over."""
        until_s = time.monotonic() + timeout_s
        while any(caller.busy for caller in self._callers.values()) and time.monotonic() < until_s:
            gevent.sleep(0.01)  # Only a shutdown waits here.

    def stop(self) -> None:
        """Call nobody any more."""
        for caller in self._callers.values():
            caller.stop()

    # How it is done

    def _run(self) -> None:
        while True:
            self._call_all()
            self._judge()
            self._look.wait(JUDGE_S)
            self._look.clear()

    def _judge(self) -> None:
        now_s = time.monotonic()
        judged = tuple((p.server_id, p.url, p.incarnation, p.state(now_s)) for p in self._sorted())
        if judged != self._judged:
            log.info("peers_changed", peers={p.server_id: p.state(now_s).value for p in self._sorted()})
            self._judged = judged
            self.on_change()

    def _call_all(self) -> None:
        """Have a caller for every URL that is a peer's, or that the settings name."""
        urls = {peer.sync_url: peer.server_id for peer in self._peers.values()}
        wanted = {*urls, *self._settings.peers} - {self._settings.sync_url}
        for url in self._callers.keys() - wanted:
            self._callers.pop(url).stop()
        for url in wanted:
            if url not in self._callers:
                pause_s = self._random.uniform(0, 0.1)  # not to all in the same millisecond
                self._callers[url] = Caller(self, url, first_pause_s=pause_s)
            self._callers[url].server_id = urls.get(url) or self._callers[url].server_id
            self._callers[url].resting = url not in urls and self._known_otherwise(url)

    def _known_otherwise(self, url: str) -> bool:
        """Tell whether a URL of the settings leads to us, or to a peer that is alive at its own URL."""
        server_id = self._callers[url].server_id or ""
        if server_id == self._settings.server_id:
            return True
        peer = self._peers.get(server_id)
        return peer is not None and peer.state(time.monotonic()) is State.ALIVE

    def _is_other(self, node: Word | NodeRecord) -> bool:
        return node.server_id != self._settings.server_id and node.incarnation not in self._left

    def _peer(self, node: Word | NodeRecord, now_s: float) -> Peer:
        if node.server_id not in self._peers:
            self._peers[node.server_id] = Peer(
                server_id=node.server_id,
                url=node.url,
                sync_url=node.sync_url,
                incarnation=node.incarnation,
                known_s=now_s,
            )
        return self._peers[node.server_id]

    def _sorted(self) -> Iterable[Peer]:
        return sorted(self._peers.values(), key=lambda peer: peer.server_id)
