"""The drain: how a node gives up its clients without any of them seeing an error.

1. It is not ready and refuses joins. Its peers, its clients (`server_info`) and the registry are told; a
   client may go to another node now, by itself.
2. The others are hung up on one after the other, over 2 to 4 s, so that the peers are not stormed. Until its
   turn comes a connection is served as ever. At its turn it may not send any more: what it has sent is
   committed and answered; what it sends now is refused, for a quarter of a second, so that a client in the
   middle of sending hears so; then its transport is closed, behind all that was queued for it. (Not its
   Socket.IO session: see `Session.close`.) So a send is acknowledged, or definitely refused, or was never
   read.
3. A node that leaves then takes no sends at all, waits for commits and for presence to be written, so that
   its users are gone from the lists and not `lost`, gives back its lease, and tells its peers.

Every step has its share of 8.5 s and is cut short when that is over: without Redis, or with a peer that
hangs, a node leaves as well; what it could not tell, its lease going stale will.
"""

import random
import time
from collections.abc import Callable

import gevent

from cluster import log
from cluster.connections import Connection, Connections
from cluster.delivery.base import Delivery
from cluster.members.gate import Gate
from cluster.members.presence import Presence
from cluster.members.registry import Registry
from cluster.members.server_info import ServerInfo
from cluster.members.sync import ServerSync
from cluster.members.sync_words import Notice
from cluster.settings import Settings

LEAVE_S = 8.5
SPREAD_LEAST_S, SPREAD_MOST_S = 2.0, 4.0
MOVE_S = 4.5  # above the most spread; a node that is too busy for it hangs up on the rest together
CONNECTIONS_PER_S = 1000  # above the least spread: what peers can take in
ANSWER_S, COMMIT_S, CLOSE_S, PRESENCE_S, RETIRE_S, PEERS_S = 1.0, 1.0, 1.0, 1.5, 1.0, 1.0
FAREWELL_S = 0.25  # above a round trip
POLL_S = 0.01


class Drain:
    """Moves clients away. `hung_up` counts the connections."""

    def __init__(
        self,
        settings: Settings,
        connections: Connections,
        gate: Gate,
        delivery: Delivery,
        presence: Presence,
        registry: Registry,
        sync: ServerSync,
        server_info: ServerInfo,
        *,
        all_closed: Callable[[], bool],
    ) -> None:
        self._connections = connections
        self._all_closed = all_closed
        self._gate = gate
        self._delivery = delivery
        self._presence = presence
        self._registry = registry
        self._sync = sync
        self._server_info = server_info
        self._random = random.Random(settings.server_id)
        self.hung_up = 0

    def begin(self, reason: str) -> None:
        """Take no joins, and tell everybody."""
        log.info("draining", reason=reason, connections=len(self._connections))
        self._gate.drain(reason)
        self._sync.tell(Notice(type="draining"))
        self._registry.beat_soon()
        self._server_info.tell_all()

    def move_clients(self, still: Callable[[], bool], *, least_s: float = SPREAD_LEAST_S) -> None:
        """Hang up on all who are connected, one after the other, as long as `still` says so.

        `least_s` is the time over which even a few of them are moved.
        """
        connections = list(self._connections.all())
        self._random.shuffle(connections)
        pause_s = spread_s(len(connections), least_s) / max(1, len(connections))
        for connection in connections:
            gevent.sleep(pause_s)
            if not still():
                return
            if connection.open:
                gevent.spawn(self._hang_up, connection)

    def leave(self) -> None:
        """Give up everything; takes at most `LEAVE_S`."""
        until_s = time.monotonic() + LEAVE_S

        def share(most_s: float) -> float:
            return max(0.0, min(most_s, until_s - time.monotonic()))

        self.begin("the node is shutting down")
        move_until_s = time.monotonic() + MOVE_S
        self.move_clients(lambda: time.monotonic() < move_until_s)
        self._gate.close()
        self._wait_for(self._nobody_sends, share(ANSWER_S))
        self._delivery.flush(share(COMMIT_S))
        goodbyes = [gevent.spawn(self._hang_up, connection) for connection in self._connections.all()]
        gevent.joinall(goodbyes, timeout=share(ANSWER_S + FAREWELL_S))
        self._wait_for(self._all_closed, share(CLOSE_S))
        self._leave_cluster(share)
        log.info("drained", hung_up=self.hung_up, left_s=round(until_s - time.monotonic(), 1))

    def _leave_cluster(self, share: Callable[[float], float]) -> None:
        if not self._presence.flush(share(PRESENCE_S)):
            log.warning("presence_left_over")
        self._registry.retire(share(RETIRE_S))
        self._sync.tell(Notice(type="left"))
        self._sync.flush(share(PEERS_S))
        self._sync.stop()

    def _hang_up(self, connection: Connection) -> None:
        connection.leaving = True
        self._wait_for(lambda: not connection.sending, ANSWER_S)
        gevent.sleep(FAREWELL_S)  # What is on its way to us is answered meanwhile.
        if connection.open:
            connection.hang_up()
            self.hung_up += 1

    def _nobody_sends(self) -> bool:
        return not any(connection.sending for connection in self._connections.all())

    @staticmethod
    def _wait_for(condition: Callable[[], bool], timeout_s: float) -> None:
        until_s = time.monotonic() + timeout_s
        while not condition() and time.monotonic() < until_s:
            gevent.sleep(POLL_S)  # What it waits for is counted in many places; this is the end of them all.


def spread_s(connections: int, least_s: float = SPREAD_LEAST_S) -> float:
    """Return the time over which so many clients are moved."""
    if connections == 0:
        return 0.0
    return min(SPREAD_MOST_S, least_s + connections / CONNECTIONS_PER_S)
