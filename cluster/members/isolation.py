"""Isolation: a node that alone has lost Redis moves its clients to peers that have not.

Its clients would be well connected to a node that can do nothing for them. Peers tell in every heartbeat how
they stand with Redis; when it has answered one of them for 2 s, all that time, in which it did not answer us,
it is we who are cut off; what we slept through does not count. When nobody has it, clients stay: there is no
better place. `peers.py` has the rule.

When Redis is back for a second the node is in service again. Whether its users are still in the lists is
not decided here, but by its lease.
"""

import time
from typing import Any

import gevent

from cluster import log
from cluster.delivery.base import Delivery
from cluster.members.drain import Drain
from cluster.members.gate import Gate
from cluster.members.server_info import ServerInfo
from cluster.members.sync import ServerSync
from cluster.storage.link import Health

ALONE_S = 2.0
BACK_S = 1.0
LOOK_S = 0.25
SPREAD_LEAST_S = 0.25  # Who stays gets nothing done here: no more time than the peers need to take them in.
STALL_S = 0.5  # so late, something has kept the whole process from running: it could hear nobody


class Isolation:
    """Watches over the way to Redis. `times` counts how often it was lost alone."""

    def __init__(
        self,
        health: Health,
        gate: Gate,
        delivery: Delivery,
        sync: ServerSync,
        drain: Drain,
        server_info: ServerInfo,
    ) -> None:
        self._health = health
        self._gate = gate
        self._delivery = delivery
        self._sync = sync
        self._drain = drain
        self._server_info = server_info
        self._running_since_s = time.monotonic()
        self.times = 0

    def start(self) -> "gevent.Greenlet[..., Any]":
        """Start watching; the greenlet ends only by a bug."""
        return gevent.spawn(self._run)

    def _run(self) -> None:
        looked_s = time.monotonic()
        while True:
            gevent.sleep(LOOK_S)  # There is no event for something that does not happen.
            if time.monotonic() - looked_s > LOOK_S + STALL_S:
                self._running_since_s = time.monotonic()
            looked_s = time.monotonic()
            if not self._gate.draining and self._is_alone():
                self._be_alone()
                looked_s = time.monotonic()

    def _is_alone(self) -> bool:
        return self._sync.alone_without_redis(ALONE_S, since_s=self._running_since_s)

    def _be_alone(self) -> None:
        self.times += 1
        reason = "this node cannot reach the store"
        self._drain.begin(reason)
        self._drain.move_clients(
            lambda: self._gate.reason == reason and not self._is_back(), least_s=SPREAD_LEAST_S
        )
        while not self._is_back():
            gevent.sleep(LOOK_S)
        if self._gate.reason == reason:  # Else it was told to leave meanwhile.
            log.info("in_service_again")
            self._gate.open()
            self._server_info.changed()

    def _is_back(self) -> bool:
        up_s = time.monotonic() - self._health.up_since_s
        return self._health.up and up_s >= BACK_S and self._delivery.not_ready() is None
