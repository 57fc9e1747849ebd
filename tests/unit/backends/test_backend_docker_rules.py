"""Rules hit the links that they are about, in the directions that they are about, and nothing else."""

import re

import pytest

from harness.backends.abilities import Direction, Effect, Impairment
from harness.backends.docker_links import shaper
from harness.backends.docker_rules import Ruling, check, counted, sockets
from harness.errors import HarnessError
from harness.records.plan import CLIENTS

ADDRESSES = {"redis": "10.1.2.10", "node-1": "10.1.2.11", "node-2": "10.1.2.12"}


def ruling(*peers: str, effect: Effect = "drop", direction: Direction = "both", loss: float = 0.0) -> Ruling:
    impairment = Impairment(member="node-1", peers=peers, effect=effect, direction=direction, loss=loss)
    return Ruling(number=7, impairment=impairment, addresses=ADDRESSES, bit=4)


def rules(of: Ruling, side: str) -> list[str]:
    """Return the rules of one side's chain, without the chain's name."""
    return re.findall(rf"^-A WORDAROUND-7-{side} (.*)$", of.added(), re.MULTILINE)


def test_both_directions_are_cut_by_the_peers_address_but_never_the_loopback() -> None:
    cut = ruling("redis", "node-2")
    assert rules(cut, "out") == ["-o lo -j RETURN", "-d 10.1.2.10 -j DROP", "-d 10.1.2.12 -j DROP"]
    assert rules(cut, "in") == ["-i lo -j RETURN", "-s 10.1.2.10 -j DROP", "-s 10.1.2.12 -j DROP"]


@pytest.mark.parametrize(("direction", "here", "not_here"), [("to", "out", "in"), ("from", "in", "out")])
def test_one_direction_leaves_the_other_alone(direction: Direction, here: str, not_here: str) -> None:
    cut = ruling("redis", direction=direction)
    assert f"WORDAROUND-7-{here}" in cut.added()
    assert f"WORDAROUND-7-{not_here}" not in cut.added() + cut.removed()


def test_clients_are_all_that_is_no_member() -> None:
    cut = ruling(CLIENTS)
    members = [f"-s {address} -j RETURN" for address in ADDRESSES.values()]
    assert rules(cut, "in") == ["-i lo -j RETURN", *members, "-j DROP"]


def test_clients_and_a_member_together_leave_the_other_members_alone() -> None:
    cut = ruling(CLIENTS, "redis")
    assert "-d 10.1.2.10 -j RETURN" not in rules(cut, "out")
    assert rules(cut, "out")[-2:] == ["-d 10.1.2.12 -j RETURN", "-j DROP"]


def test_a_refusal_itself_is_let_through() -> None:
    refused = rules(ruling("redis", effect="reject"), "out")
    assert refused[1:] == [
        "-p tcp --tcp-flags RST RST -j RETURN",
        "-d 10.1.2.10 -p tcp -j REJECT --reject-with tcp-reset",
        "-d 10.1.2.10 -j REJECT",
    ]


def test_what_has_waited_does_not_wait_again_and_nobody_waits_without_a_shaper() -> None:
    delayed = ruling("redis", effect="delay")
    assert delayed.added().startswith("*mangle\n")
    assert rules(delayed, "out")[1:] == [
        "-m mark --mark 0x4/0x4 -j RETURN",
        "-d 10.1.2.10 -j NFQUEUE --queue-num 14 --queue-bypass",
    ]
    assert "--queue-num 15 --queue-bypass" in rules(delayed, "in")[-1]


def test_the_share_that_is_lost_is_written_in_plain_digits() -> None:
    assert "--probability 0.000010 " in rules(ruling("redis", effect="loss", loss=1e-5), "in")[1]


def test_what_is_removed_is_what_was_added() -> None:
    cut = ruling("redis")
    for side, hook in (("out", "OUTPUT"), ("in", "INPUT")):
        chain = f"WORDAROUND-7-{side}"
        assert f"-A {hook} -j {chain}\n" in cut.added()
        for line in (f"-D {hook} -j {chain}", f"-F {chain}", f"-X {chain}"):
            assert f"{line}\n" in cut.removed()


def test_only_what_acts_is_counted_and_only_of_the_handle() -> None:
    saved = """\
:WORDAROUND-7-in - [0:0]
[90:900] -A INPUT -j WORDAROUND-7-in
[50:500] -A WORDAROUND-7-in -i lo -j RETURN
[3:180] -A WORDAROUND-7-in -s 10.1.2.10/32 -j DROP
[2:120] -A WORDAROUND-7-in -s 10.1.2.12/32 -j DROP
[4:160] -A WORDAROUND-7-out -d 10.1.2.10/32 -p tcp -j REJECT --reject-with tcp-reset
[9:999] -A WORDAROUND-77-out -d 10.1.2.10/32 -j NFQUEUE --queue-num 154 --queue-bypass
"""
    assert counted(saved, "WORDAROUND-7") == {"in": (5, 300), "out": (4, 160)}
    assert counted(saved, "WORDAROUND-77") == {"in": (0, 0), "out": (9, 999)}
    assert counted("", "WORDAROUND-7") == {"in": (0, 0), "out": (0, 0)}


def test_connections_of_members_and_of_clients_are_found_by_their_other_end() -> None:
    assert sockets(("redis", "node-2"), ADDRESSES) == "( dst 10.1.2.10 or dst 10.1.2.12 )"
    found = sockets((CLIENTS,), ADDRESSES)
    assert all(f"not dst {address}" in found for address in (*ADDRESSES.values(), "127.0.0.0/8"))


@pytest.mark.parametrize(
    ("member", "peers", "said"),
    [
        ("node-9", ("redis",), "no member 'node-9'"),
        (CLIENTS, ("redis",), "no member 'clients'"),
        ("node-1", ("node-9",), "no member 'node-9'"),
        ("node-1", ("node-1", "redis"), "other members and clients only"),
        ("node-1", (), "other members and clients only"),
    ],
)
def test_links_that_are_none_are_refused(member: str, peers: tuple[str, ...], said: str) -> None:
    with pytest.raises(HarnessError, match=said):
        check(Impairment(member=member, peers=peers, effect="drop"), ADDRESSES)


def test_a_shaper_draws_from_the_seed_of_its_impairment() -> None:
    def asked(seed: int) -> tuple[str, ...]:
        slow = Impairment(
            member="node-1", peers=("redis",), effect="delay", delay_s=0.1, jitter_s=0.05, seed=seed
        )
        return shaper(Ruling(number=7, impairment=slow, addresses=ADDRESSES, bit=4))

    assert {"--jitter=0.05", "--seed=9007199254740991"} <= set(asked(2**53 - 1))
    assert "--seed=3" in asked(3)
