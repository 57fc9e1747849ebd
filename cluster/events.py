"""The Socket.IO events of a node: parse, ask the delivery, answer.

Every handler returns what python-socketio queues as the acknowledgement right after it, in the same
greenlet. Whatever a client sends is answered; nothing that it sends ends its connection or the node.
"""

import secrets
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import AsyncResult
from socketio.exceptions import ConnectionRefusedError as SocketIORefusal

from cluster import log
from cluster.connections import Connection, Connections, Membership
from cluster.delivery import Answer, Delivery
from cluster.gate import Gate
from cluster.presence import Presence
from cluster.protocol import (
    Code,
    Refusal,
    SendRequest,
    parse_connect,
    parse_join,
    parse_leave,
    parse_send,
    parse_typing,
)
from cluster.server_info import ServerInfo
from cluster.typing_notices import TypingNotices
from cluster.user_lists import UserLists


class Events:
    """The handlers; `register` gives them to a python-socketio server."""

    def __init__(
        self,
        server: Any,
        connections: Connections,
        delivery: Delivery,
        gate: Gate,
        presence: Presence,
        user_lists: UserLists,
        server_info: ServerInfo,
        typing: TypingNotices,
    ) -> None:
        self._server = server
        self._connections = connections
        self._delivery = delivery
        self._gate = gate
        self._presence = presence
        self._user_lists = user_lists
        self._server_info = server_info
        self._typing = typing

    def register(self) -> None:
        """Begin to handle events."""
        # python-socketio calls these with the session id first, and with whatever the client sent.
        self._server.on("connect", self._on_connect)
        self._server.on("disconnect", self._on_disconnect)
        self._server.on("join", lambda sid, *args: self._answer(sid, self._join, args))
        self._server.on("leave", lambda sid, *args: self._answer(sid, self._leave, args))
        self._server.on("send_message", lambda sid, *args: self._answer(sid, self._send, args))
        self._server.on("typing", lambda sid, *args: self._answer(sid, self._typed, args))
        self._server.on("*", self._on_unknown)

    def _on_connect(self, sid: str, environ: object = None, auth: object = None) -> Answer | None:
        if self._connections.get(sid) is not None:
            return _no_event("connect")  # A client emitted an event of this name.
        try:
            request = parse_connect(auth)
        except Refusal as refusal:
            raise SocketIORefusal(refusal.message, {"code": refusal.code.value}) from refusal
        session = self._server.eio.sockets[self._server.manager.eio_sid_from_sid(sid, "/")]
        connection = Connection(
            sid=sid,
            eio_sid=session.sid,
            outlet=session.outlet,
            hang_up=session.close,
            user=request.user,
            producer=secrets.token_hex(8),
        )
        self._connections.add(connection)
        session.chat = connection
        log.debug("connected", sid=sid, user=request.user)
        # After this handler returns, python-socketio tells the client that it is connected; what we
        # spawn runs when this greenlet next waits, so it comes behind that.
        gevent.spawn(self._server_info.tell, connection)
        return None

    def _on_disconnect(self, sid: str, *args: object) -> Answer | None:
        if self._server.manager.is_connected(sid, "/"):
            return _no_event("disconnect")  # A client emitted an event of this name.
        connection = self._connections.remove(sid)
        if connection is not None:
            for membership in connection.memberships.values():
                self._delivery.left(membership)
                self._presence.left(membership)
            self._typing.forget(connection)
            log.debug("disconnected", sid=sid, user=connection.user, reason=args[0] if args else None)
        return None

    def _on_unknown(self, event: str, sid: str, *args: object) -> Answer:
        return _no_event(str(event)[:64])

    def _join(self, connection: Connection, args: tuple[object, ...]) -> Answer:
        request = parse_join(args)
        user = connection.user or request.user
        if user is None:
            raise Refusal(Code.BAD_REQUEST, "neither the connection's auth nor this join names a user")
        self._gate.check_join()
        with connection.turn:
            answer = self._delivery.join(connection, user, request)
            membership = connection.memberships.get(request.room)
            if connection.open and membership is not None:
                self._presence.joined(membership)
                self._user_lists.changed(request.room)
        return answer

    def _leave(self, connection: Connection, args: tuple[object, ...]) -> Answer:
        request = parse_leave(args)
        with connection.turn:
            membership = connection.memberships.get(request.room)
            answer = self._delivery.leave(connection, request.room)
            if membership is not None:
                self._presence.left(membership)
        return answer

    def send_message(
        self, connection: Connection, args: tuple[object, ...], answer: Callable[[Answer], None]
    ) -> None:
        """Handle a `send_message`; does not switch greenlets, and `answer` is called once, soon or later."""
        try:
            membership, request = self._sendable(connection, args)
        except Exception as error:  # noqa: BLE001  # It is logged, and the client is told.
            answer(_refusal(connection.sid, error).answer())
            return
        connection.sending += 1  # A drain waits for the answer before it hangs up.

        def tell(given: Answer) -> None:
            connection.sending -= 1
            answer(given)

        self._delivery.send(connection, membership.user, request, tell)

    def _sendable(self, connection: Connection, args: tuple[object, ...]) -> tuple[Membership, SendRequest]:
        request = parse_send(args)
        membership = connection.memberships.get(request.room)
        if membership is None:
            raise Refusal(Code.NOT_JOINED, f"join {request.room} before sending to it")
        self._gate.check_send(connection)
        return membership, request

    def _send(self, connection: Connection, args: tuple[object, ...]) -> Answer:
        answered: Any = AsyncResult()
        self.send_message(connection, args, answered.set)
        return dict(answered.get())

    def _typed(self, connection: Connection, args: tuple[object, ...]) -> Answer:
        request = parse_typing(args)
        membership = connection.memberships.get(request.room)
        if membership is None:
            raise Refusal(Code.NOT_JOINED, f"join {request.room} before typing in it")
        self._typing.typed(membership, typing=request.typing)
        return {"ok": True, "room": request.room}

    def _answer(
        self,
        sid: str,
        handle: Callable[[Connection, tuple[object, ...]], Answer],
        args: tuple[object, ...],
    ) -> Answer:
        connection = self._connections.get(sid)
        if connection is None:
            return Refusal(Code.NOT_JOINED, "this connection is closed").answer()
        try:
            return handle(connection, args)
        except Exception as error:  # noqa: BLE001  # It is logged, and the client is told.
            return _refusal(sid, error).answer()


def _no_event(name: str) -> Answer:
    return Refusal(Code.BAD_REQUEST, f"there is no event {name!r} to send").answer()


def _refusal(sid: str, error: Exception) -> Refusal:
    if isinstance(error, Refusal):
        log.debug("refused", sid=sid, code=error.code.value, reason=error.message)
        return error
    log.bug("handler_failed", error, sid=sid)
    return Refusal(Code.STORE_UNAVAILABLE, "the node has failed on this request", definite=False)
