"""Docker's containers, volumes and networks of a run, found by its label, and removed."""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from harness.errors import HarnessError

_THREADS = 8


def remove(run_id: str, host: str, say: Callable[[str], None]) -> list[str]:
    """Remove them, whatever state they are in; return what could not be removed.

    `host` is the engine's, "" for the one that the environment or Docker's own configuration names.
    """
    from harness.backends.docker_engine import RUN_LABEL, Leavings, connect  # Slow to import.

    by_hand = (
        f"docker rm --force --volumes $(docker ps --all --quiet --filter label={RUN_LABEL}={run_id}), and "
        "the same with `docker volume` and `docker network`"
    )
    try:
        client = connect(host=host)
    except HarnessError as error:
        return [
            f"what run {run_id} made in Docker could not be looked for: {error}; "
            f"`wordaround heal` when it answers, or by hand: {by_hand}"
        ]
    with contextlib.closing(client), ThreadPoolExecutor(_THREADS) as pool:
        leavings = Leavings(client.api, run_id, pool)
        found = leavings.spoken()
        leavings.remove()
    if leavings.errors:
        return [f"Docker: {'; '.join(leavings.errors)}. By hand: {by_hand}"]
    if found:
        say(f"removed {found} from Docker")
    return []


def run_ids() -> list[str]:
    """Return the ids of the runs that have objects in the engine; none where none answers."""
    return sorted(_states())


def lives(run_id: str) -> bool:
    """Return whether a container of the run is running or paused."""
    return bool({"running", "paused"} & set(_states().get(run_id, ())))


def _states() -> dict[str, list[str]]:
    """Return the states of each run's containers; a run that has only networks or volumes has none."""
    from harness.backends.docker_engine import connect, labelled_objects

    try:
        client = connect(timeout_s=10)
    except HarnessError:  # Claims of runs in Docker, where there are any, say so.
        return {}
    with contextlib.closing(client):
        found: dict[str, list[str]] = {}
        for run_id, state in labelled_objects(client.api):
            found.setdefault(run_id, []).extend([state] if state else [])
        return found
