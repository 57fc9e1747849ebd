"""`python -m harness.proxies FD`: serve until the control connection, an inherited descriptor, ends."""

import resource
import socket
import sys

from harness.proxies.commands import Control
from harness.proxies.loop import Loop
from harness.proxies.switchboard import Switchboard


def main() -> None:
    """Serve; a bug ends the process, and the harness says so."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:  # Two descriptors a connection: the usual 1024 would be 500 clients.
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop = Loop()
    with socket.socket(fileno=int(sys.argv[1])) as control:
        Control(loop, control, Switchboard(loop))
        loop.run()


if __name__ == "__main__":
    main()
