"""`wordaround status`: the members of a cluster that is up."""

import json
from typing import Annotated

import typer

from harness.commands.options import ClusterId
from harness.records.codec import dump_json, load_json
from harness.supervisor.clusters import the_one
from harness.supervisor.control import ask
from harness.supervisor.records import ClusterStatus, MemberStatus

_ANSWER_S = 15.0  # A look at every member, each with a deadline of its own.


def status(
    cluster_id: ClusterId = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")] = False,
) -> None:
    """Show a cluster that `up` started: members, states, identities, addresses, since when."""
    answer = ask(the_one(cluster_id).reach(), "status", timeout_s=_ANSWER_S)
    seen = load_json(ClusterStatus, json.dumps(answer["status"]))
    typer.echo(dump_json(seen).decode() if as_json else "\n".join(_lines(seen)))


def _lines(seen: ClusterStatus) -> tuple[str, ...]:
    return (
        f"Cluster {seen.id} ({seen.delivery}), up since {seen.since:%Y-%m-%d %H:%M:%S} UTC",
        f"  backend  {seen.backend}: {seen.reason}",
        f"  control  {seen.control_url} (token in {seen.access}), supervisor process {seen.supervisor}",
        f"  logs     {seen.logs}",
        "",
        *(f"  {_line(member)}" for member in seen.members),
    )


def _line(member: MemberStatus) -> str:
    since = f"since {member.since:%H:%M:%S}"
    return f"{member.name:<8} {member.state.value:<9} {since}  {member.url}  {member.identity}".rstrip()
