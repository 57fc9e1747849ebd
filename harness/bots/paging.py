"""What lies before a snapshot, fetched page by page from a node's REST interface."""

import json
import urllib.parse
from collections.abc import Callable, Iterator

from harness import http_get
from harness.bots.wire import Json, Malformed, clip, position

PAGE = 1000
TIMEOUT_S = 2.0

Get = Callable[[str], tuple[int, bytes]]


def get(url: str) -> tuple[int, bytes]:
    """GET with the timeout of a page."""
    return http_get.get(url, timeout_s=TIMEOUT_S)


def pages(node_url: str, room: str, after: int, before: int, *, get: Get = get) -> Iterator[list[Json]]:
    """Yield the room's messages with positions between `after` and `before`, both exclusive, as pages.

    Raises:
        OSError: the node does not answer.
        Malformed: it answers something else than a page that goes on.
    """
    while after < before - 1:
        messages = _page(node_url, room, after, before, get)
        if not messages:
            return
        yield messages
        last = position(messages[-1])[1] if isinstance(messages[-1], dict) else None
        if last is None or last <= after:
            raise Malformed(f"a page of {room} does not go beyond {after}: {clip(messages[-1])}")
        after = last


def _page(node_url: str, room: str, after: int, before: int, get: Get) -> list[Json]:
    query = urllib.parse.urlencode({"after": after, "before": before, "limit": PAGE})
    status, body = get(f"{node_url}/rooms/{urllib.parse.quote(room, safe='')}/messages?{query}")
    try:
        page = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"a page of {room} is no JSON: {body[:200]!r}") from error
    if status != 200 or not isinstance(page, dict) or not isinstance(page.get("messages"), list):
        raise Malformed(f"no page of {room}: status {status}, {clip(page)}")
    return list(page["messages"])
