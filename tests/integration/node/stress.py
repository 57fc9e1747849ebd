"""Clients that do whatever clients may do, at random, and note every breach of what they were promised.

A client speaks bytes (no Socket.IO library), keeps its own outbox and cursors across connections, and checks
while it reads: positions without a hole or a double, histories that begin behind the cursor, the same place
for a send whatever attempt is answered, and nothing live after a leave.
"""

import asyncio
import contextlib
import json
import random
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.integration.node.raw_client import CLOSE, HOST, TEXT, frame, handshake

ROOMS = ("a", "b", "c", "d", "e")
PATIENCE_S = 15.0
IN_FLIGHT = 64
Place = tuple[str, int]


class Gone(Exception):
    """The connection has ended."""


@dataclass
class Stay:
    """What a client knows of a room, whatever connection it has."""

    cursor: Place | None = None
    joined: bool = False  # through the present connection
    asked: Place | None = None  # the cursor of the join under way
    in_history: bool = False
    texts: dict[int, str] = field(default_factory=dict)  # n -> text
    places: dict[int, Place] = field(default_factory=dict)  # n -> where it was acknowledged


class Client:
    """One user; `breaches` are what it was promised and did not get."""

    def __init__(self, name: str, ports: list[int], seed: int) -> None:
        self.name = name
        self.breaches: list[str] = []
        self.stays = {room: Stay() for room in ROOMS}
        self.connections = 0
        self.recovered = 0
        self._random = random.Random(f"{seed} {name}")
        self._ports = ports
        self._asked: dict[int, tuple[str, str, int]] = {}  # ack id -> (event, room, n)
        self._ack_id = 0
        self._news = asyncio.Event()
        self._gone = True
        self._upgraded = self._welcome = False
        self._careless = ""  # the room that it joins while it goes, and does not listen to any more
        self._paused_until_s = 0.0

    # What it does

    async def live(self, until_s: float) -> None:
        """Connect, act, be cut off, and so on."""
        while _now_s() < until_s:
            with contextlib.suppress(Gone, OSError, asyncio.IncompleteReadError, TimeoutError):
                await self._connection(lambda: self._act(until_s))
            await asyncio.sleep(self._random.uniform(0.01, 0.3))  # As a real client backs off.

    async def settle(self, until_s: float) -> bool:
        """Resend until everything is acknowledged, and read to the heads of all rooms."""
        while _now_s() < until_s:
            with contextlib.suppress(Gone, OSError, asyncio.IncompleteReadError, TimeoutError):
                await self._connection(self._settle)
                return True
            await asyncio.sleep(0.2)  # as above
        return False

    async def _connection(self, act: Callable[[], Any]) -> None:
        port = self._random.choice(self._ports)
        reader, writer = await asyncio.wait_for(asyncio.open_connection(HOST, port), 2)
        self._writer = writer
        self._gone = self._upgraded = self._welcome = False
        self._asked.clear()
        self._careless = ""
        for stay in self.stays.values():
            stay.joined = stay.in_history = False
        reading = asyncio.create_task(self._read(reader))
        try:
            writer.write(handshake(port))
            await self._wait(lambda: self._upgraded)  # Nothing may be said before that.
            self._say(f'40{{"user":"{self.name}"}}')
            await self._wait(lambda: self._welcome)
            self.connections += 1
            await act()
        finally:
            self._gone = True
            writer.transport.abort()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _act(self, until_s: float) -> None:
        for room in self._random.sample(ROOMS, 2):
            await self._join(room)
            self._resend(room)
        while _now_s() < until_s:
            if await self._random.choice(
                [self._burst] * 3
                + [self._rest] * 2
                + [self._other_room, self._rejoin, self._leave, self._pause, self._end]
            )():
                return

    async def _settle(self) -> None:
        for room in ROOMS:
            await self._join(room)
            stay = self.stays[room]
            while len(stay.places) < len(stay.texts):
                self._resend(room)
                await self._wait(lambda: not self._asked)
                await asyncio.sleep(0.05)  # A store that is just coming back is not asked in a tight loop.
        await self._wait(lambda: not self._asked)

    async def _burst(self) -> None:
        room = self._random.choice(ROOMS)
        stay = self.stays[room]
        if stay.joined:
            unanswered = len(stay.texts) - len(stay.places)
            for _ in range(min(self._random.randint(1, 20), IN_FLIGHT - unanswered)):
                n = len(stay.texts) + 1
                stay.texts[n] = f"{self.name} {room} {n} " + "x" * self._random.choice((0, 10, 2000))
                self._send(room, n)
        await asyncio.sleep(self._random.uniform(0, 0.2))  # Between two deeds.

    async def _other_room(self) -> None:
        room = self._random.choice(ROOMS)
        await self._join(room)
        self._resend(room)

    async def _rejoin(self) -> None:
        """Join where it is joined: a resume from its cursor, while live messages come."""
        room = next((room for room, stay in self.stays.items() if stay.joined), ROOMS[0])
        await self._join(room)

    async def _leave(self) -> None:
        room = self._random.choice(ROOMS)
        self._ask("leave", room, 0, {"room": room})
        await self._wait(lambda: not any(event == "leave" for event, _, _ in self._asked.values()))

    async def _pause(self) -> None:
        self._paused_until_s = _now_s() + self._random.uniform(0.1, 2)

    async def _rest(self) -> None:
        await asyncio.sleep(self._random.uniform(0, 0.5))  # It has nothing to say.
        if self._gone:
            raise Gone

    async def _end(self) -> bool:
        """Go, in one of the ways in which clients go; sends may be in flight, and joins."""
        room = self._random.choice(ROOMS)
        if self._random.random() < 0.5:
            self._careless = room
            self._ask("join", room, 0, {"room": room, "cursor": {"seq": 0}})
        way = self._random.randrange(5)
        if way == 0:
            self._say("41")
        elif way == 1:
            self._writer.write(frame(CLOSE, struct.pack("!H", 1000)))
        elif way == 2:
            self._writer.write_eof()
        elif way == 3:
            sock = self._writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self._writer.write(frame(TEXT, b"x" * 40)[:20])
        await asyncio.sleep(self._random.choice((0, 0, 0.3)))  # Some hear what comes of it.
        return True

    # What it says

    async def _join(self, room: str) -> None:
        stay = self.stays[room]
        stay.asked = stay.cursor
        cursor = {"cursor": {"epoch": stay.cursor[0], "seq": stay.cursor[1]}} if stay.cursor else {}
        self._ask("join", room, 0, {"room": room, **cursor})
        await self._wait(lambda: not any(event == "join" for event, _, _ in self._asked.values()))
        if not stay.joined:
            raise Gone  # It was refused: another node, a little later.

    def _resend(self, room: str) -> None:
        stay = self.stays[room]
        for n in [n for n in stay.texts if n not in stay.places][:IN_FLIGHT]:
            self._send(room, n)

    def _send(self, room: str, n: int) -> None:
        keyed = {"producer": f"{self.name}.{room}", "n": n}
        self._ask("send_message", room, n, {"room": room, "text": self.stays[room].texts[n], **keyed})

    def _ask(self, event: str, room: str, n: int, payload: dict[str, Any]) -> None:
        self._ack_id += 1
        self._asked[self._ack_id] = (event, room, n)
        self._say(f"42{self._ack_id}{json.dumps([event, payload], separators=(',', ':'))}")

    def _say(self, text: str) -> None:
        if self._gone:
            raise Gone
        self._writer.write(frame(TEXT, text.encode()))

    async def _wait(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                if self._gone:
                    raise Gone
                self._news.clear()
                await self._news.wait()

    # What it hears

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self._upgraded = True
            self._news.set()
            while True:
                head = await reader.readexactly(2)
                size = head[1]
                if size > 125:
                    size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8))
                data = await reader.readexactly(size)
                if head[0] & 15 == CLOSE:
                    return
                self._hear(data.decode())
                self._news.set()
                if (left_s := self._paused_until_s - _now_s()) > 0:
                    await asyncio.sleep(left_s)  # A slow reader.
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            self._gone = True
            self._news.set()

    def _hear(self, packet: str) -> None:
        if packet == "2":
            with contextlib.suppress(Gone):
                self._say("3")
        elif packet.startswith("40"):
            self._welcome = True
        elif packet.startswith("42"):
            event, payload = json.loads(packet[2:])
            if event == "message":
                self._hear_message(payload)
            elif event == "message_history":
                self._hear_history(payload)
        elif packet.startswith("43"):
            begins = packet.index("[")
            self._hear_answer(int(packet[2:begins]), json.loads(packet[begins:])[0])

    def _hear_message(self, message: dict[str, Any]) -> None:
        stay, place = self.stays[message["room"]], (message["epoch"], message["seq"])
        if message["room"] == self._careless:
            return
        if not stay.joined:
            self._breach("a live message where it is not joined", message["room"], place)
        elif stay.cursor is None or place != (stay.cursor[0], stay.cursor[1] + 1):
            self._breach("a hole or a double", message["room"], stay.cursor, place)
        stay.cursor = place

    def _hear_history(self, history: dict[str, Any]) -> None:
        stay, room = self.stays[history["room"]], history["room"]
        if room == self._careless:
            return
        if not any((event, r) == ("join", room) for event, r, _ in self._asked.values()):
            self._breach("a history that nobody asked for", room)
        if not stay.in_history:
            if stay.asked is not None and not history["recovered"]:
                self._breach("a cursor that could not be resumed", room, stay.asked)
            stay.cursor = stay.asked if history["recovered"] else None
        stay.in_history = history["more"]
        for message in history["messages"]:
            place = (message["epoch"], message["seq"])
            if stay.cursor is not None and place[1] != stay.cursor[1] + 1:
                self._breach("a hole or a double in history", room, stay.cursor, place)
            stay.cursor = place
        self.recovered += history["recovered"]

    def _hear_answer(self, ack_id: int, answer: dict[str, Any]) -> None:
        event, room, n = self._asked.pop(ack_id)
        stay = self.stays[room]
        if event == "send_message" and answer["ok"]:
            place = (answer["epoch"], answer["seq"])
            if stay.places.setdefault(n, place) != place:
                self._breach("another place for the same send", room, n, stay.places[n], place)
        elif event == "leave" and answer["ok"]:
            stay.joined = False
        elif event == "join" and answer["ok"] and room != self._careless:
            stay.joined = True
            reached = stay.cursor or (answer["epoch"], 0)
            if answer["seq"] != reached[1]:
                self._breach("an acknowledgement that is not where the history ends", room, answer, reached)
            stay.cursor = (answer["epoch"], answer["seq"])

    def _breach(self, what: str, *about: object) -> None:
        self.breaches.append(f"{self.name}: {what}: {about}")


def _now_s() -> float:
    return asyncio.get_running_loop().time()
