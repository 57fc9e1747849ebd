"""What a node needs of a delivery, so that there can be two: `durable` and `pubsub`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import gevent

from cluster.connections import Connection, Membership
from cluster.protocol import JoinRequest, SendRequest
from cluster.wire import Stored

Answer = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class PageRequest:
    """Which messages REST is asked for; both bounds are exclusive."""

    room: str
    after: int | None
    before: int | None
    limit: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Messages of a room, ascending, with what is known about its log.

    `first` is the oldest position that the source has, `head` the newest.
    """

    epoch: str | None
    epochs: tuple[tuple[str, int, int], ...]  # (epoch, first, last)
    first: int | None
    head: int
    messages: tuple[Stored, ...]


class Delivery(Protocol):
    """Takes messages and brings them to their recipients.

    `join` and `leave` return the client's acknowledgement, which must be queued before any other greenlet
    runs; what cannot be done raises `Refusal`.
    """

    def start(self) -> "tuple[gevent.Greenlet[..., Any], ...]":
        """Start what runs in the background; the returned greenlets end only by a bug."""

    def not_ready(self) -> str | None:
        """Return why this node cannot serve now, `None` when it can."""

    def join(self, connection: Connection, user: str, request: JoinRequest) -> Answer: ...

    def leave(self, connection: Connection, room: str) -> Answer: ...

    def send(
        self, connection: Connection, user: str, request: SendRequest, answer: Callable[[Answer], None]
    ) -> None:
        """Take a message; may be called from any greenlet and from the hub, and does not switch.

        `answer` is called exactly once with the acknowledgement or the error, at once or later, from whatever
        greenlet: it must not block. Nothing is raised, and sends of one connection keep their order.
        """

    def left(self, membership: Membership) -> None:
        """A connection is gone; must not switch greenlets."""

    def stored(self, request: PageRequest) -> Page:
        """Return messages from the store."""

    def delivered(self, request: PageRequest) -> Page:
        """Return messages that this node itself has seen, from its memory."""

    def rooms(self) -> list[str]:
        """Return the names of the rooms that have messages."""

    def heads(self, rooms: list[str]) -> list[int]:
        """Return where each of these rooms ends now."""

    def status(self) -> dict[str, Any]:
        """Return figures for `/health`."""

    def flush(self, timeout_s: float) -> None:
        """Finish what was accepted."""
