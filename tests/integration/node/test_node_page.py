"""The page and its origins: every node serves it, only the cluster's own pages may speak to a node."""

import contextlib
import http.client
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import cluster.page

pytestmark = pytest.mark.process

FOLDER = Path(cluster.page.__file__).with_name("page")
FOREIGN = "http://elsewhere.example"


def ask(node: Any, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    """Ask with the path as it is, which `urllib` would tidy up; the body is read already."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", node.port, timeout=5)) as connection:
        connection.request(
            method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = connection.getresponse()
        answer.body = answer.read()  # type: ignore[attr-defined]
        return answer


def body(answer: http.client.HTTPResponse) -> bytes:
    return bytes(answer.body)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/page/js/client.js", "text/javascript; charset=utf-8"),
        ("/page/vendor/socket.io.esm.min.js", "text/javascript; charset=utf-8"),
    ],
)
def test_page__asked_twice__typed_guarded_and_not_sent_again(pair: Any, path: str, content_type: str) -> None:
    for node in pair:
        answer = ask(node, path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, content_type)
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        again = ask(node, path, If_None_Match=answer.headers["ETag"])
        assert (again.status, body(again)) == (304, b"")
        assert ask(node, path, If_None_Match='"another"').status == 200


def test_page__all_files_that_it_names__are_served(pair: Any) -> None:
    page = body(ask(pair[0], "/")).decode()
    named = re.findall(r'(?:src|href)="([^":#]+)"', page)
    assert len(named) >= 2
    for name in named:
        assert ask(pair[0], f"/{name}").status == 200, name


@pytest.mark.parametrize(
    "path",
    [
        "/page/../page.py", "/page/%2e%2e/page.py", "/page/js/../../settings.py", "/page//etc/passwd",
        "/page/", "/page/js", "/page/package.json", "/page/js/%00", "/page/..%2f..%2fREADME.md",
        "/page/js\\client.js", "/page/.", "/page/js/./client.js", "/page/JS/client.js",
    ],
)  # fmt: skip
def test_page__a_path_that_is_no_file_of_it__not_found(pair: Any, path: str) -> None:
    answer = ask(pair[0], path)
    assert answer.status in (404, 308)  # Flask tidies `//`, and there is nothing either.
    if answer.status == 404:
        assert json.loads(body(answer))["error"]["code"] == "not_found"


def test_page__its_policy__own_scripts_and_the_hosts_of_the_cluster(
    pair: Any, world: Any, until: Any
) -> None:
    far = world.node("far", PUBLIC_URL="https://chat.example:8443")
    until(lambda: "far" in pair[0].peers(), "the peer is known")
    policy = dict(
        part.split(" ", 1) for part in ask(pair[0], "/").headers["Content-Security-Policy"].split("; ")
    )
    assert (policy["default-src"], policy["script-src"]) == ("'none'", "'self'")
    assert "unsafe" not in str(policy)
    sources = policy["connect-src"].split()
    assert {"'self'", "http://127.0.0.1:*", "ws://127.0.0.1:*", "wss://chat.example:*"} <= set(sources)
    assert "http://chat.example:*" not in sources
    far.process.kill()


def test_page__without_the_official_client__a_stand_in_that_says_so(tmp_path: Path) -> None:
    from flask import Flask

    shutil.copytree(FOLDER, tmp_path / "page", ignore=shutil.ignore_patterns("vendor"))
    app = Flask("bare", static_folder=None)
    cluster.page.PageFiles(tuple, tmp_path / "page").register(app)
    answer = app.test_client().get("/page/vendor/socket.io.esm.min.js")
    assert answer.status_code == 200
    assert answer.text.startswith("export const io = null;")


def connects(node: Any, origin: str) -> bool:
    """Tell whether a WebSocket of a page from there is accepted."""
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    answer = ask(node, "/socket.io/?EIO=4&transport=websocket", **handshake, Origin=origin)
    assert answer.status in (101, 400)
    return answer.status == 101


def reads(node: Any, origin: str, path: str = "/health") -> bool:
    """Tell whether a page from there may read an answer."""
    answer = ask(node, path, Origin=origin)
    assert "Origin" in answer.headers["Vary"]
    return answer.headers["Access-Control-Allow-Origin"] == origin


def test_origin__of_a_node_of_the_cluster__welcome_under_each_name_of_this_machine(
    pair: Any, until: Any
) -> None:
    until(lambda: "node-2" in pair[0].peers(), "the peer is known")
    for name in ("127.0.0.1", "localhost", "[::1]"):
        for port in (pair[0].port, pair[1].port):
            assert connects(pair[0], f"http://{name}:{port}")
            assert reads(pair[0], f"http://{name}:{port}")


def test_origin__foreign__refused(pair: Any) -> None:
    for origin in (
        FOREIGN, "null", f"https://127.0.0.1:{pair[1].port}", f"http://127.0.0.1.example:{pair[1].port}",
        "http://127.0.0.1", f"http://127.0.0.1:{pair[1].port}.example", "*",
    ):  # fmt: skip
        assert not connects(pair[0], origin), origin
        assert not reads(pair[0], origin), origin


def test_origin__of_a_node_that_is_gone__still_welcome(pair: Any, world: Any, until: Any) -> None:
    gone = world.node("gone")
    until(lambda: "gone" in pair[0].peers(), "the peer is known")
    gone.process.kill()
    until(lambda: pair[0].peers()["gone"] == "dead", "it is known to be dead")
    assert connects(pair[0], gone.url)
    assert reads(pair[0], gone.url)


def test_origin__named_in_the_settings__welcome_besides_the_clusters(world: Any) -> None:
    node = world.node("named", CORS_ORIGINS="https://portal.example")
    assert connects(node, "https://portal.example")
    assert reads(node, "https://portal.example")
    assert connects(node, node.url)
    assert not connects(node, FOREIGN)


def test_origin__any_in_the_settings__welcome(world: Any) -> None:
    node = world.node("open", CORS_ORIGINS="*")
    assert connects(node, FOREIGN)
    assert reads(node, FOREIGN)


def test_preflight__for_the_token__answered_to_the_clusters_pages_alone(world: Any) -> None:
    node = world.node("guarded", TOKEN="secret")
    for origin, allowed in ((node.url, "Authorization"), (FOREIGN, None)):
        answer = ask(node, "/rooms", "OPTIONS", Origin=origin, Access_Control_Request_Method="GET")
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Headers"] == allowed
    answer = ask(node, "/rooms", Origin=node.url)  # A browser must see the refusal, too.
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (401, node.url)
