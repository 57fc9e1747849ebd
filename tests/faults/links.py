"""What tests of faults on links look at: exchanges over each link of a cluster of two nodes."""

from concurrent.futures import ThreadPoolExecutor

from harness.backends.base import Backend
from harness.records.plan import CLIENTS

Ends = tuple[str, str]

LINKS: tuple[Ends, ...] = (
    ("node-1", CLIENTS),
    ("node-1", "redis"),
    ("node-1", "node-2"),
    ("node-2", "node-1"),
    ("node-2", CLIENTS),
    ("node-2", "redis"),
)
ALL = ("redis", "node-1", "node-2", CLIENTS)  # the peers of a fault that names none


def trips(backend: Backend, *, timeout_s: float = 5.0) -> dict[Ends, float | None]:
    """Time an exchange over every link, all at once."""
    with ThreadPoolExecutor(len(LINKS)) as pool:
        times = pool.map(lambda ends: backend.links.round_trip(*ends, timeout_s=timeout_s), LINKS)
        return dict(zip(LINKS, times, strict=True))


def answering(backend: Backend, *, timeout_s: float = 1.0) -> set[Ends]:
    """Return the links over which somebody answers."""
    return {ends for ends, trip in trips(backend, timeout_s=timeout_s).items() if trip is not None}


def of(*members: str) -> set[Ends]:
    """Return the links between these."""
    return {ends for ends in LINKS if set(ends) <= set(members)}
