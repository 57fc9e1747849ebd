"""reconnect-storm: every connection of clients is cut at once, no other one is, and all can come back."""

import contextlib
import socket
import time
from urllib.parse import urlsplit

import pytest

from harness.faults.base import NotProven

FAULT = "reconnect-storm"
CLIENTS = 20


@contextlib.contextmanager
def clients(cluster, *nodes):
    """So many idle connections to each node."""
    with contextlib.ExitStack() as stack:
        sockets = []
        for node in nodes:
            address = urlsplit(cluster.member(node).url)
            for _ in range(CLIENTS):
                sock = stack.enter_context(
                    socket.create_connection((address.hostname, address.port), timeout=5)
                )
                sock.sendall(b"GET /ready HTTP/1.1\r\nHost: wordaround\r\n\r\n")
                assert (
                    sock.recv(9) == b"HTTP/1.1 "
                )  # It is served: the connection is established for certain.
                sockets.append(sock)
        yield sockets


def is_cut(sock):
    sock.settimeout(2.0)
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def test_all_clients_of_all_nodes_are_cut_together_and_served_again(cluster):
    before = [cluster.backend.identity(name) for name in ("node-1", "node-2")]
    with cluster.redis() as redis, clients(cluster, "node-1", "node-2") as connected:
        own = redis.client_id()
        fault = cluster.fault("reconnect-storm", "node-1", "node-2")

        began = time.monotonic()
        fault.inject()
        evidence = fault.prove()

        assert all(is_cut(sock) for sock in connected)
        assert time.monotonic() - began < 10
        counts = [int(part.split(": ")[1].split()[0]) for part in evidence["cut"].split("; ")]
        assert all(count >= CLIENTS for count in counts)
        assert redis.client_id() == own
    fault.heal()
    assert [cluster.backend.identity(name) for name in ("node-1", "node-2")] == before
    with clients(cluster, "node-1") as again:
        assert not is_cut(again[0])


def test_who_is_not_a_target_keeps_its_clients_and_a_node_without_clients_proves_nothing(cluster):
    with clients(cluster, "node-1") as connected:
        fault = cluster.fault("reconnect-storm", "node-2")
        fault.inject()
        with pytest.raises(NotProven, match="no client was connected to node-2"):
            fault.prove()
        assert not is_cut(connected[0])
    fault.heal()
