"""A real client library in a process of its own, and a chat application on top of it.

Each library has a driver, a small program that does what lines of JSON on its input say and tells in lines
of JSON what it sees:

    in   {"do": "connect", "url": …, "auth": …}            once; then the library reconnects by itself
         {"do": "emit", "id": 7 | null, "event": …, "args": […]}       an id asks for an acknowledgement
         {"do": "disconnect"}                              and the end of the input ends the driver
    out  {"is": "connected", "url": …, "sid": …}           also each time that it is connected again
         {"is": "disconnected", "reason": …}
         {"is": "refused", "message": …, "data": …}        the server has refused the connection
         {"is": "retrying", "message": …}                  no connection, and the library tries again
         {"is": "event", "name": …, "args": […]}
         {"is": "ack", "id": 7, "args": […]}
         {"is": "lost", "id": 7}                           it was not connected: nothing was sent

All of the application is here, once for both: it joins again by its cursor when it is connected again, and
sends again, in order, what was not acknowledged. Drivers choose the node to reconnect to themselves, from the
`server_info` that came last, because the libraries ask for it in the middle of their own work.
"""

import collections
import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE_S = 20.0
IN_FLIGHT = 16  # the protocol allows 64
AGAIN_S = 0.1

Line = dict[str, Any]


class Driver:
    """The process. `lines` is all that it said; `on_line` is called in its reader, line by line."""

    def __init__(self, command: Sequence[str], log: Path, on_line: Callable[[Line], None]) -> None:
        self.lines: list[Line] = []
        self._on_line = on_line
        self._orders = threading.Lock()
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
            )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def do(self, what: str, **more: Any) -> None:
        """Give an order; one to a driver that has ended is lost, as its lines show."""
        assert self._process.stdin is not None
        with self._orders, contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"do": what, **more}) + "\n")
            self._process.stdin.flush()

    def close(self) -> None:
        """End it, by force where it does not end by itself."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._orders, contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            line = json.loads(text)
            self.lines.append(line)
            self._on_line(line)


@dataclass(kw_only=True)
class Outgoing:
    """A message that is to be in the log once."""

    n: int
    text: str
    answer: Line | None = None
    refusals: list[Line] = field(default_factory=list)


@dataclass(kw_only=True)
class Stay:
    """What the application knows of a room that it is in."""

    cursor: Line | None = None
    joined: bool = False
    joins: list[Line] = field(default_factory=list)  # the acknowledgements
    received: list[Line] = field(default_factory=list)  # messages, from history or live, in order
    out: list[Outgoing] = field(default_factory=list)  # from n = 1
    settled: int = 0  # so many from the first on are acknowledged
    in_flight: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)  # of those in flight; they wait to be sent again


class Chat:
    """A chat application that keeps what the protocol asks of a client."""

    def __init__(self, command: Sequence[str], log: Path, user: str) -> None:
        self.user = user
        self.connections: list[Line] = []
        self.losses: list[Line] = []
        self.refused: list[Line] = []
        self._rooms: dict[str, Stay] = collections.defaultdict(Stay)
        self._events: list[tuple[str, Any]] = []
        self._answers: dict[int, Callable[[Any], None]] = {}
        self._ids = 0
        self._connected = False
        self._changed = threading.Condition(threading.RLock())
        self._timers: list[threading.Timer] = []
        self._closed = False
        self.driver = Driver(command, log, self._line)

    def close(self) -> None:
        """End it all, pending repetitions too."""
        with self._changed:
            self._closed = True
        for timer in self._timers:
            timer.cancel()
            timer.join()
        self.driver.close()

    # What a test does.

    def connect(self, url: str, **auth: Any) -> "Chat":
        """Connect, and wait until it is."""
        self.start(url, **({"user": self.user} | auth))
        self.wait_for(lambda: self._connected, "connected")
        return self

    def start(self, url: str, **auth: Any) -> None:
        """Begin to connect."""
        self.driver.do("connect", url=url, auth=auth)

    def join(self, room: str, cursor: Line | None = None) -> Stay:
        """Be in a room from now on, across all connections; waits for the first acknowledgement."""
        with self._changed:
            stay = self._rooms[room]
            stay.cursor = cursor
            self._join(room)
        self.wait_for(lambda: stay.joins, f"{self.user} joins {room}")
        return stay

    def post(self, room: str, *texts: str) -> list[Outgoing]:
        """Have messages in the log once each, in order, whatever happens meanwhile."""
        with self._changed:
            out = self._rooms[room].out
            posted = [Outgoing(n=len(out) + i, text=text) for i, text in enumerate(texts, 1)]
            out += posted
            self._send(room)
        return posted

    def call(self, event: str, *args: Any) -> Any:
        """Emit an event and return its acknowledgement."""
        answers: list[Any] = []
        with self._changed:
            self._emit(event, args, answers.append)
        self.wait_for(lambda: answers, f"an acknowledgement of {event}")
        return answers[0]

    def tell(self, event: str, *args: Any) -> None:
        """Emit an event that asks for no acknowledgement."""
        self.driver.do("emit", id=None, event=event, args=args)

    # What a test asks.

    def payloads(self, event: str) -> list[Any]:
        """Return what came with all events of a name, in order."""
        with self._changed:
            return [payload for name, payload in self._events if name == event]

    def events(self) -> list[tuple[str, Any]]:
        """Return all events and acknowledgements ("ack") in order."""
        with self._changed:
            return list(self._events)

    def stay(self, room: str) -> Stay:
        """Return what it knows of a room."""
        return self._rooms[room]

    def seqs(self, room: str) -> list[int]:
        """Return the positions of all messages that came, in order."""
        with self._changed:
            return [message["seq"] for message in self._rooms[room].received]

    def acknowledged(self, room: str) -> dict[int, int]:
        """Return seq by n of what was acknowledged."""
        with self._changed:
            return {o.n: o.answer["seq"] for o in self._rooms[room].out if o.answer is not None}

    def settled(self, room: str) -> bool:
        """Tell whether all that was posted is acknowledged."""
        with self._changed:
            return all(o.answer is not None for o in self._rooms[room].out)

    def wait_for(self, condition: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> Any:
        """Wait until a condition holds; fails with the last lines of the driver where it does not."""
        with self._changed:
            held = self._changed.wait_for(condition, timeout_s)
            assert held, f"not within {timeout_s} s: {self.user}: {what}; last: {self.driver.lines[-8:]}"
            return condition()

    # What the application does by itself. All of it runs under the lock.

    def _line(self, line: Line) -> None:
        with self._changed:
            getattr(self, f"_on_{line['is']}")(line)
            self._changed.notify_all()

    def _on_connected(self, line: Line) -> None:
        self._connected = True
        self.connections.append(line)
        for room, stay in self._rooms.items():
            if stay.joins or stay.out:
                self._join(room)

    def _on_disconnected(self, line: Line) -> None:
        self._connected = False
        self.losses.append(line)
        self._answers.clear()
        for stay in self._rooms.values():
            stay.joined = False
            stay.in_flight.clear()
            stay.refused.clear()

    def _on_refused(self, line: Line) -> None:
        self.refused.append(line)

    def _on_retrying(self, line: Line) -> None:
        """The library is about to try again by itself."""

    def _on_lost(self, line: Line) -> None:
        """A "disconnected" that is on its way will put it right."""
        self._answers.pop(line["id"], None)

    def _on_ack(self, line: Line) -> None:
        answer = line["args"][0] if len(line["args"]) == 1 else line["args"]
        self._events.append(("ack", answer))
        # What was asked on a connection that was lost is asked again on the next.
        self._answers.pop(line["id"], lambda _: None)(answer)

    def _on_event(self, line: Line) -> None:
        name, (payload, *_) = line["name"], line["args"]
        self._events.append((name, payload))
        if name == "message":
            self._take(payload["room"], [payload])
        elif name == "message_history":
            self._take(payload["room"], payload["messages"])

    def _take(self, room: str, messages: list[Line]) -> None:
        stay = self._rooms[room]
        stay.received += messages
        if messages:
            stay.cursor = {"epoch": messages[-1]["epoch"], "seq": messages[-1]["seq"]}

    def _join(self, room: str) -> None:
        stay = self._rooms[room]

        def answered(answer: Line) -> None:
            if not answer["ok"]:
                self._later(lambda: self._join(room))
                return
            stay.joined = True
            stay.joins.append(answer)
            if stay.cursor is None:
                stay.cursor = {"epoch": answer["epoch"], "seq": answer["seq"]}
            self._send(room)

        request = {"room": room} | ({"cursor": stay.cursor} if stay.cursor else {})
        self._emit("join", (request,), answered)

    def _send(self, room: str) -> None:
        """Send what is neither acknowledged nor on its way, in order, as far as the window allows."""
        stay = self._rooms[room]
        if not stay.joined:
            return
        while stay.settled < len(stay.out) and stay.out[stay.settled].answer is not None:
            stay.settled += 1
        for outgoing in stay.out[stay.settled : stay.settled + IN_FLIGHT]:
            if outgoing.answer is None and outgoing.n not in stay.in_flight:
                stay.in_flight.add(outgoing.n)
                self._send_one(room, stay, outgoing)

    def _send_one(self, room: str, stay: Stay, outgoing: Outgoing) -> None:
        def answered(answer: Line) -> None:
            if answer["ok"]:
                stay.in_flight.discard(outgoing.n)
                outgoing.answer = answer
                self._send(room)
            else:
                outgoing.refusals.append(answer["error"])
                if not stay.refused:  # What was sent behind it is refused, too, and goes again with it.
                    self._later(lambda: self._send_refused(room, stay))
                stay.refused.add(outgoing.n)

        request = {"room": room, "text": outgoing.text, "producer": self.user, "n": outgoing.n}
        self._emit("send_message", (request,), answered)

    def _send_refused(self, room: str, stay: Stay) -> None:
        stay.in_flight -= stay.refused
        stay.refused.clear()
        self._send(room)

    def _emit(self, event: str, args: tuple[Any, ...], answered: Callable[[Any], None]) -> None:
        self._ids += 1
        self._answers[self._ids] = answered
        self.driver.do("emit", id=self._ids, event=event, args=args)

    def _later(self, what: Callable[[], Any]) -> None:
        connection = len(self.connections)

        def due() -> None:
            with self._changed:
                if not self._closed and self._connected and connection == len(self.connections):
                    what()

        timer = threading.Timer(AGAIN_S, due)
        self._timers.append(timer)
        timer.start()


class Crowd:
    """Posts in a room from a thread, until it is stopped: the others who keep sending."""

    def __init__(self, chats: Sequence[Chat], room: str, pause_s: float = 0.01) -> None:
        self._chats, self._room, self._pause_s = chats, room, pause_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Crowd":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        began = time.monotonic()
        while not self._stop.wait(self._pause_s):
            for chat in self._chats:
                chat.post(self._room, f"{chat.user} after {time.monotonic() - began:.3f} s")


def check_room(node: Any, room: str, *chats: Chat) -> list[Line]:
    """Nothing is missing and nothing there twice: return the log.

    All have received the log from their first message on, once, in order; all that they posted is in it once,
    and where its acknowledgement said.
    """
    for chat in chats:
        chat.wait_for(lambda c=chat: c.settled(room), "all acknowledged")  # type: ignore[misc]
    stored = all_messages(node, room)
    head = len(stored)
    assert [message["seq"] for message in stored] == list(range(1, head + 1))
    for chat in chats:
        chat.wait_for(lambda c=chat: c.seqs(room)[-1:] == [head], f"message {head}")  # type: ignore[misc]
        seqs = chat.seqs(room)
        assert seqs == list(range(seqs[0], head + 1)), chat.user
        assert chat.stay(room).received == stored[seqs[0] - 1 :], chat.user
        mine = [message for message in stored if message["producer"] == chat.user]
        assert [(message["n"], message["text"]) for message in mine] == [
            (sent.n, sent.text) for sent in chat.stay(room).out
        ]
        assert chat.acknowledged(room) == {message["n"]: message["seq"] for message in mine}
    return stored


def all_messages(node: Any, room: str) -> list[Line]:
    """Return a room's log by REST."""
    found: list[Line] = []
    while page := node.messages(room, f"after={len(found)}&limit=1000"):
        found += page
    return found
