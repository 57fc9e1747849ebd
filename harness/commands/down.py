"""`wordaround down`: the end of a cluster that `up` started."""

import json
from typing import Annotated

import psutil
import typer

from harness.commands.options import ClusterId
from harness.errors import HarnessError
from harness.supervisor.clusters import Cluster, the_one
from harness.supervisor.control import ask

_END_S = 130.0  # Above what the supervisor itself gives the end.
_EXIT_S = 20.0  # What it has for its own end, after all else.


def down(
    cluster_id: ClusterId = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")] = False,
) -> None:
    """End a cluster that `up` started, in order; says what was ended."""
    cluster = the_one(cluster_id)
    ended = end(cluster)
    if as_json:
        typer.echo(json.dumps({"id": cluster.id, "ended": ended}))
    else:
        typer.echo(f"Ended the cluster {cluster.id}: {', '.join(ended) or 'nothing was started yet'}")


def end(cluster: Cluster) -> list[str]:
    """Have the supervisor end its cluster and itself; return the members that it ended.

    Raises:
        HarnessError: it is dead, does not answer, or says what it could not end.
    """
    access = cluster.reach()
    supervisor = _process(cluster)
    ended: list[str] = ask(access, "down", timeout_s=_END_S)["ended"]
    try:
        if supervisor is not None:
            supervisor.wait(_EXIT_S)
    except psutil.TimeoutExpired as error:
        raise HarnessError(
            f"the members of the cluster {cluster.id} were ended, but its supervisor (process "
            f"{cluster.claim.owner}) has not ended within {_EXIT_S:g} s; `kill -9` it, its watchdog cleans up"
        ) from error
    return ended


def _process(cluster: Cluster) -> psutil.Process | None:
    try:
        return psutil.Process(cluster.claim.owner)
    except psutil.NoSuchProcess:
        return None
