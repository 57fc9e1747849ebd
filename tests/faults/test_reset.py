"""reset: established connections end with a RST, and whoever had them connects anew."""

import socket
import urllib.parse

import pytest

from harness.faults.base import NotProven
from harness.records.plan import CLIENTS

FAULT = "reset"


def client(cluster) -> socket.socket:
    """A client that node-1 has accepted, since it has answered it."""
    url = urllib.parse.urlsplit(cluster.member("node-1").url)
    sock = socket.create_connection((url.hostname, url.port), timeout=5)
    sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = b""
    while b'"ok"' not in answer and not answer.endswith(b"}"):
        answer += sock.recv(4096)
    return sock


def is_over(sock: socket.socket) -> bool:
    """Tell whether the connection has ended: before a container, Docker's own proxy makes a FIN of a RST."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_clients_are_cut_off_and_can_connect_again(cluster):
    with client(cluster) as cut:
        fault = cluster.fault(FAULT, "node-1", peers=(CLIENTS,))
        fault.undo()
        fault.inject()
        assert fault.prove() == {"cut": "1 connections"}
        assert is_over(cut)
    fault.heal()
    client(cluster).close()


def test_a_nodes_connections_to_redis_are_cut_and_it_makes_others(cluster):
    fault = cluster.fault(FAULT, "node-1", peers=("redis",))
    fault.inject()
    assert int(fault.prove()["cut"].split()[0]) >= 1
    fault.heal()
    cluster.backend.wait_ready("node-1", timeout_s=15.0)


def test_where_nobody_was_connected_nothing_is_proven(cluster):
    fault = cluster.fault(FAULT, "node-2", peers=(CLIENTS,))
    fault.inject()
    with pytest.raises(NotProven, match="node-2 had no connection over node-2–clients"):
        fault.prove()
    fault.heal()
