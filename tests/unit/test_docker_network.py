"""A run's subnet overlaps nothing that is there."""

import random
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.docker_network import free_subnet, parse_routes
from harness.errors import HarnessError

PRIVATE = [IPv4Network(pool) for pool in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]

networks = st.builds(
    lambda address, length: IPv4Network((address, length), strict=False),
    st.sampled_from([int(pool.network_address) for pool in PRIVATE]).flatmap(
        lambda base: st.integers(base, base + 2**20 - 1)
    ),
    st.integers(9, 30),
)


@given(taken=st.lists(networks, max_size=12), seed=st.integers())
def test_the_subnet_is_private_a_24_and_overlaps_nothing_taken(taken: list[IPv4Network], seed: int) -> None:
    subnet = free_subnet(taken, random.Random(seed))
    assert subnet.prefixlen == 24
    assert any(subnet.subnet_of(pool) for pool in PRIVATE)
    assert not any(subnet.overlaps(other) for other in taken)


def test_a_vpn_over_all_of_10_leaves_the_other_private_ranges() -> None:
    subnet = free_subnet([IPv4Network("10.0.0.0/8")], random.Random(1))
    assert subnet.subnet_of(IPv4Network("172.16.0.0/12"))


def test_where_everything_private_is_taken_the_error_says_how_to_mend_it() -> None:
    with pytest.raises(HarnessError, match="docker network prune"):
        free_subnet(PRIVATE, random.Random(1))


def test_routes_are_read_from_the_kernels_table_without_the_default_ones() -> None:
    table = (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "tun0\t00000080\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n"
        "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        "tun0\t0A010A0A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n"
    )
    assert [str(route) for route in parse_routes(table)] == ["172.17.0.0/16", "10.10.1.10/32"]
