"""The usual chat server: Flask-SocketIO with a Redis message queue, written as its documentation says.

`python stock_flask_socketio.py PORT REDIS_URL NAME [PING_S]`. It imports nothing of ours.
"""

from gevent import monkey

monkey.patch_all()

# ruff: noqa: E402
import itertools
import sys
from datetime import UTC, datetime
from typing import Any

from flask import Flask, request
from flask_socketio import SocketIO, emit, join_room

PORT, REDIS_URL, NAME = int(sys.argv[1]), sys.argv[2], sys.argv[3]
PINGS = {"ping_interval": int(sys.argv[4]), "ping_timeout": int(sys.argv[4])} if len(sys.argv) > 4 else {}
EPOCH = "0123456789abcdef"  # as long as WordAround's, so that frames are of one size

app = Flask(__name__)
socketio = SocketIO(app, async_mode="gevent", message_queue=REDIS_URL, transports=["websocket"], **PINGS)
users: dict[str, str] = {}
numbers = itertools.count(1)


@socketio.on("connect")
def on_connect(auth: dict[str, Any]) -> None:
    users[request.sid] = auth["user"]  # type: ignore[attr-defined]


@socketio.on("disconnect")
def on_disconnect(*_: object) -> None:
    users.pop(request.sid, None)  # type: ignore[attr-defined]


@socketio.on("join")
def on_join(data: dict[str, Any]) -> dict[str, Any]:
    join_room(data["room"])
    return {"ok": True, "room": data["room"]}


@socketio.on("send_message")
def on_send_message(data: dict[str, Any]) -> dict[str, Any]:
    seq = next(numbers)
    message = {
        "seq": seq,
        "room": data["room"],
        "epoch": EPOCH,
        "producer": data["producer"],
        "n": data["n"],
        "user": users[request.sid],  # type: ignore[attr-defined]
        "text": data["text"],
        "sent_at": round(datetime.now(UTC).timestamp(), 3),
        "node": NAME,
    }
    emit("message", message, to=data["room"])
    return {"ok": True, "room": data["room"], "seq": seq}


if __name__ == "__main__":
    socketio.run(app, host="127.0.0.1", port=PORT)
