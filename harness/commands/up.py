"""`wordaround up`: a cluster to look at by hand, until `wordaround down`."""

import os
import shlex
import sys
from typing import Annotated, Literal

import typer

from harness.backends.choose import check_name
from harness.commands.choices import BackendName
from harness.commands.console import stderr
from harness.errors import UsageError
from harness.interrupts import Interrupts
from harness.progress import make_progress
from harness.records.codec import dump_json
from harness.records.plan import ClusterPlan
from harness.scenario.model import MOST_NODES
from harness.scenario.targets import node_names
from harness.supervisor.clusters import clusters
from harness.supervisor.records import ClusterStatus, Order
from harness.supervisor.starting import start


def up(
    nodes: Annotated[
        int, typer.Option("--nodes", metavar="N", min=1, max=MOST_NODES, help="How many nodes.")
    ] = 3,
    delivery: Annotated[
        Literal["durable", "pubsub"],
        typer.Option("--delivery", metavar="durable|pubsub", help="How nodes deliver."),
    ] = "durable",
    backend: BackendName = "auto",
    another: Annotated[
        bool, typer.Option("--another", help="Also when one is up: `status` and `down` then want its id.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print its status, and nothing else, on stdout.")
    ] = False,
) -> None:
    """Start a cluster and leave it up; returns when every member is ready."""
    check_name(backend)
    _refuse_second(another)
    order = Order(
        run_id=os.urandom(4).hex(),
        backend=backend,
        cluster=ClusterPlan(nodes=node_names(nodes), delivery=delivery, appendfsync="always"),
        command=shlex.join(["wordaround", *sys.argv[1:]]),
    )
    progress = make_progress(stderr)
    interrupts = Interrupts(progress.say)
    try:
        with interrupts:
            status = start(order, progress.say, interrupts)
    except KeyboardInterrupt:
        progress.say("Interrupted; everything that was started is stopped")
        raise
    finally:
        progress.close()
    typer.echo(dump_json(status).decode() if as_json else _told(status))


def _refuse_second(another: bool) -> None:
    alive = [cluster.id for cluster in clusters() if cluster.alive]
    if alive and not another:
        which = f"the cluster {alive[0]} is" if len(alive) == 1 else f"the clusters {', '.join(alive)} are"
        raise UsageError(
            f"{which} up already; `wordaround status` shows it, `wordaround down` ends it, and "
            "`wordaround up --another` starts one more"
        )


def _told(status: ClusterStatus) -> str:
    lines = [f"The cluster {status.id} is up ({status.backend}: {status.reason}).", ""]
    lines += [f"  {member.name:<8} {member.url}" for member in status.members]
    lines += [
        "",
        f"  logs     {status.logs}",
        f"  control  {status.control_url} (token in {status.access})",
        "",
        f"See it:  wordaround status {status.id}",
        f"End it:  wordaround down {status.id}",
    ]
    return "\n".join(lines)
