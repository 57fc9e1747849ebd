"""Who is calling: found by who owns the connecting socket."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from harness.proxies import owners as owners_module
from harness.proxies.owners import Owners
from harness.proxies.socket_inodes import inode_of

CALLS = """
import socket, subprocess, sys
if sys.argv[2] == "child":
    subprocess.run([sys.executable, "-c", sys.argv[3], sys.argv[1], "itself", ""])
else:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as sock:
        sock.recv(1)
"""


@contextlib.contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give a client, and the server that has not accepted it yet."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        yield client, server


@pytest.fixture(params=["sock_diag", "psutil"])
def way(request, monkeypatch):
    """Both ways in which the kernel is asked."""
    if request.param == "psutil":
        monkeypatch.setattr(owners_module, "inode_of", lambda local, remote: None)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("who", ["itself", "child"])
def test_a_caller_is_the_member_in_whose_group_it_is(who):
    owners = Owners()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        groups = [
            subprocess.Popen([sys.executable, "-c", CALLS, str(port), who, CALLS], start_new_session=True)
            for _ in range(2)
        ]
        try:
            for number, group in enumerate(groups, 1):
                owners.started(f"node-{number}", group.pid)
            accepted = [server.accept() for _ in groups]
            named = {owners.of(caller, sock.getsockname(), besides="node-3") for sock, caller in accepted}
            assert named == {"node-1", "node-2"}
            sock, caller = accepted[0]
            mine = owners.of(caller, sock.getsockname(), besides="node-3")
            assert owners.of(caller, sock.getsockname(), besides=str(mine)) is None
            for sock, _ in accepted:
                sock.close()
        finally:
            for group in groups:
                group.wait(10)


@pytest.mark.usefixtures("way")
def test_who_is_in_no_group_is_no_member():
    owners = Owners()
    owners.started("node-1", 2**22 + 1)  # No process has such an id.
    with connected() as (client, server):
        accepted, caller = server.accept()
        with accepted:
            assert owners.of(caller, accepted.getsockname(), besides="node-2") is None
        assert client.recv(1) == b""


def test_the_kernel_tells_a_socket_by_its_ends_and_quickly():
    with connected() as (client, server):
        ends = client.getsockname(), client.getpeername()
        assert inode_of(*ends) == os.fstat(client.fileno()).st_ino
        server.accept()[0].close()
        began = time.process_time()
        for _ in range(100):
            inode_of(*ends)
        assert (time.process_time() - began) / 100 < 0.001
    assert inode_of(("127.0.0.1", 1), ("127.0.0.1", 2)) == 0


def test_what_was_announced_holds_for_one_connection():
    owners = Owners()
    owners.announce(40_000, "node-2")
    assert owners.announced(40_001) is None
    assert owners.announced(40_000) == "node-2"
    assert owners.announced(40_000) is None
