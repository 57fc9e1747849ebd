"""A bot's stay in the cluster, as it saw it: connections, joins, memberships, receipts, outages.

- A *connection* is one Socket.IO session; a *membership* lasts from the first accepted join of a room to
  the leave, over any number of connections. A leave that was never acknowledged ends it as well: what
  the bot is still entitled to is then known only up to the leave's invoke.
- A *join* is one `join` event. Its history is what `message_history` brought before the
  acknowledgement; what a bot paged by REST came by its own wish and belongs to no join's history.
- An *outage* begins when the connection of a bot is lost, other than by its own wish, and ends when the
  bot is joined to all its rooms on one connection. A second loss before that prolongs it.
"""

from dataclasses import dataclass
from enum import StrEnum

from harness.checkers.content import Received
from harness.records.bots import CLIENT_QUIT

# How bots name a disconnect that they wished for.
OWN_WISH = frozenset({CLIENT_QUIT})


class Via(StrEnum):
    """How a message came to its recipient."""

    LIVE = "live"
    RESUME = "resume"  # in a message_history that continues the cursor
    SNAPSHOT = "snapshot"  # in any other message_history
    PAGED = "paged"  # asked for by REST


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Receipt:
    """One message reached one bot: a row of `receipts.py`, told in full for a witness.

    `join` is the number of the join by which it came, -1 where there was none: on this connection the
    room's join had not been invoked, or its leave was acknowledged. `message` is whose text it is, or -1.
    """

    t_ns: int
    row: int
    bot: int
    conn: int
    node: str
    via: Via
    join: int
    message: int
    content: Received


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """One Socket.IO session; `closed_ns` of `None`: open to the end."""

    bot: int
    conn: int
    node: str
    opened_ns: int
    closed_ns: int | None
    reason: str

    @property
    def by_own_wish(self) -> bool:
        """The bot itself closed it."""
        return self.reason in OWN_WISH

    def open_at(self, t_ns: int) -> bool:
        """Whether it was open at a moment (closed interval)."""
        return self.opened_ns <= t_ns and (self.closed_ns is None or t_ns <= self.closed_ns)


@dataclass(frozen=True, kw_only=True, slots=True)
class Join:
    """One join of a room. `cursor_seq` of `None`: without a cursor; `accepted_ns` of `None`: not accepted.

    `number` counts the joins of all bots; `membership` those of the same list of memberships, -1: none.
    """

    number: int
    bot: int
    room: str
    conn: int
    node: str
    invoked_ns: int
    row: int
    cursor_epoch: str | None
    cursor_seq: int | None
    accepted_ns: int | None
    accepted_row: int | None
    epoch: str | None
    seq: int
    recovered: bool
    error: str
    membership: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Membership:
    """A bot's stay in a room. `left_ns`: the leave's invoke; `left_seq` of 0: the position is not known."""

    number: int
    bot: int
    room: str
    joined_ns: int
    epoch: str | None
    seq: int
    left_ns: int | None
    left_epoch: str | None
    left_seq: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Outage:
    """A bot without its rooms. `back_ns` of `None`: it never was in all of them again."""

    bot: int
    lost_ns: int
    from_node: str
    reason: str
    back_ns: int | None
    to_node: str | None
    back_conn: int | None

    @property
    def silent(self) -> bool:
        """The connection was not closed, it fell silent: the client noticed by its ping timeout."""
        return "ping" in self.reason and "timeout" in self.reason


@dataclass(frozen=True, kw_only=True, slots=True)
class UserList:
    """A `user_list` as a bot got it; `content` is the global id of its text."""

    t_ns: int
    row: int
    conn: int
    content: int


@dataclass(frozen=True, kw_only=True, slots=True)
class BotView:
    """One bot.

    `missing_rooms` are those out of which something other than its own wish took it, for good.
    """

    bot: int
    name: str
    connections: tuple[Connection, ...]
    joins: tuple[Join, ...]
    memberships: tuple[Membership, ...]
    outages: tuple[Outage, ...]
    missing_rooms: tuple[str, ...]
    errors: tuple[tuple[int, str], ...]
    user_lists: tuple[UserList, ...]
    presence: tuple[tuple[int, str, str], ...]  # when it came into (its node) or out of ("") a room

    @property
    def joined_at_end(self) -> bool:
        return not self.missing_rooms
