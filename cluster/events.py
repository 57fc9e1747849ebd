"""The Socket.IO events of a node: parse, ask the delivery, answer.

Every handler returns what python-socketio queues as the acknowledgement right after it, in the same
greenlet. Whatever a client sends is answered; nothing that it sends ends its connection or the node.
"""

import math
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from gevent.event import AsyncResult
from socketio.exceptions import ConnectionRefusedError as SocketIORefusal

from cluster import counters, log
from cluster.connections import Connection, Connections, Membership
from cluster.delivery.base import Answer, Delivery
from cluster.members.gate import Gate
from cluster.members.presence import Presence
from cluster.members.read_marks import ReadMarks
from cluster.members.server_info import ServerInfo
from cluster.members.typing_notices import TypingNotices
from cluster.members.user_lists import UserLists
from cluster.protocol import (
    Code,
    ConnectRequest,
    Refusal,
    SendRequest,
    parse_connect,
    parse_join,
    parse_leave,
    parse_read,
    parse_send,
    parse_typing,
)
from cluster.rate import TokenBucket
from cluster.secrecy import same_secret
from cluster.settings import Settings
from cluster.transport.packets import MALFORMED, ignore_connects_of_the_gone

CLOSED = "this connection is closed"


class Events:
    """The handlers; `register` gives them to a python-socketio server."""

    def __init__(
        self,
        settings: Settings,
        server: Any,
        connections: Connections,
        delivery: Delivery,
        gate: Gate,
        presence: Presence,
        user_lists: UserLists,
        server_info: ServerInfo,
        typing: TypingNotices,
        read_marks: ReadMarks,
    ) -> None:
        self._settings = settings
        self._server = server
        self._connections = connections
        self._delivery = delivery
        self._gate = gate
        self._presence = presence
        self._user_lists = user_lists
        self._server_info = server_info
        self._typing = typing
        self._read_marks = read_marks

    def register(self) -> None:
        """Begin to handle events."""
        ignore_connects_of_the_gone(self._server)
        # python-socketio calls these with the session id first, and with whatever the client sent.
        self._server.on("connect", self._on_connect)
        self._server.on("disconnect", self._on_disconnect)
        self._server.on("join", lambda sid, *args: self._answer(sid, "join", self._join, args))
        self._server.on("leave", lambda sid, *args: self._answer(sid, "leave", self._leave, args))
        self._server.on("send_message", self._on_send)
        self._server.on("typing", lambda sid, *args: self._answer(sid, "typing", self._typed, args))
        self._server.on("read", lambda sid, *args: self._answer(sid, "read", self._read, args))
        self._server.on("*", self._on_unknown)

    def _on_connect(self, sid: str, environ: object = None, auth: object = None) -> Answer | None:
        if not self._server.manager.is_pre_connected(sid, "/"):
            return _no_event("connect")  # A client emitted an event of this name, and may have gone since.
        try:
            request = parse_connect(auth)
            self._refuse_wrong_token(request)
        except Refusal as refusal:
            code = refusal.code.value
            counters.connections.refused[code] += 1
            log.debug("connect_refused", sid=sid, code=code, reason=refusal.message)
            raise SocketIORefusal(refusal.message, {"code": code}) from refusal
        session = self._server.eio.sockets[self._server.manager.eio_sid_from_sid(sid, "/")]
        connection = Connection(
            sid=sid,
            eio_sid=session.sid,
            outlet=session.outlet,
            hang_up=session.close,
            user=request.user,
            producer=secrets.token_hex(8),
            sends=self._bucket(),
        )
        counters.connections.opened += 1
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
            self._read_marks.forget(connection)
            reason = str(args[0]) if args else "transport close"
            counters.connections.close(reason)
            log.debug("disconnected", sid=sid, user=connection.user, reason=reason)
        return None

    def _on_unknown(self, event: str, *args: object) -> Answer:
        """Any other event. One that is called `*` comes without its name: `event` is the session's id."""
        if event is MALFORMED:  # It was counted where it was found.
            return _refused(Refusal(Code.BAD_REQUEST, "this is no Socket.IO event"))
        counters.requests.malformed["event"] += 1
        return _refused(Refusal(Code.BAD_REQUEST, "there is no such event to send"))

    def _join(self, connection: Connection, args: tuple[object, ...]) -> Answer:
        request = parse_join(args)
        user = connection.user or request.user
        if user is None:
            raise Refusal(Code.BAD_REQUEST, "neither the connection's auth nor this join names a user")
        self._gate.check_join()
        with _turn(connection):
            answer = self._delivery.join(connection, user, request)
            membership = connection.memberships.get(request.room)
            if connection.open and membership is not None:
                self._presence.joined(membership)
                self._user_lists.changed(request.room)
        return answer

    def _leave(self, connection: Connection, args: tuple[object, ...]) -> Answer:
        request = parse_leave(args)
        with _turn(connection):
            membership = connection.memberships.get(request.room)
            if membership is None:
                return self._delivery.leave(connection, request.room)
            membership.leaving = True
            try:
                answer = self._delivery.leave(connection, request.room)
            finally:
                membership.leaving = False  # It is gone, or stays because it could not be let go.
            self._presence.left(membership)
            self._read_marks.left(connection, request.room)
        return answer

    def send_message(
        self, connection: Connection, args: tuple[object, ...], answer: Callable[[Answer], None]
    ) -> None:
        """Handle a `send_message`; does not switch greenlets, and `answer` is called once, soon or later."""
        try:
            membership, request = self._sendable(connection, args)
        except Exception as error:  # noqa: BLE001  # It is logged, and the client is told.
            told = _told(error, sid=connection.sid, request="send_message").answer()
            counters.requests.answered("send_message", told)
            answer(told)
            return
        connection.sending += 1  # A drain waits for the answer before it hangs up.

        def tell(given: Answer) -> None:
            connection.sending -= 1
            counters.requests.answered("send_message", given)
            if log.verbose:
                log.debug("sent", sid=connection.sid, **_identity(request, given))
            answer(given)

        self._delivery.send(connection, membership.user, request, tell)

    def _on_send(self, sid: str, *args: object) -> Answer:
        """The long way of a send: python-socketio waits for what it is to acknowledge."""
        connection = self._connections.get(sid)
        if connection is None:
            return _refused(Refusal(Code.NOT_JOINED, CLOSED))
        answered: Any = AsyncResult()
        self.send_message(connection, args, answered.set)
        return dict(answered.get())

    def _sendable(self, connection: Connection, args: tuple[object, ...]) -> tuple[Membership, SendRequest]:
        request = parse_send(args)
        self._refuse_too_often(connection)
        membership = connection.memberships.get(request.room)
        if membership is None or membership.leaving:
            raise Refusal(Code.NOT_JOINED, f"join {request.room} before sending to it")
        self._gate.check_send(connection)
        return membership, request

    def _refuse_wrong_token(self, request: ConnectRequest) -> None:
        expected = self._settings.token
        if expected and not same_secret((request.token or "").encode("utf-8", "surrogatepass"), expected):
            raise Refusal(Code.UNAUTHORIZED, "the token is missing or wrong")

    def _bucket(self) -> TokenBucket | None:
        rate = self._settings.sends_per_second
        return TokenBucket(rate=rate, burst=rate, now_s=time.monotonic()) if rate else None

    def _refuse_too_often(self, connection: Connection) -> None:
        wait_s = connection.sends.take(time.monotonic()) if connection.sends else 0
        if wait_s:
            raise Refusal(
                Code.RATE_LIMITED,
                f"at most {self._settings.sends_per_second} sends a second",
                retry_after_ms=math.ceil(wait_s * 1000),
            )

    def _typed(self, connection: Connection, args: tuple[object, ...]) -> Answer:
        request = parse_typing(args)
        membership = connection.memberships.get(request.room)
        if membership is None:
            raise Refusal(Code.NOT_JOINED, f"join {request.room} before typing in it")
        self._typing.typed(membership, typing=request.typing)
        return {"ok": True, "room": request.room}

    def _read(self, connection: Connection, args: tuple[object, ...]) -> Answer:
        request = parse_read(args)
        membership = connection.memberships.get(request.room)
        if membership is None:
            raise Refusal(Code.NOT_JOINED, f"join {request.room} before reading it")
        self._read_marks.read(membership, request.position)
        return {"ok": True, "room": request.room}

    def _answer(
        self,
        sid: str,
        event: str,
        handle: Callable[[Connection, tuple[object, ...]], Answer],
        args: tuple[object, ...],
    ) -> Answer:
        connection = self._connections.get(sid)
        if connection is None:
            return Refusal(Code.NOT_JOINED, CLOSED).answer()
        connection.handling += 1
        try:
            answer = handle(connection, args)
        except Exception as error:  # noqa: BLE001  # It is logged, and the client is told.
            answer = _told(error, sid=sid, request=event).answer()
        finally:
            connection.handling -= 1
        counters.requests.answered(event, answer)
        return answer


@contextmanager
def _turn(connection: Connection) -> Iterator[None]:
    """Wait for a connection's earlier joins and leaves, in which time it may have gone."""
    with connection.turn:
        if not connection.open:
            raise Refusal(Code.NOT_JOINED, CLOSED)
        yield


def _no_event(name: str) -> Answer:
    return _refused(Refusal(Code.BAD_REQUEST, f"there is no event {name!r} to send"))


def _refused(refusal: Refusal) -> Answer:
    counters.requests.refused[refusal.code.value] += 1
    return refusal.answer()


def _told(error: Exception, **where: str) -> Refusal:
    """Return what the client is told of an error."""
    if not isinstance(error, Refusal):
        log.bug("handler_failed", error, **where)
        return Refusal(Code.STORE_UNAVAILABLE, "the node has failed on this request", definite=False)
    if error.code is Code.BAD_REQUEST:
        counters.requests.malformed["payload"] += 1
    if log.verbose:
        log.debug("refused", **where, code=error.code.value, reason=error.message)
    return error


def _identity(request: SendRequest, given: Answer) -> dict[str, Any]:
    """Return what names a message and its place, as far as it has one."""
    place = {name: given.get(name) for name in ("epoch", "seq", "duplicate")}
    return {"room": request.room, "producer": request.producer, "n": request.n, "ok": given["ok"], **place}
