"""One small exchange with a member, and how long it took.

    python3 -m netns.probe node 10.0.0.11 5000 2.0

prints the seconds from the question to the answer, on a connection that was there before; nothing when there
was no answer in time.
"""

import socket
import sys
import time

_QUESTIONS = {"node": b"GET /health HTTP/1.0\r\n\r\n", "redis": b"PING\r\n"}


def exchange(role: str, host: str, port: int, *, timeout_s: float) -> float | None:
    """Connect, then return the seconds that a question to a member of that role and its answer take.

    `timeout_s` is for connecting and for the answer together; `None`: no answer by then, or refused.
    """
    deadline = time.monotonic() + timeout_s
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            asked = time.monotonic()
            connection.settimeout(max(0.001, deadline - asked))
            connection.sendall(_QUESTIONS[role])
            answered = bool(connection.recv(1))
            return time.monotonic() - asked if answered else None
    except OSError:  # Refused, reset, unreachable, late: the link does not work, which is the answer.
        return None


def main() -> None:
    """Print the seconds, or nothing."""
    role, host, port, timeout_s = sys.argv[1:]
    taken = exchange(role, host, int(port), timeout_s=float(timeout_s))
    sys.stdout.write("" if taken is None else f"{taken:.6f}")


if __name__ == "__main__":
    main()
