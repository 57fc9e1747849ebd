"""What can be done in a network namespace: a container's, where one can be had, else one of `unshare`."""

import contextlib
import os
import subprocess
from collections.abc import Iterator

from harness.backends import images
from harness.backends.docker_engine import connect, engine_errors, run_labels
from harness.doctor.finding import Finding, finding
from harness.doctor.kernel import unshared
from harness.errors import HarnessError

_ENGINE_S = 20
_UNSHARED_S = 20.0

# A line for each try: its name, and, where it failed, what was said.
_TRIES = r"""
try() {
    what=$1; shift
    if said=$("$@" 2>&1); then echo "$what"; else echo "$what $(echo "$said" | tail -n 1)"; fi
}
for kind in iptables-nft iptables-legacy iptables; do "$kind" -S >/dev/null 2>&1 && break; done
try drop "$kind" -A OUTPUT -d 127.0.0.2 -j DROP
try queue "$kind" -A OUTPUT -d 127.0.0.2 -j NFQUEUE --queue-num 1 --queue-bypass
try netem tc qdisc add dev lo root netem delay 1ms
"""


def network() -> Iterator[Finding]:
    """Packet filters, packet queues, and the kernel's own delays."""
    failures, where = _tried()
    yield finding(
        "faults on containers",
        "iptables",
        failures["drop"],
        f"packets can be dropped in a network namespace ({where})",
        "no partition and reset on containers; load the kernel's modules: modprobe iptable_filter nf_tables",
    )
    yield finding(
        "faults on containers",
        "NFQUEUE",
        failures["queue"],
        f"packets can be held back ({where})",
        "no latency, loss and bandwidth on containers; load the kernel's module: modprobe nfnetlink_queue",
    )
    netem = failures["netem"]
    there = (
        "there" if netem is None else f"not there ({netem}); packets are held back by NFQUEUE in its place"
    )
    yield Finding(needed_for="faults on containers", what="netem", ok=True, text=there)


def _tried() -> tuple[dict[str, str | None], str]:
    try:
        said, where = _in_container(), "in a container"
    except HarnessError as error:
        said, where = _in_namespace(str(error)), "tried with unshare"
    found = {name: why or None for name, _, why in (line.partition(" ") for line in said.splitlines())}
    return {name: found.get(name, said.strip()) for name in ("drop", "queue", "netem")}, where


def _in_container() -> str:
    with contextlib.closing(connect(timeout_s=_ENGINE_S)) as client, engine_errors("try its networks"):
        helper = next((state.found for state in images.states(client) if state.what == "helper"), None)
        if helper is None:
            raise HarnessError("the helpers' image is made with the first run that needs it")
        said: bytes = client.containers.run(
            helper,
            ["sh", "-c", _TRIES],
            cap_add=["NET_ADMIN"],
            labels=run_labels(os.urandom(4).hex()),  # So that `heal` finds it, whatever becomes of us.
            network_mode="none",
            remove=True,
        )
    return said.decode("utf-8", "replace")


def _in_namespace(no_container: str) -> str:
    try:
        ended = subprocess.run(
            (*unshared("--net"), "sh", "-c", _TRIES),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_UNSHARED_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{error}, and in no container: {no_container}"
    return ended.stdout or f"{ended.stderr.strip()}, and in no container: {no_container}"
