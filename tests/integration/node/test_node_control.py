"""A real node hands over its control to its own page, and tells it to nobody by any other way."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.process

URL, TOKEN = "http://127.0.0.1:9", "a token that only the page may have"


@pytest.fixture(scope="module")
def controlled(shared_redis: Any, lone_node: Any) -> Iterator[Any]:
    """A node with a control that speaks to the pages of anybody, as far as it may."""
    settings = {"CONTROL_URL": URL, "CONTROL_TOKEN": TOKEN, "CORS_ORIGINS": "*"}
    node = type(lone_node)(shared_redis, lone_node.process.log.parent, "controlled", **settings)
    try:
        yield node.start()
    finally:
        node.process.kill()


def ask(node: Any, method: str = "POST", **headers: str) -> tuple[int, str, dict[str, str]]:
    request = urllib.request.Request(f"{node.url}/control", method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), dict(error.headers)


def test_control__its_own_page__handed_over_without_cors(controlled: Any) -> None:
    status, body, headers = ask(controlled, Origin=controlled.url)
    assert (status, json.loads(body)) == (200, {"control": {"url": URL, "token": TOKEN}})
    assert not [name for name in headers if name.startswith("Access-Control-")]


def test_control__a_page_of_elsewhere__refused_even_where_all_origins_may_speak(controlled: Any) -> None:
    for origin in ("http://evil.example", "null", controlled.url.replace("127.0.0.1", "localhost")):
        status, body, headers = ask(controlled, Origin=origin)
        assert (status, TOKEN in body) == (403, False)
        assert not [name for name in headers if name.startswith("Access-Control-")]
    _, _, headers = ask(controlled, "OPTIONS", Origin="http://evil.example")
    assert not [name for name in headers if name.startswith("Access-Control-")]


def test_control__a_foreign_host_that_leads_here__refused(controlled: Any) -> None:
    host = f"evil.example:{controlled.port}"
    status, body, _ = ask(controlled, Host=host, Origin=f"http://{host}")
    assert (status, TOKEN in body) == (403, False)


def test_control__everything_else_that_a_node_tells__has_no_token(controlled: Any) -> None:
    for path in ("/info", "/health", "/peers", "/"):
        with urllib.request.urlopen(controlled.url + path, timeout=5) as answer:
            assert TOKEN not in answer.read().decode() + str(answer.headers)
    ask(controlled, Origin=controlled.url)
    assert TOKEN not in controlled.process.log.read_text()


def test_control__a_node_that_nobody_owns__has_none(lone_node: Any) -> None:
    status, body, _ = ask(lone_node, Origin=lone_node.url)
    assert (status, json.loads(body)) == (200, {"control": None})
