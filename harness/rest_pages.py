"""A room's messages from a node's REST interface, page by page, as long as the pages go on."""

import json
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

from harness import http_get

PAGE = 1000
TIMEOUT_S = 3.0

Get = Callable[[str], tuple[int, bytes]]


class BadPage(ValueError):
    """A node answered something else than a page that goes on; the message says what."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Messages as received, ascending, and the head of the log that they come from (0: nothing there)."""

    messages: tuple[Any, ...]
    epoch: str | None
    head: int


def get(url: str) -> tuple[int, bytes]:
    """GET with the timeout of a page."""
    return http_get.get(url, timeout_s=TIMEOUT_S)


def pages(
    node_url: str, room: str, *, after: int, before: int | None = None, source: str = "store", get: Get = get
) -> Iterator[Page]:
    """Yield at least one page, and all up to the log's head, or up to `before` (both bounds exclusive).

    A node may give shorter pages than asked for. In the pub/sub mode, where messages have no `seq`, their
    places in the list count.

    Raises:
        OSError: the node does not answer.
        BadPage: it answers something else, or the pages do not go on.
    """
    while True:
        page = _page(node_url, room, after, before, source, get)
        yield page
        if not page.messages:
            return
        reached = _reached(page, after)
        if reached <= after:
            raise BadPage(f"a page of {room} after {after} ends at {reached}")
        after = reached
        if after >= (page.head if before is None else min(page.head, before - 1)):
            return


def _reached(page: Page, after: int) -> int:
    last = page.messages[-1]
    seq = last.get("seq") if isinstance(last, dict) else None
    return seq if _is_count(seq) else after + len(page.messages)


def _page(node_url: str, room: str, after: int, before: int | None, source: str, get: Get) -> Page:
    bounds = {"after": after} if before is None else {"after": after, "before": before}
    query = urllib.parse.urlencode({**bounds, "limit": PAGE, "source": source})
    status, body = get(f"{node_url}/rooms/{urllib.parse.quote(room, safe='')}/messages?{query}")
    if status != 200:
        raise BadPage(f"no page of {room}: status {status}, {body[:200]!r}")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadPage(f"a page of {room} is no JSON: {body[:200]!r}") from error
    match found:
        case {"messages": list(messages), "epoch": str() | None as epoch, "head": head} if (
            head is None or _is_count(head)
        ):
            return Page(messages=tuple(messages), epoch=epoch, head=head or 0)
    raise BadPage(f"a page of {room} lacks its messages, epoch or head: {body[:200]!r}")


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
