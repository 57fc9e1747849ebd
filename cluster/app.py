"""One node: its parts, put together."""

import logging
from typing import Any

import gevent
from flask import Flask
from flask_socketio import SocketIO

from cluster import log, websocket
from cluster.connections import Connections
from cluster.delivery import Delivery
from cluster.durable import DurableDelivery
from cluster.epochs import Standing
from cluster.events import Events
from cluster.keepalive import Keepalive
from cluster.link import Health
from cluster.outbox import Outbox
from cluster.packets import StrictPacket
from cluster.presence import Presence
from cluster.registry import Registry
from cluster.rest import Rest
from cluster.settings import Settings
from cluster.short_path import ShortPath
from cluster.store import Store

PING_INTERVAL_S = 5
PING_TIMEOUT_S = 5
LINGER_S = 2.0
BUFFER_BYTES = 16 * 1024 * 1024
MAX_FRAME_BYTES = 64 * 1024  # a text of 8 KiB takes up to 48 KiB where JSON escapes every byte
FLUSH_S = 2.0
GOODBYE_S = 2.0


class Node:
    """A chat node. `app` is the WSGI application; `start` begins the work behind it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.health = Health()
        self.app = Flask("cluster", static_folder=None)
        self._store = Store(settings, self.health)
        self._connections = Connections()
        self._registry = Registry(settings, self._store)
        self._standing = Standing(settings, self._registry.alive) if settings.delivery == "durable" else None
        manager = _message_queue(settings)
        self._server: Any = _socketio(self.app, settings, manager).server
        outbox = Outbox(BUFFER_BYTES)
        self._keepalive = Keepalive(interval_s=PING_INTERVAL_S, timeout_s=PING_TIMEOUT_S, linger_s=LINGER_S)
        self._presence = Presence(
            settings,
            self._store,
            self._registry,
            self._connections,
            outbox,
            standing=self._standing,
        )
        self._delivery = self._make_delivery(outbox, manager)
        self._events = Events(
            settings,
            self._server,
            self._connections,
            outbox,
            self._delivery,
            self._presence,
            self._registry,
        )
        self._events.register()
        websocket.use_for(
            self._server.eio,
            outbox=outbox,
            keepalive=self._keepalive,
            short_path=ShortPath(self._events.send_message),
        )
        self._registry.on_beat = self._beat
        rest = Rest(
            settings,
            self.health,
            self._connections,
            self._delivery,
            self._presence,
            self._registry,
            draining=lambda: self._events.draining,
        )
        rest.register(self.app)

    def start(self) -> "tuple[gevent.Greenlet[..., Any], ...]":
        """Start everything that runs in the background; these greenlets end only by a bug."""
        return (
            self._keepalive.start(),
            *self._delivery.start(),
            *self._presence.start(),
            self._registry.start(),
        )

    def stop(self) -> None:
        """Take leave: accept nothing more, finish what was accepted, close every connection."""
        self._events.draining = True
        self._events.tell_all()
        self._delivery.flush(FLUSH_S)
        self._disconnect_all()
        self._presence.flush(FLUSH_S)
        self._registry.retire()

    def _beat(self, leases_changed: bool) -> None:
        self._events.beat(leases_changed)
        self._presence.beat(leases_changed)

    def _disconnect_all(self) -> None:
        connections = self._connections.all()
        goodbyes = [gevent.spawn(self._server.disconnect, c.sid) for c in connections]
        gevent.joinall(goodbyes, timeout=GOODBYE_S)
        log.info("disconnected_all", connections=len(connections))

    def _make_delivery(self, outbox: Outbox, manager: Any) -> Delivery:
        if self._standing is not None:
            return DurableDelivery(
                self.settings,
                self.health,
                self._store,
                self._standing,
                self._connections,
                outbox,
                presence_changed=self._presence.changed,
            )
        from cluster.pubsub import PubSubDelivery

        return PubSubDelivery(
            self.settings,
            self.health,
            self._store,
            self._connections,
            outbox,
            server=self._server,
            manager=manager,
        )


def _message_queue(settings: Settings) -> Any:
    if settings.delivery == "durable":
        return None
    from cluster.pubsub import RecordingRedisManager

    return RecordingRedisManager(
        settings.redis_url,
        memory_messages=settings.memory_messages,
        logger=logging.getLogger("socketio"),
    )


def _socketio(app: Flask, settings: Settings, manager: Any) -> SocketIO:
    origins: Any = list(settings.cors_origins) or None  # None: the node's own origin only
    if "*" in settings.cors_origins:
        origins = "*"
    options = {} if manager is None else {"client_manager": manager}
    socketio = SocketIO(
        app,
        async_mode="gevent",
        serializer=StrictPacket,
        transports=["websocket"],  # needs no sticky sessions
        ping_interval=PING_INTERVAL_S,
        ping_timeout=PING_TIMEOUT_S,
        max_http_buffer_size=MAX_FRAME_BYTES,
        cors_allowed_origins=origins,
        logger=logging.getLogger("socketio"),
        engineio_logger=logging.getLogger("engineio"),
        monitor_clients=False,  # the node's own `Keepalive` does
        **options,
    )
    return socketio
