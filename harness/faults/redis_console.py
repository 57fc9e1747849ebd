"""Redis as an operator speaks to it: directly, past whatever a fault does to the links of the nodes."""

import contextlib
from collections.abc import Iterator

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from harness.backends.base import Backend
from harness.errors import HarnessError

Console = redis.Redis  # answers are bytes

PATIENCE_S = 5.0  # For an answer, where the fault does not silence Redis itself.


@contextlib.contextmanager
def console(
    backend: Backend, member: str, *, patience_s: float = PATIENCE_S
) -> Iterator["redis.Redis[bytes]"]:
    """Connect to a Redis member for a while; each answer may take `patience_s`.

    Raises:
        HarnessError: it cannot be reached from this machine, does not answer in time, or refuses.
    """
    url = next((each.url for each in backend.members() if each.name == member), None)
    if url is None:
        raise HarnessError(f"{member} cannot be spoken to: this machine has no way to it")
    with redis.Redis.from_url(
        url,
        socket_timeout=patience_s,
        socket_connect_timeout=patience_s,
        retry=Retry(NoBackoff(), 0),  # Silence must be seen as what it is.
    ) as connected:
        try:
            yield connected
        except redis.RedisError as error:
            raise HarnessError(f"{member} did not do what it was asked: {error}") from error


def answers(backend: Backend, member: str, *words: str, within_s: float) -> bool:
    """Return whether Redis answers a command on a connection of its own within the time."""
    try:
        with console(backend, member, patience_s=within_s) as connected:
            connected.execute_command(*words)
    except HarnessError:
        return False
    return True
