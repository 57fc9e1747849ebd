"""`python -m harness.proxies FD`: serve until the control connection, an inherited descriptor, ends."""

import resource
import socket
import sys

from harness.proxies.commands import Control
from harness.proxies.loop import Loop
from harness.proxies.switchboard import Switchboard

DESCRIPTORS = 1 << 16  # two a connection: with the usual 1024 there would be room for 500 clients


def main() -> None:
    """Serve; a bug ends the process, and the harness says so."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < DESCRIPTORS:
        most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    loop = Loop()
    switchboard = Switchboard(loop)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        Control(loop, control, switchboard)
        loop.run()
    switchboard.close()


if __name__ == "__main__":
    main()
