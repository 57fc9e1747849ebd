"""`server_info`: tells clients who serves them, whether that node drains, and where the others are."""

from typing import Any

import gevent
from gevent.event import Event

from cluster import wire
from cluster.connections import Connection, Connections
from cluster.members.gate import Gate
from cluster.members.sync import ServerSync
from cluster.protocol import VERSION
from cluster.settings import Settings
from cluster.transport.outbox import Outbox

COALESCE_S = 0.1  # a node that dies or comes changes several things at once
AT_ONCE = 200  # connections between two chances for other greenlets


class ServerInfo:
    """Sends it to each who connects, and to everybody when it has changed. `sent` counts."""

    def __init__(
        self, settings: Settings, connections: Connections, outbox: Outbox, sync: ServerSync, gate: Gate
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._outbox = outbox
        self._sync = sync
        self._gate = gate
        self._changed = Event()
        self._told = ""  # what everybody has
        self.sent = 0

    def start(self) -> "gevent.Greenlet[..., Any]":
        """Start the greenlet that tells everybody; it ends only by a bug."""
        return gevent.spawn(self._run)

    def changed(self) -> None:
        """Tell everybody, soon; does not switch greenlets."""
        self._changed.set()

    def tell(self, connection: Connection) -> None:
        """Tell one; does not switch greenlets."""
        common = self._common()
        if common != self._told:
            self._told = ""  # This one knows it before the others do: even if it goes back, all are told.
        self._send(connection, common)

    def tell_all(self) -> None:
        """Tell everybody, now."""
        common = self._told = self._common()
        for count, connection in enumerate(self._connections.all(), 1):
            self._send(connection, common)
            if count % AT_ONCE == 0:
                gevent.sleep(0)

    def _run(self) -> None:
        while True:
            self._changed.wait()
            gevent.sleep(COALESCE_S)
            self._changed.clear()
            if self._common() != self._told:  # A peer may have flickered, or be the same under another life.
                self.tell_all()

    def _common(self) -> str:
        return wire.dumps(
            {
                "server_id": self._settings.server_id,
                "version": VERSION,
                "draining": self._gate.draining,
                "peers": self._sync.peers(),
            }
        )

    def _send(self, connection: Connection, common: str) -> None:
        own = wire.dumps({"session_id": connection.sid, "producer": connection.producer})
        self._outbox.send(connection, (wire.event("server_info", f"{own[:-1]},{common[1:]}"),))
        self.sent += 1
