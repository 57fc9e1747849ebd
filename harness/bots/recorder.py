"""Puts what one bot does and sees into the history, one method per operation of its table.

Every method takes the monotonic stamp of the moment that it records. Invokes (JOIN, LEAVE, SEND) have
reached the operating system when their method returns: call it before the frame is written.
"""

from harness.bots.outbox import Attempt, SendError
from harness.bots.wire import Ack, HistoryChunk, Json, Sighting
from harness.records.history_format import (
    FLAG_DEFINITE,
    FLAG_DUPLICATE,
    FLAG_FROM_HISTORY,
    FLAG_MORE,
    FLAG_RECOVERED,
    HistoryWriter,
    Op,
    canonical,
)


class BotRecorder:
    """One bot's pen. `conn` is the number of the connection that it writes of; set it per connection."""

    def __init__(self, writer: HistoryWriter, bot: int) -> None:
        self._writer = writer
        self._bot = bot
        self.conn = 0
        self.deliveries = 0
        self.rows = 0

    def connected(self, t_ns: int, node: str) -> None:
        """The node accepted the connection."""
        self._put(t_ns, Op.CONNECT, a=self._id(node))

    def disconnected(self, t_ns: int, reason: str) -> None:
        """The connection ended, or was never made."""
        self._put(t_ns, Op.DISCONNECT, a=self._id(reason))

    def join(self, t_ns: int, room: str, cursor: tuple[str, int] | None) -> None:
        """A join is about to be sent."""
        epoch, seq = (cursor[0], cursor[1] + 1) if cursor else (None, 0)
        self._put(t_ns, Op.JOIN, a=self._id(room), b=self._id(epoch), c=seq, flush=True)

    def join_ok(self, t_ns: int, room: str, ack: Ack) -> None:
        """A join was acknowledged."""
        flags = FLAG_RECOVERED if ack.recovered else 0
        self._put(t_ns, Op.JOIN_OK, flags=flags, a=self._id(room), b=self._id(ack.epoch), c=ack.seq or 0)

    def join_failed(self, t_ns: int, room: str, error: str) -> None:
        """A join was refused, or not answered in time."""
        self._put(t_ns, Op.JOIN_FAILED, a=self._id(room), b=self._id(error))

    def leave(self, t_ns: int, room: str) -> None:
        """A leave is about to be sent."""
        self._put(t_ns, Op.LEAVE, a=self._id(room), flush=True)

    def leave_ok(self, t_ns: int, room: str, ack: Ack) -> None:
        """A leave was acknowledged, with the position at which delivery stopped."""
        self._put(t_ns, Op.LEAVE_OK, a=self._id(room), b=self._id(ack.epoch), c=ack.seq or 0)

    def send(self, t_ns: int, attempt: Attempt, payload: dict[str, Json]) -> None:
        """A message is about to be sent."""
        key = attempt.message.key
        content = self._id(canonical(payload))
        self._put(t_ns, Op.SEND, a=content, b=attempt.number, c=key, flush=True)

    def send_ok(self, t_ns: int, attempt: Attempt, ack: Ack) -> None:
        """An attempt was acknowledged."""
        self._put(
            t_ns,
            Op.SEND_OK,
            flags=FLAG_DUPLICATE if ack.duplicate else 0,
            a=attempt.message.key,
            b=attempt.number,
            c=self._id(ack.epoch),
            d=ack.seq or 0,
        )

    def send_failed(self, t_ns: int, attempt: Attempt, error: SendError) -> None:
        """An attempt was answered with an error."""
        flags = FLAG_DEFINITE if error.definite else 0
        key = attempt.message.key
        self._put(t_ns, Op.SEND_FAILED, flags=flags, a=key, b=attempt.number, c=self._id(str(error)))

    def send_lost(self, t_ns: int, attempt: Attempt, reason: str) -> None:
        """The connection ended before an attempt was answered."""
        self._put(t_ns, Op.SEND_LOST, a=attempt.message.key, b=attempt.number, c=self._id(reason))

    def history(self, t_ns: int, chunk: HistoryChunk) -> None:
        """A `message_history` came: its own row, then one per message in it."""
        flags = (FLAG_RECOVERED if chunk.recovered else 0) | (FLAG_MORE if chunk.more else 0)
        room, epoch = self._id(chunk.room), self._id(chunk.epoch)
        self._put(t_ns, Op.HISTORY, flags=flags, a=room, b=epoch, c=len(chunk.sightings))
        for sighting in chunk.sightings:
            self.paged(t_ns, sighting)

    def paged(self, t_ns: int, sighting: Sighting) -> None:
        """A message came from a history: in a `message_history`, or from a page of it by REST."""
        self.deliveries += 1
        self._put(t_ns, Op.DELIVERY, flags=FLAG_FROM_HISTORY, a=sighting.content)

    def delivery(self, t_ns: int, sighting: Sighting) -> None:
        """A message came live."""
        self.deliveries += 1
        self._put(t_ns, Op.DELIVERY, a=sighting.content)

    def user_list(self, t_ns: int, content: Json) -> None:
        """A `user_list` came."""
        self._put(t_ns, Op.USER_LIST, a=self._id(canonical(content)))

    def server_info(self, t_ns: int, content: Json) -> None:
        """A `server_info` came."""
        self._put(t_ns, Op.SERVER_INFO, a=self._id(canonical(content)))

    def error(self, t_ns: int, text: str) -> None:
        """Something odd happened that no other operation tells."""
        self._put(t_ns, Op.BOT_ERROR, a=self._id(text))

    def _id(self, text: str | None) -> int:
        return self._writer.intern(text)

    def _put(
        self,
        t_ns: int,
        op: Op,
        *,
        flags: int = 0,
        a: int = 0,
        b: int = 0,
        c: int = 0,
        d: int = 0,
        flush: bool = False,
    ) -> None:
        self.rows += 1
        self._writer.record(
            t_ns, op, flags=flags, bot=self._bot, conn=self.conn, a=a, b=b, c=c, d=d, flush=flush
        )
