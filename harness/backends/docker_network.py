"""A network per run, with a subnet of its own, so that members keep fixed addresses.

The engine refuses a subnet that overlaps another of its networks. It does not look at the routes of
this machine: a subnet that shadows a VPN would cut the user off from it, so we look.
"""

import random
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, ip_network
from itertools import islice
from pathlib import Path

import docker
from docker.errors import APIError

from harness.backends.docker_engine import engine_errors, run_labels, spoken
from harness.errors import HarnessError

_PRIVATE = tuple(IPv4Network(pool) for pool in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_ROUTES = Path("/proc/net/route")  # Linux; elsewhere the engine runs in a virtual machine with its own.
_TRIES = 8  # Two runs that begin together may choose the same subnet; the engine lets only one have it.
_PER_POOL = 512  # Candidates that are looked at in each private range.


def create_network(api: docker.APIClient, *, name: str, run_id: str) -> IPv4Network:
    """Create the run's network and return its subnet, a /24.

    Raises:
        HarnessError: no subnet is free, or the engine refuses.
    """
    refused: list[IPv4Network] = []
    for _ in range(_TRIES):
        with engine_errors("list networks"):
            taken = [*_engine_subnets(api), *_host_routes(), *refused]
        subnet = free_subnet(taken, random.Random(run_id))
        if _created(api, name, subnet, run_id):
            return subnet
        refused.append(subnet)
    raise HarnessError(
        f"Docker refused {_TRIES} subnets as overlapping ({', '.join(map(str, refused))}); "
        "remove networks that are no longer used: docker network prune"
    )


def _created(api: docker.APIClient, name: str, subnet: IPv4Network, run_id: str) -> bool:
    pool = docker.types.IPAMPool(subnet=str(subnet), gateway=str(subnet[1]))
    with engine_errors(f"create the network {name} ({subnet})"):
        try:
            api.create_network(
                name,
                driver="bridge",
                ipam=docker.types.IPAMConfig(pool_configs=[pool]),
                labels=run_labels(run_id),
            )
        except APIError as error:
            if "overlaps" in spoken(error):
                return False
            raise
    return True


def free_subnet(taken: Iterable[IPv4Network], choice: random.Random) -> IPv4Network:
    """Return a private /24 that overlaps nothing that is taken.

    Raises:
        HarnessError: everything private is taken, or so much that none was found.
    """
    busy = tuple(taken)
    for pool in _PRIVATE:
        for subnet in islice(_candidates(pool, choice), _PER_POOL):
            if not any(subnet.overlaps(other) for other in busy):
                return subnet
    raise HarnessError(
        "no private /24 subnet is free beside this machine's routes and Docker's networks; "
        "remove networks that are no longer used: docker network prune"
    )


def _candidates(pool: IPv4Network, choice: random.Random) -> Iterator[IPv4Network]:
    count = 2 ** (24 - pool.prefixlen)
    for index in choice.sample(range(count), k=min(count, _PER_POOL)):
        yield IPv4Network((int(pool.network_address) + (index << 8), 24))


def _engine_subnets(api: docker.APIClient) -> Iterator[IPv4Network]:
    for network in api.networks():
        for pool in (network.get("IPAM") or {}).get("Config") or ():
            subnet = ip_network(pool["Subnet"], strict=False) if pool.get("Subnet") else None
            if isinstance(subnet, IPv4Network):
                yield subnet


def _host_routes() -> Iterator[IPv4Network]:
    if _ROUTES.exists():
        yield from parse_routes(_ROUTES.read_text())


def parse_routes(table: str) -> Iterator[IPv4Network]:
    """Yield the destinations in the kernel's routing table, without those that mean "everything else"."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        destination, mask = (IPv4Address(bytes.fromhex(fields[at])[::-1]) for at in (1, 7))
        route = IPv4Network(f"{destination}/{mask}")
        if route.prefixlen > 1:  # A VPN may write its default route as two halves.
            yield route
