"""The protocol on a stock python-socketio server: what its clients are used to seeing on the wire.

    python stock.py PORT

The words are `cluster.protocol`'s; everything between them and the socket is python-socketio, engineio,
simple-websocket and gevent as they come. A room is a list in memory.
"""

from gevent import monkey

monkey.patch_all()

# ruff: noqa: E402
import sys
from typing import Any

import gevent
import socketio
from gevent.pywsgi import WSGIServer
from socketio.exceptions import ConnectionRefusedError as SocketIORefusal

from cluster import protocol
from cluster.protocol import Code, Refusal

rooms: dict[str, list[dict[str, Any]]] = {}
joined: set[tuple[str, str]] = set()
io = socketio.Server(
    async_mode="gevent",
    transports=["websocket"],
    ping_interval=2,
    ping_timeout=2,
    max_http_buffer_size=64 * 1024,
)


def server_info(sid: str) -> None:
    """Tell a client where it is."""
    info = {"server_id": "stock", "session_id": sid, "version": protocol.VERSION, "draining": False}
    io.emit("server_info", {**info, "producer": "its own", "peers": []}, to=sid)


def connect(sid: str, environ: object, auth: object = None) -> None:
    try:
        protocol.parse_connect(auth)
    except Refusal as refusal:
        raise SocketIORefusal(refusal.message, {"code": refusal.code.value}) from refusal
    gevent.spawn(server_info, sid)


def join(sid: str, *args: object) -> dict[str, Any]:
    request = protocol.parse_join(args)
    log = rooms.setdefault(request.room, [])
    joined.add((sid, request.room))
    io.enter_room(sid, request.room)
    place = {"room": request.room, "epoch": "e"}
    history = {"recovered": request.cursor is not None, "more": False, "messages": log}
    io.emit("message_history", place | history, to=sid)
    return {"ok": True, **place, "seq": len(log), "recovered": request.cursor is not None}


def leave(sid: str, *args: object) -> dict[str, Any]:
    request = protocol.parse_leave(args)
    if (sid, request.room) not in joined:
        return {"ok": True, "room": request.room, "epoch": None, "seq": None}
    joined.discard((sid, request.room))
    io.leave_room(sid, request.room)
    return {"ok": True, "room": request.room, "epoch": "e", "seq": len(rooms[request.room])}


def send_message(sid: str, *args: object) -> dict[str, Any]:
    request = protocol.parse_send(args)
    if (sid, request.room) not in joined:
        raise Refusal(Code.NOT_JOINED, f"join {request.room} before sending to it")
    log = rooms[request.room]
    key = {"producer": request.producer, "n": request.n}
    place = {"room": request.room, "epoch": "e", "seq": len(log) + 1}
    log.append({**place, **key, "user": "ann", "text": request.text, "sent_at": 1.5, "node": "stock"})
    io.emit("message", log[-1], to=request.room)
    return {"ok": True, **place, "duplicate": False, **key}


def unknown(event: str, sid: str, *args: object) -> dict[str, Any]:
    return Refusal(Code.BAD_REQUEST, f"there is no event {event!r} to send").answer()


def answered(handle: Any) -> Any:
    def handler(sid: str, *args: object) -> dict[str, Any]:
        try:
            return dict(handle(sid, *args))
        except Refusal as refusal:
            return refusal.answer()

    return handler


def main() -> None:
    io.on("connect", connect)
    for event in (join, leave, send_message):
        io.on(event.__name__, answered(event))
    io.on("*", unknown)
    WSGIServer(("127.0.0.1", int(sys.argv[1])), socketio.WSGIApp(io), log=None).serve_forever()


if __name__ == "__main__":
    main()
