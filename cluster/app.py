"""One node: its parts, put together."""

import logging
from typing import Any, Literal

import gevent
from flask import Flask
from flask_socketio import SocketIO

from cluster.connections import Connections
from cluster.control import Control
from cluster.delivery.base import Delivery
from cluster.delivery.durable import DurableDelivery
from cluster.delivery.epochs import Standing
from cluster.events import Events
from cluster.members.drain import Drain
from cluster.members.gate import Gate
from cluster.members.isolation import Isolation
from cluster.members.presence import Presence
from cluster.members.read_marks import ReadMarks
from cluster.members.reaper import Reaper
from cluster.members.registry import Registry, Roster
from cluster.members.server_info import ServerInfo
from cluster.members.sync import ServerSync
from cluster.members.sync_routes import SyncRoutes
from cluster.members.sync_words import Notice
from cluster.members.typing_notices import TypingNotices
from cluster.members.user_lists import UserLists
from cluster.origins import Origins
from cluster.page import PageFiles
from cluster.parts import Parts
from cluster.rest import Rest
from cluster.settings import Settings
from cluster.storage.link import Health
from cluster.storage.resp import Guard
from cluster.storage.store import Store
from cluster.transport import websocket
from cluster.transport.keepalive import Keepalive
from cluster.transport.outbox import Outbox
from cluster.transport.packets import StrictPacket
from cluster.transport.short_path import ShortPath

PING_INTERVAL_S = 2  # with the timeout: how long silence is borne (docs/decisions/0012-silence.md)
PING_TIMEOUT_S = 2
GREETING_S = 15.0
LINGER_S = 10.0  # a slow reader has to read up to the reason for which it is disconnected
MAX_FRAME_BYTES = 64 * 1024  # a text of 8 KiB takes up to 48 KiB where JSON escapes every byte


class Node:
    """A chat node. `app` is the WSGI application; `start` begins the work behind it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.health = Health()
        self.app = Flask("cluster", static_folder=None)
        self._store = Store(settings, self.health)
        self._connections = Connections()
        self._gate = Gate()
        manager = _message_queue(settings)
        self._origins = Origins(settings)
        self._server: Any = _socketio(self.app, settings, self._origins, manager).server
        self._outbox = Outbox(settings.buffer_bytes)
        self._keepalive = Keepalive(
            interval_s=PING_INTERVAL_S, timeout_s=PING_TIMEOUT_S, linger_s=LINGER_S, greeting_s=GREETING_S
        )
        self._set_up_members()
        self._delivery = self._make_delivery(self._outbox, manager)
        self._set_up_drain()
        self._set_up_interfaces()

    def start(self) -> "tuple[gevent.Greenlet[..., Any], ...]":
        """Start everything that runs in the background; these greenlets end only by a bug."""
        return (
            self._keepalive.start(),
            *self._delivery.start(),
            self._presence.start(),
            self._user_lists.start(),
            self._read_marks.start(),
            self._sync.start(),
            self._server_info.start(),
            self._isolation.start(),
            self._registry.start(),
        )

    def stop(self) -> None:
        """Take leave: accept nothing more, finish what was accepted, close every connection."""
        self._drain.leave()

    def _set_up_members(self) -> None:
        """Everything that knows of nodes and users."""
        settings, store = self.settings, self._store
        self._registry = Registry(settings, self.health)
        self._sync = ServerSync(settings, self.health, self._registry)
        durable = settings.delivery == "durable"
        self._standing = Standing(settings, self._sync.not_known_dead) if durable else None
        self._server_info = ServerInfo(settings, self._connections, self._outbox, self._sync, self._gate)
        self._user_lists = UserLists(store, self._connections, self._outbox)
        self._presence = Presence(
            settings,
            store,
            self._registry,
            self._connections,
            guard=self._guard,
            changed=self._user_lists.changed,
        )
        self._reaper = Reaper(settings, store, guard=self._guard)
        self._typing = TypingNotices(self._connections, self._outbox, self._sync)
        self._read_marks = ReadMarks(store, self._connections, self._outbox, self._sync)
        self._registry.draining = self._sync.draining = lambda: self._gate.draining
        self._registry.on_beat = self._on_beat
        self._registry.on_new_incarnation = self._presence.register_all
        self._sync.on_change = self._on_peers_changed
        self._sync.on_notice = self._on_notice

    def _set_up_drain(self) -> None:
        self._drain = Drain(
            self.settings,
            self._connections,
            self._gate,
            self._delivery,
            self._presence,
            self._registry,
            self._sync,
            self._server_info,
            all_closed=lambda: not self._server.eio.sockets,
        )
        self._isolation = Isolation(
            self.health, self._gate, self._delivery, self._sync, self._drain, self._server_info
        )

    def _set_up_interfaces(self) -> None:
        events = Events(
            self.settings,
            self._server,
            self._connections,
            self._delivery,
            self._gate,
            self._presence,
            self._user_lists,
            self._server_info,
            self._typing,
            self._read_marks,
        )
        events.register()
        websocket.use_for(
            self._server.eio,
            outbox=self._outbox,
            keepalive=self._keepalive,
            short_path=ShortPath(events.send_message),
        )
        sync_routes = SyncRoutes(self._sync)
        rest = Rest(
            self.settings,
            self.health,
            self._connections,
            self._delivery,
            self._gate,
            self._user_lists,
            self._registry,
            self._sync,
            self._read_marks,
            Parts(
                health=self.health,
                connections=self._connections,
                outbox=self._outbox,
                delivery=self._delivery,
                gate=self._gate,
                sync=self._sync,
                sync_routes=sync_routes,
                user_lists=self._user_lists,
                reaper=self._reaper,
            ),
        )
        rest.register(self.app)
        PageFiles(self._origins.of_nodes).register(self.app)
        Control(self.settings).register(self.app)  # Before what adds CORS headers: it takes them off last.
        self._origins.register(self.app)
        sync_routes.register(self.app)

    def _guard(self) -> Guard | Literal[""] | None:
        """Return the log that carries presence; '' without a log, `None` before it is known."""
        return "" if self._standing is None else self._standing.guard

    def _on_beat(self, roster: Roster) -> None:
        self._sync.learn(roster)
        self._presence.beat()
        self._judge_users()
        self._reaper.reap(roster)
        if self.settings.delivery != "durable":
            self._user_lists.all_changed()  # Without a log nobody tells of changes: look.

    def _on_peers_changed(self) -> None:
        self._origins.learn(peer["url"] for peer in self._sync.peers())
        self._server_info.changed()
        self._judge_users()

    def _on_notice(self, sender: str, notice: Notice) -> None:
        self._typing.noticed(notice)
        self._read_marks.noticed(notice)

    def _judge_users(self) -> None:
        """A user is lost while the node's lease is late, or its server silent; see `user_lists.py`."""
        others = [x for x in self._registry.roster.leases if x.incarnation != self._registry.incarnation]
        lost = {x.incarnation for x in others if x.late or self._sync.is_lost(x.server_id, x.incarnation)}
        self._user_lists.judge(frozenset(lost.union(self._registry.roster.condemned)))

    def _make_delivery(self, outbox: Outbox, manager: Any) -> Delivery:
        if self._standing is not None:
            return DurableDelivery(
                self.settings,
                self.health,
                self._store,
                self._standing,
                self._connections,
                outbox,
                presence_changed=self._user_lists.changed,
            )
        from cluster.delivery.pubsub import PubSubDelivery

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
    from cluster.delivery.pubsub import RecordingRedisManager

    return RecordingRedisManager(
        settings.redis_url,
        memory_messages=settings.memory_messages,
        logger=logging.getLogger("socketio"),
    )


def _socketio(app: Flask, settings: Settings, origins: Origins, manager: Any) -> SocketIO:
    options = {} if manager is None else {"client_manager": manager}
    socketio = SocketIO(
        app,
        async_mode="gevent",
        serializer=StrictPacket,
        transports=["websocket"],  # needs no sticky sessions
        ping_interval=PING_INTERVAL_S,
        ping_timeout=PING_TIMEOUT_S,
        max_http_buffer_size=MAX_FRAME_BYTES,
        cors_allowed_origins=origins.allows,
        logger=logging.getLogger("socketio"),
        engineio_logger=logging.getLogger("engineio"),
        monitor_clients=False,  # the node's own `Keepalive` does
        **options,
    )
    return socketio
