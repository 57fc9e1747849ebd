"""Tries what the kernel must have beside iptables; fails with a sentence when it has not.

python3 -m netns.trial
"""

import socket
import subprocess
import sys

from .nfqueue import Queues


def _queue() -> None:
    try:
        Queues().bind(1, copy=20, whole=True)
    except OSError as error:
        sys.exit(f"the kernel has no NFQUEUE to delay packets with ({error})")


def _destroy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            subprocess.run(["ss", "-HntK", "dport", "=", f":{port}"], capture_output=True, check=False)
            try:
                connection.sendall(b"?")
            except ConnectionError:
                return
    sys.exit("the kernel cannot cut established connections (ss --kill: it lacks INET_DIAG_DESTROY)")


def main() -> None:
    """Try everything."""
    _queue()
    _destroy()


if __name__ == "__main__":
    main()
