"""Targets that are not this machine are refused, whatever they are called."""

import socket

import pytest

from harness.backends.loopback import addresses, why_refused


def resolver(*found: str):
    return lambda host: found


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_loopback_addresses_are_allowed(address) -> None:
    assert why_refused("http://x:5000", (), resolver(address)) is None


ELSEWHERE = (
    "10.0.0.1", "192.168.1.1", "172.17.0.2", "8.8.8.8", "0.0.0.0", "::", "fe80::1%eth0", "2001:db8::1",
    "::ffff:10.0.0.1",
)  # fmt: skip


@pytest.mark.parametrize("address", ELSEWHERE)
def test_every_other_address_is_refused(address) -> None:
    assert "is not this machine" in str(why_refused("http://x:5000", (), resolver(address)))


def test_one_address_of_a_name_that_is_elsewhere_is_enough() -> None:
    why = why_refused("http://chat.example:5000", (), resolver("127.0.0.1", "10.0.0.1"))
    assert why == (
        "chat.example (10.0.0.1) is not this machine; a test floods its target and waits for it to break. "
        "If that cluster is yours to test, add `--allow-remote chat.example`"
    )


@pytest.mark.parametrize("allowed", ["chat.example", "CHAT.example"])
def test_a_host_that_is_allowed_by_its_name_is_not_looked_up(allowed) -> None:
    def asked(host: str) -> tuple[str, ...]:
        raise AssertionError(f"{host} was looked up")

    assert why_refused("http://Chat.Example:5000", (allowed,), asked) is None


def test_what_is_allowed_is_one_host_and_no_other() -> None:
    assert why_refused("http://b.example", ("a.example", "example"), resolver("10.0.0.1")) is not None


@pytest.mark.parametrize("allowed", ["2001:db8::1", "[2001:db8::1]"])
def test_an_address_in_brackets_is_allowed_with_and_without_them(allowed) -> None:
    assert why_refused("http://[2001:db8::1]:5000", (allowed,), resolver("2001:db8::1")) is None


def test_a_name_without_an_address_is_refused_with_the_reason() -> None:
    def unknown(host: str) -> tuple[str, ...]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert why_refused("http://nowhere:1", (), unknown) == "nowhere has no address: Name or service not known"


def test_a_host_that_is_no_name_at_all_is_refused() -> None:
    assert "has no address" in str(why_refused(f"http://{'a' * 70}:1", ()))


def test_this_machine_is_found_by_its_addresses() -> None:
    assert addresses("127.0.0.1") == ("127.0.0.1",)
