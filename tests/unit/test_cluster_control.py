"""Control: a page of this machine gets address and token; nobody else does, whatever they claim to be."""

from typing import Any

import pytest
from flask import Flask

from cluster.control import Control, default_gateway
from cluster.settings import Settings

CONTROL = {"WORDAROUND_CONTROL_URL": "http://127.0.0.1:9000", "WORDAROUND_CONTROL_TOKEN": "hush"}
HANDED = {"control": {"url": "http://127.0.0.1:9000", "token": "hush"}}
PAGE = {"Host": "127.0.0.1:5001", "Origin": "http://127.0.0.1:5001", "Sec-Fetch-Site": "same-origin"}
GATEWAY = "172.28.0.1"
ROUTES = (
    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
    "eth0\t00001CAC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    "eth0\t00000000\t01001CAC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
)


def ask(
    headers: dict[str, str], *, address: str = "127.0.0.1", method: str = "POST", **environment: str
) -> Any:
    settings = {"WORDAROUND_PORT": "5001", **CONTROL, **environment}
    app = Flask("test")
    control = Control(Settings.from_environment(settings))
    control.register(app)
    return app.test_client().open(
        "/control", method=method, headers=headers, environ_base={"REMOTE_ADDR": address}
    )


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_a_page_of_this_machine_gets_it_and_nothing_keeps_it(name: str, address: str) -> None:
    page = {"Host": f"{name}:5001", "Origin": f"http://{name}:5001", "Sec-Fetch-Site": "same-origin"}
    answer = ask(page, address=address)
    assert (answer.status_code, answer.json) == (200, HANDED)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_a_browser_that_tells_nothing_of_sites_gets_it() -> None:
    assert ask({k: v for k, v in PAGE.items() if k != "Sec-Fetch-Site"}).json == HANDED


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"Origin": "http://evil.example"}, "only a page of this node"),
        ({"Origin": "http://127.0.0.1:5002"}, "only a page of this node"),
        ({"Origin": "https://127.0.0.1:5001"}, "only a page of this node"),
        ({"Origin": "http://localhost:5001"}, "only a page of this node"),
        ({"Origin": "null"}, "only a page of this node"),
        ({"Origin": ""}, "only a page of this node"),
        ({"Sec-Fetch-Site": "cross-site"}, "only a page of this node"),
        ({"Sec-Fetch-Site": "same-site"}, "only a page of this node"),
        ({"Sec-Fetch-Site": "none"}, "only a page of this node"),
        ({"Host": "evil.example:5001", "Origin": "http://evil.example:5001"}, "ask as http://127.0.0.1:5001"),
        ({"Host": "10.0.0.2:5001", "Origin": "http://10.0.0.2:5001"}, "ask as http://127.0.0.1:5001"),
        ({"Host": "127.0.0.1:5002", "Origin": "http://127.0.0.1:5002"}, "ask as http://127.0.0.1:5001"),
        ({"Host": "127.0.0.1", "Origin": "http://127.0.0.1"}, "ask as http://127.0.0.1:5001"),
        ({"Host": "127.0.0.1.evil.example:5001", "Origin": "http://127.0.0.1.evil.example:5001"}, "ask as"),
        ({"X-Forwarded-For": "127.0.0.1"}, "through a proxy"),
        ({"Forwarded": "for=127.0.0.1"}, "through a proxy"),
        ({"Via": "1.1 here"}, "through a proxy"),
    ],
)
def test_a_page_of_elsewhere_gets_nothing(changed: dict[str, str], why: str) -> None:
    answer = ask({**PAGE, **changed})
    assert answer.status_code == 403
    assert answer.json["error"]["code"] == "unauthorized"
    assert why in answer.json["error"]["message"]
    assert "hush" not in answer.text


@pytest.mark.parametrize("address", ["10.0.0.2", "172.28.0.5", GATEWAY, "fe80::1%eth0", "2001:db8::1", ""])
def test_another_machine_gets_nothing_whatever_it_says(address: str) -> None:
    answer = ask(PAGE, address=address)
    assert (answer.status_code, "hush" in answer.text) == (403, False)
    assert answer.json["error"]["message"] == "this came from another machine"


@pytest.mark.parametrize(("host", "address", "status"), [
    ("0.0.0.0", GATEWAY, 200), ("0.0.0.0", "172.28.0.5", 403), ("127.0.0.1", GATEWAY, 403),
])  # fmt: skip
def test_a_container_is_reached_through_its_gateway(
    host: str, address: str, status: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = tmp_path / "route"
    routes.write_text(ROUTES)
    monkeypatch.setattr("cluster.control._ROUTES", routes)
    assert ask(PAGE, address=address, WORDAROUND_HOST=host).status_code == status


@pytest.mark.parametrize(("routes", "gateway"), [(ROUTES, GATEWAY), (ROUTES[:-60], ""), ("", "")])
def test_the_gateway_is_that_of_the_default_route(routes: str, gateway: str) -> None:
    assert default_gateway(routes) == gateway


@pytest.mark.parametrize("missing", sorted(CONTROL))
def test_without_control_there_is_none_and_that_is_no_error(missing: str) -> None:
    answer = ask(PAGE, **{missing: ""})
    assert (answer.status_code, answer.json) == (200, {"control": None})


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_what_a_link_or_an_image_asks_is_not_answered(method: str) -> None:
    answer = ask(PAGE, method=method)
    assert (answer.status_code, "hush" in answer.text) == (405, False)
