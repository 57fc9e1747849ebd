"""Proxies for one test, and a link through them."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.unit.proxies.bench import Link, Proxies


@pytest.fixture
def proxies() -> Iterator[Proxies]:
    with contextlib.closing(Proxies()) as made:
        yield made


@pytest.fixture
def link(proxies: Proxies) -> Link:
    """A server that clients reach through a proxy."""
    return proxies.link()
