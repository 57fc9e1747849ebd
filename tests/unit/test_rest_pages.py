"""Pages of a room: exactly what was asked for, and a clear word where a node gives something else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.rest_pages import BadPage, pages


class Store:
    """REST pages of `size` messages of a log with positions 1 to 20."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.urls: list[str] = []

    def __call__(self, url: str) -> tuple[int, bytes]:
        self.urls.append(url)
        query = dict(part.split("=") for part in url.partition("?")[2].split("&"))
        after, before = int(query["after"]), int(query["before"])
        page = [{"seq": seq} for seq in range(after + 1, before)][: self.size]
        return 200, json.dumps({"epoch": "e", "head": 20, "messages": page}).encode()


@given(st.integers(0, 19), st.integers(1, 20), st.integers(1, 7))
def test_pages_cover_what_lies_between_exactly_once(after: int, before: int, size: int) -> None:
    store = Store(size)
    seqs = [
        m["seq"]
        for page in pages("http://n", "r", after=after, before=before, get=store)
        for m in page.messages
    ]
    assert seqs == list(range(after + 1, before))
    assert len(store.urls) == max(1, -(-len(seqs) // size))


def test_room_is_quoted_in_the_address() -> None:
    store = Store(9)
    list(pages("http://n:1", "a/b", after=0, before=3, get=store))
    assert store.urls[0].startswith("http://n:1/rooms/a%2Fb/messages?after=0&before=3&limit=")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, {"error": {"code": "store_unavailable"}}),
        (200, ["no page"]),
        (200, {"messages": 3}),
        (200, {"messages": [], "epoch": 7, "head": 0}),
        (200, {"messages": [], "epoch": "e", "head": "many"}),
        (200, {"messages": [{"seq": 0}], "epoch": "e", "head": 9}),
    ],
)
def test_answers_that_are_no_pages_are_told(status: int, body: Any) -> None:
    with pytest.raises(BadPage):
        list(pages("http://n", "r", after=0, before=5, get=lambda url: (status, json.dumps(body).encode())))
