"""A cluster of one process that does as it is told: the chat protocol over one log, several doors to it.

Every node is a door: a TCP port that forwards to the one Socket.IO server, and that can be slammed shut, so
that its connections are reset as by a SIGKILL. Orders come as JSON lines on stdin, each is answered by one
line on stdout:

    {"do": "shut", "node": NAME}          reset its connections, refuse new ones
    {"do": "open", "node": NAME}          back at the same port
    {"do": "freeze", "node": NAME}        swallow all that its connections carry, and leave them open
    {"do": "set", NAME: VALUE, …}         knobs, see `Knobs`
    {"do": "emit", "event": NAME, "args": [...]}   to everyone
    {"do": "raw", "packets": [TEXT]}      to everyone, as Socket.IO packets that nobody made
    {"do": "log"}                         every room's messages

Started as `fake_cluster.py DELIVERY PING_S NODE…`; the first line on stdout is {"ports": {NAME: PORT}}.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import socket  # noqa: E402
import struct  # noqa: E402
import sys  # noqa: E402
from dataclasses import dataclass, field  # noqa: E402
from typing import Any  # noqa: E402
from urllib.parse import parse_qs  # noqa: E402

import gevent  # noqa: E402
import socketio  # noqa: E402
from gevent.fileobject import FileObject  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402
from gevent.server import StreamServer  # noqa: E402

EPOCH = "epoch-a"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close sends RST


@dataclass
class Knobs:
    """What goes wrong; counts say how many times more."""

    refuse_sends: int = 0
    refuse_joins: int = 0
    error: dict[str, Any] = field(default_factory=dict)
    swallow_acks: int = 0  # commit the send, and never answer
    garble_acks: int = 0
    ignore_joins: int = 0
    forget_cursors: bool = False  # every join gets a snapshot of two messages
    forget_members: int = 0  # a send is answered with not_joined, although the sender is


class Chat:
    """The log, its REST pages and its events."""

    def __init__(self, delivery: str, ping_s: float, names: list[str]) -> None:
        self.positions = delivery == "durable"
        self.names = names
        self.knobs = Knobs()
        self.rooms: dict[str, list[dict[str, Any]]] = {}
        self.results: dict[tuple[str, str, int], dict[str, Any]] = {}
        self.last_n: dict[tuple[str, str], int] = {}
        self.users: dict[str, str] = {}
        self.sio = socketio.Server(async_mode="gevent", ping_interval=ping_s, ping_timeout=ping_s)
        for name in ("connect", "join", "send_message"):
            self.sio.on(name, getattr(self, f"on_{name}"))

    def on_connect(self, sid: str, environ: dict[str, Any], auth: dict[str, str]) -> None:
        self.users[sid] = auth["user"]
        peers = [{"server_id": n, "url": "http://elsewhere.invalid", "state": "alive"} for n in self.names]
        info = {"server_id": "fake", "session_id": sid, "version": 1, "draining": False, "peers": peers}
        self.sio.emit("server_info", info, to=sid)

    def on_join(self, sid: str, request: dict[str, Any]) -> Any:
        knobs, room = self.knobs, request["room"]
        if knobs.ignore_joins:
            knobs.ignore_joins -= 1
            gevent.sleep(3600)
        if knobs.refuse_joins:
            knobs.refuse_joins -= 1
            return {"ok": False, "error": knobs.error}
        log = self.rooms.setdefault(room, [])
        self.sio.enter_room(sid, room)
        epoch, head = (EPOCH, len(log)) if self.positions else (None, None)
        messages, recovered = self._history(log, request.get("cursor"))
        self._send_history(sid, room, messages, recovered)
        return {"ok": True, "room": room, "epoch": epoch, "seq": head, "recovered": recovered}

    def _history(self, log: list[Any], cursor: dict[str, Any] | None) -> tuple[list[Any], bool]:
        if not self.positions:
            return [], False
        if self.knobs.forget_cursors:
            return log[-2:], False
        return (log[-50:], False) if cursor is None else (log[cursor["seq"] :], True)

    def _send_history(self, sid: str, room: str, messages: list[Any], recovered: bool) -> None:
        chunks = [messages[i : i + 10] for i in range(0, len(messages), 10)] or [[]]
        for chunk in chunks:
            history = {
                "room": room,
                "epoch": EPOCH if self.positions else None,
                "messages": chunk,
                "recovered": recovered,
                "more": chunk is not chunks[-1],
            }
            self.sio.emit("message_history", history, to=sid)

    def on_send_message(self, sid: str, request: dict[str, Any]) -> Any:
        knobs = self.knobs
        if knobs.forget_members:
            knobs.forget_members -= 1
            error = {"code": "not_joined", "message": "", "definite": True}
            return {"ok": False, "error": error}
        if knobs.refuse_sends:
            knobs.refuse_sends -= 1
            return {"ok": False, "error": knobs.error}
        answer = self._commit(sid, request)
        if knobs.swallow_acks:
            knobs.swallow_acks -= 1
            gevent.sleep(3600)
        if knobs.garble_acks:
            knobs.garble_acks -= 1
            return "what?"
        return answer

    def _commit(self, sid: str, request: dict[str, Any]) -> dict[str, Any]:
        room, producer, n = request["room"], request["producer"], request["n"]
        if self.positions and (room, producer, n) in self.results:
            return {**self.results[room, producer, n], "duplicate": True}
        expected = self.last_n.get((room, producer), 0) + 1
        if self.positions and n != expected:
            error = {"code": "out_of_order", "message": "", "definite": True, "expected": expected}
            return {"ok": False, "error": error}
        self.last_n[room, producer] = n
        log = self.rooms.setdefault(room, [])
        position = {"epoch": EPOCH, "seq": len(log) + 1} if self.positions else {"epoch": None, "seq": None}
        message = {**request, **position, "user": self.users[sid], "sent_at": 1.5, "node": "fake"}
        log.append(message)
        result = {"ok": True, "room": room, **position, "duplicate": False, "producer": producer, "n": n}
        self.results[room, producer, n] = result
        self.sio.emit("message", message, to=room)
        return result

    def page(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """`/rooms/<room>/messages?after=&before=`"""
        query = parse_qs(environ["QUERY_STRING"])
        after, before = int(query["after"][0]), int(query["before"][0])
        log = self.rooms.get(environ["PATH_INFO"].split("/")[2], [])
        messages = [m for m in log if after < m["seq"] < before][:3]  # Short, so that there are several.
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"epoch": EPOCH, "head": len(log), "messages": messages}).encode()]


class Door:
    """One node's port."""

    def __init__(self, target: int, port: int = 0) -> None:
        self._target = target
        self._sockets: list[socket.socket] = []
        self._frozen = False
        self._server = StreamServer(("127.0.0.1", port), self._forward)
        self._server.start()
        self.port: int = self._server.server_port

    def _forward(self, client: socket.socket, _: object) -> None:
        inside = socket.create_connection(("127.0.0.1", self._target))
        self._sockets += [client, inside]
        gevent.joinall([gevent.spawn(self._pump, client, inside), gevent.spawn(self._pump, inside, client)])

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if not self._frozen:
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # One side was reset: so is the other.
            source.close()
            sink.close()

    def freeze(self) -> None:
        """From now on nothing comes through, and nobody is told."""
        self._frozen = True

    def shut(self) -> None:
        """Reset everything."""
        self._server.stop(timeout=0)
        for sock in self._sockets:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                sock.close()
            except OSError:  # It was closed before.
                continue


def main(delivery: str, ping_s: float, names: list[str]) -> None:
    """Serve and obey until stdin ends."""
    chat = Chat(delivery, ping_s, names)
    web = WSGIServer(("127.0.0.1", 0), socketio.WSGIApp(chat.sio, chat.page), log=None, error_log=None)
    web.start()
    doors = {name: Door(web.server_port) for name in names}
    _say({"ports": {name: door.port for name, door in doors.items()}})
    lines = FileObject(sys.stdin.fileno(), "rb", close=False)
    for line in lines:
        order = json.loads(line)
        match order.pop("do"):
            case "shut":
                doors[order["node"]].shut()
                _say({})
            case "open":
                doors[order["node"]] = Door(web.server_port, doors[order["node"]].port)
                _say({})
            case "freeze":
                doors[order["node"]].freeze()
                _say({})
            case "raw":
                for sid in chat.users:
                    for packet in order["packets"]:
                        chat.sio.eio.send(chat.sio.manager.eio_sid_from_sid(sid, "/"), packet)
                _say({})
            case "set":
                vars(chat.knobs).update(order)
                _say({})
            case "emit":
                chat.sio.emit(order["event"], tuple(order["args"]))
                _say({})
            case "log":
                _say(chat.rooms)


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
