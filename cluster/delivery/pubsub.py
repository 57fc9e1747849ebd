"""The usual set-up, to be compared with: emit through Flask-SocketIO's Redis `message_queue`.

A message is appended to a list in Redis, emitted by pub/sub, and acknowledged after the emit. There are
no positions and no keys: `epoch` and `seq` are null. Flask-SocketIO has no connection state recovery, so
after a (re)join `message_history` is empty: what was sent while a client was away is not delivered to
it. That is the loss that this variant is here to show; nothing in it is made worse than usual.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import gevent
from redis.exceptions import ResponseError
from socketio import RedisManager

from cluster import log, wire
from cluster.connections import Connection, Connections, Membership
from cluster.delivery.base import Answer, Page, PageRequest
from cluster.protocol import JoinRequest, Refusal, SendRequest
from cluster.settings import Settings
from cluster.storage import keys
from cluster.storage.link import CONNECT_TIMEOUT_S, AnswerLost, Health, NotSent
from cluster.storage.store import Store, unavailable
from cluster.transport.outbox import Outbox
from cluster.wire import Stored

PROBE_S = 0.5
ROOMS_REMEMBERED = 1000


class RecordingRedisManager(RedisManager):  # type: ignore[misc]  # python-socketio ships no types
    """Flask-SocketIO's Redis message queue, which also notes what this node delivers."""

    def __init__(self, url: str, *, memory_messages: int, logger: Any) -> None:
        # Without a read timeout, or a quiet channel would look like a broken one to redis-py 8.
        options = {"socket_timeout": None, "socket_connect_timeout": CONNECT_TIMEOUT_S}
        super().__init__(url, channel="wa:pubsub", logger=logger, redis_options=options)
        self._memory_messages = memory_messages
        self.delivered: OrderedDict[str, deque[str]] = OrderedDict()

    @property
    def listening(self) -> bool:
        """Tell whether the listener has subscribed."""
        return self.pubsub is not None and bool(self.pubsub.subscribed)

    def _handle_emit(self, message: dict[str, Any]) -> None:
        if message["event"] == "message":
            room = message["room"]
            if room not in self.delivered:
                self.delivered[room] = deque(maxlen=self._memory_messages)
                if len(self.delivered) > ROOMS_REMEMBERED:
                    self.delivered.popitem(last=False)
            self.delivered[room].append(wire.dumps(message["data"][0]))
        super()._handle_emit(message)


class PubSubDelivery:
    """See the module's docstring."""

    def __init__(
        self,
        settings: Settings,
        health: Health,
        store: Store,
        connections: Connections,
        outbox: Outbox,
        *,
        server: Any,
        manager: RecordingRedisManager,
    ) -> None:
        self._settings = settings
        self._health = health
        self._store = store
        self._connections = connections
        self._outbox = outbox
        self._server = server
        self._manager = manager

    def start(self) -> "tuple[gevent.Greenlet[..., Any], ...]":
        """Start looking whether Redis answers, and the message queue's listener.

        python-socketio would start the listener with the first client, and miss what others send before.
        """
        self._server.manager_initialized = True
        self._manager.initialize()
        return (gevent.spawn(self._probe),)

    def not_ready(self) -> str | None:
        """Ready: Redis answers, and the message queue listens."""
        if not self._health.up:
            return self._health.reason
        return None if self._manager.listening else "the message queue does not listen yet"

    def join(self, connection: Connection, user: str, request: JoinRequest) -> Answer:
        """Enter the room; the history is always empty."""
        room = request.room
        self._outbox.send(connection, wire.history(room, None, (), recovered=False))
        if connection.open:
            self._server.enter_room(connection.sid, room)
            self._connections.enter(
                Membership(
                    connection=connection,
                    room=room,
                    user=user,
                    joined_at=datetime.now(UTC).timestamp(),
                    epoch=None,
                    position=0,
                )
            )
        return {"ok": True, "room": room, "epoch": None, "seq": None, "recovered": False}

    def leave(self, connection: Connection, room: str) -> Answer:
        """Leave the room."""
        if self._connections.leave(connection, room) is not None:
            self._server.leave_room(connection.sid, room)
        return {"ok": True, "room": room, "epoch": None, "seq": None}

    def send(
        self, connection: Connection, user: str, request: SendRequest, answer: Callable[[Answer], None]
    ) -> None:
        """Append to the history, emit, acknowledge: in a greenlet of its own, as python-socketio does it."""
        gevent.spawn(self._send, user, request, answer)

    def _send(self, user: str, request: SendRequest, answer: Callable[[Answer], None]) -> None:
        try:
            answer(self._sent(user, request))
        except Refusal as refusal:
            answer(refusal.answer())
        except Exception as error:  # noqa: BLE001  # It is logged, and the client is told.
            log.bug("send_failed", error)
            answer(unavailable("the node has failed on this request", definite=False).answer())

    def _sent(self, user: str, request: SendRequest) -> Answer:
        message: dict[str, Any] = {
            "room": request.room,
            "epoch": None,
            "seq": None,
            "producer": request.producer,
            "n": request.n,
            "user": user,
            "text": request.text,
            "sent_at": round(datetime.now(UTC).timestamp(), 3),
            "node": self._settings.server_id,
        }
        if request.reply_to is not None:
            message["reply_to"] = {"epoch": request.reply_to.epoch, "seq": request.reply_to.seq}
        self._append(request.room, wire.dumps(message))
        self._server.emit("message", message, room=request.room)
        keyed = {"producer": request.producer, "n": request.n}
        return {"ok": True, "room": request.room, "epoch": None, "seq": None, "duplicate": False} | keyed

    def left(self, membership: Membership) -> None:
        """Nothing to do: python-socketio empties its rooms itself."""

    def stored(self, request: PageRequest) -> Page:
        """Return messages from the list; positions are places in the list, from 1."""
        key = keys.pubsub_list(request.room)
        length = int(self._store.call("LLEN", key))
        start, end = _window(request, first=1, last=length)
        texts = self._store.call("LRANGE", key, start - 1, end - 2) if start < end else []
        return _page(1, length, start, [text.decode() for text in texts])

    def delivered(self, request: PageRequest) -> Page:
        """Return what this node delivered; positions count from the oldest that is remembered."""
        texts = self._manager.delivered.get(request.room, deque())
        start, end = _window(request, first=1, last=len(texts))
        return _page(1, len(texts), start, list(islice(texts, start - 1, max(start, end) - 1)))

    def rooms(self) -> list[str]:
        """Return the rooms that have a history."""
        return self._store.rooms()

    def heads(self, rooms: list[str]) -> list[int]:
        """Return how many messages rooms have."""
        return [
            int(length) for length in self._store.many([("LLEN", keys.pubsub_list(room)) for room in rooms])
        ]

    def status(self) -> dict[str, Any]:
        """There is nothing to tell."""
        return {}

    def flush(self, timeout_s: float) -> None:
        """Nothing is kept back."""

    def _append(self, room: str, text: str) -> None:
        if not self._health.up:
            raise unavailable(self._health.reason)
        trim = ("LTRIM", keys.pubsub_list(room), -self._settings.room_messages, -1)
        try:
            self._store.link.replies(
                [("RPUSH", keys.pubsub_list(room), text), trim, ("SADD", keys.ROOMS, room)]
            )
        except (NotSent, ResponseError) as error:
            raise unavailable(str(error)) from error
        except AnswerLost as error:
            raise unavailable(str(error), definite=False) from error

    def _probe(self) -> None:
        """Without a tail somebody must notice that Redis is away, or back."""
        while True:
            try:
                self._store.link.call("PING")
            except (NotSent, AnswerLost, ResponseError, Refusal) as error:
                self._health.failed(str(error))
            gevent.sleep(PROBE_S)


def _window(request: PageRequest, *, first: int, last: int) -> tuple[int, int]:
    """Return the positions [start, end) that a request asks for."""
    end = last + 1 if request.before is None else min(request.before, last + 1)
    if request.after is None:
        return max(first, end - request.limit), end
    start = max(first, request.after + 1)
    return start, min(end, start + request.limit)


def _page(first: int, head: int, start: int, texts: list[str]) -> Page:
    messages = tuple(Stored(position, text) for position, text in enumerate(texts, start))
    return Page(epoch=None, epochs=(), first=first if head else None, head=head, messages=messages)
