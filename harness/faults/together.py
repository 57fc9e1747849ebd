"""Doing something to several targets at once, and telling of several targets in one line."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def together(work: Callable[[str], Result], members: Iterable[str]) -> dict[str, Result]:
    """Do it to all members at once; return what came of it, in their order.

    An error of one stops no other; once all are done the first one's is raised.
    """
    wanted = tuple(members)
    with ThreadPoolExecutor(max(1, len(wanted)), thread_name_prefix="target") as pool:
        futures = {member: pool.submit(work, member) for member in wanted}
    return {member: future.result() for member, future in futures.items()}


def spoken(words: Mapping[str, str]) -> str:
    """Return what was seen of each target: of one target alone, of several each after its name."""
    if len(words) == 1:
        return next(iter(words.values()))
    return "; ".join(f"{member}: {word}" for member, word in words.items())
