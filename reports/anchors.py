"""The names of places on the page that other places lead to."""

import re

_FOREIGN = re.compile("[^A-Za-z0-9_-]+")


def witness_id(guarantee: str, index: int) -> str:
    """Return the id of a guarantee's story on the page, counted from 0: `witness-presence-0`."""
    return f"witness-{_FOREIGN.sub('-', guarantee)}-{index}"
