"""The control over HTTP: members are killed by who has the token, on this machine, from no other page."""

import contextlib
import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.supervisor.web import ControlWeb

TOKEN = "0" * 32
NODE = "http://127.0.0.1:5001"

Request = Callable[..., tuple[int, Any, dict[str, str]]]


@pytest.fixture
def web(asked) -> Iterator[ControlWeb]:
    with contextlib.closing(ControlWeb(TOKEN)) as web:
        web.open(asked, node_urls=lambda: [NODE])
        yield web


@pytest.fixture
def request_(web: ControlWeb) -> Request:
    def send(
        method: str, path: str, *, token: str | None = TOKEN, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", web.server_port, timeout=5)
        if token is not None:
            headers = {"Authorization": f"Bearer {token}", **headers}
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            body = response.read()
        return response.status, json.loads(body) if body else None, dict(response.headers)

    return send


def test_the_members_are_told(request_: Request) -> None:
    status, answer, headers = request_("GET", "/members")
    assert (status, answer) == (200, {"members": [{"name": "node-1"}]})
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("action", ["kill", "restart"])
def test_a_member_is_killed_and_restarted(action: str, request_: Request, asked) -> None:
    assert request_("POST", f"/members/node-1/{action}")[0] == 200
    assert asked.questions == [(action, "node-1")]


@pytest.mark.parametrize("token", [None, "", "1" * 32, TOKEN + "0"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/members"), ("POST", "/members/node-1/kill")])
def test_without_the_token_it_is_403_and_nothing_is_done(
    method: str, path: str, token: str | None, request_: Request, asked
) -> None:
    status, answer, _ = request_(method, path, token=token)
    assert (status, asked.questions) == (403, [])
    assert answer == {"error": "wants `Authorization: Bearer` and this cluster's token"}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", ""])
def test_under_another_name_it_is_403_whatever_the_token(
    host: str, web: ControlWeb, request_: Request, asked
) -> None:
    status, answer, _ = request_("POST", "/members/node-1/kill", Host=host.format(port=web.server_port))
    assert (status, asked.questions) == (403, [])
    assert answer["error"].endswith(f"ask {web.url}")


def test_localhost_is_this_machine(web: ControlWeb, request_: Request) -> None:
    assert request_("GET", "/members", Host=f"localhost:{web.server_port}")[0] == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:5002", "https://127.0.0.1:5001"]
)
def test_a_page_of_elsewhere_is_403_whatever_its_token(origin: str, request_: Request, asked) -> None:
    status, answer, headers = request_("POST", "/members/node-1/kill", Origin=origin)
    assert (status, asked.questions) == (403, [])
    assert answer["error"] == f"{origin!r} is no node of this cluster"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("origin", [NODE, "http://localhost:5001"])
def test_a_page_of_a_node_may_ask_and_read_the_answer(origin: str, request_: Request, asked) -> None:
    allowed, _, headers = request_("OPTIONS", "/members/node-1/kill", token=None, Origin=origin)
    assert allowed == 204
    assert headers["Access-Control-Allow-Headers"] == "Authorization"
    assert asked.questions == [], "the browser asks whether it may ask; that does nothing"
    status, _, headers = request_("POST", "/members/node-1/kill", Origin=origin)
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, origin)


def test_a_browser_is_told_that_another_page_may_not_ask(request_: Request) -> None:
    status, _, headers = request_("OPTIONS", "/members/node-1/kill", token=None, Origin="http://evil.example")
    assert status == 403
    assert "Access-Control-Allow-Headers" not in headers


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/", 404),
        ("GET", "/members/node-1/kill", 404),  # A link or an image must not kill.
        ("POST", "/members/node-1/pause", 404),
        ("POST", "/members//kill/", 404),
        ("POST", "/members/node-9/kill", 404),
        ("POST", "/members/node-8/kill", 409),
    ],
)
def test_what_cannot_be_done_is_said_with_its_own_code(
    method: str, path: str, code: int, request_: Request
) -> None:
    status, answer, _ = request_(method, path)
    assert status == code
    assert answer["error"]


def test_before_the_cluster_is_there_it_is_503() -> None:
    with contextlib.closing(ControlWeb(TOKEN)) as web:
        connection = http.client.HTTPConnection("127.0.0.1", web.server_port, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", "/members", headers={"Authorization": f"Bearer {TOKEN}"})
            assert connection.getresponse().status == 503


def test_only_this_machine_can_connect(web: ControlWeb) -> None:
    assert web.socket.getsockname()[0] == "127.0.0.1"
