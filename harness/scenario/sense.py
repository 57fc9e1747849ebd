"""Whether the parts of a scenario fit together: what no single key can tell.

Each check is a pure function from facts to findings, and says nothing where a fact that it needs is
itself wrong. A scenario that passes has a plan for every seed, and no fault of it can hit a member that
another one has already taken down.
"""

import math
from collections.abc import Iterator

from harness.records.guarantees import NOT_APPLICABLE
from harness.scenario import fault_sense, steady_sense
from harness.scenario.facts import Facts
from harness.scenario.model import MOST_NODES
from harness.scenario.source import Path

Finding = tuple[Path, str]


def findings(facts: Facts) -> Iterator[Finding]:
    """Yield everything that does not fit together, with the path of what should be mended."""
    checks = (_command, _attach, _spawn, _rooms, _steady_state, fault_sense.findings, _checks, _expectation)
    for check in checks:
        yield from check(facts)


def _command(facts: Facts) -> Iterator[Finding]:
    if facts.command is not None and not any(facts.command[:1]):
        yield ("cluster", "command"), "`command` wants a program and its arguments; the program is missing"
    if facts.ready is not None and facts.no_command:
        yield (
            ("cluster", "ready"),
            "`ready` goes with `command` only; our own node has its own",
        )


def _attach(facts: Facts) -> Iterator[Finding]:
    if not facts.attached:
        return
    for key in ("nodes", "redis", "command", "ready"):
        if key in facts.cluster_keys:
            yield ("cluster", key), f"`{key}` does not go with `attach`, which uses nodes as they run already"
    if facts.attach == ():
        yield ("cluster", "attach"), "`attach` wants the URL of each node; there is none"
    elif len(facts.attach or ()) > MOST_NODES:
        yield ("cluster", "attach"), f"`attach` wants {MOST_NODES} nodes at most"
    yield from _repeated(("cluster", "attach"), facts.attach)


def _spawn(facts: Facts) -> Iterator[Finding]:
    if facts.users is None or facts.spawn_rate is None or facts.warmup is None:
        return
    length = round(facts.users / facts.spawn_rate, 6)
    if length > facts.warmup:
        yield (
            ("load", "spawn_rate"),
            f"{facts.users} users at {facts.spawn_rate:g} a second take {length:g} s "
            f"to start, longer than the warm-up of {facts.warmup:g} s; raise `spawn_rate` to at least "
            f"{math.ceil(facts.users / facts.warmup)} or lengthen `warmup`",
        )


def _rooms(facts: Facts) -> Iterator[Finding]:
    if facts.users is not None and facts.rooms is not None and facts.rooms > facts.users:
        yield ("load", "rooms"), f"{facts.rooms} rooms for {facts.users} users would leave rooms empty"


def _steady_state(facts: Facts) -> Iterator[Finding]:
    asked = facts.steady_state or ((steady_sense.ATTACHED,) if facts.attached else None)
    return steady_sense.findings(asked, nodes=facts.nodes, steady_s=facts.steady, recovery_s=facts.recovery)


def _checks(facts: Facts) -> Iterator[Finding]:
    if facts.checks == ():
        yield ("checks",), "an empty list would judge nothing; write `all`, or name guarantees"
    yield from _repeated(("checks",), facts.checks)
    for path, names in (
        (("checks",), facts.checks),
        (("expect", "violates"), facts.violates),
        (("expect", "may_violate"), facts.may_violate),
    ):
        for index, name in enumerate(names or ()):
            if facts.delivery and name in NOT_APPLICABLE[facts.delivery]:
                yield (*path, index), f"{name!r} has no meaning with `delivery: {facts.delivery}`"


def _expectation(facts: Facts) -> Iterator[Finding]:
    yield from _verdict(facts)
    for key, names in (("violates", facts.violates), ("may_violate", facts.may_violate)):
        path = ("expect", key)
        yield from _repeated(path, names)
        for index, name in enumerate(names or ()):
            if facts.checks and name not in facts.checks:
                yield (*path, index), f"{name!r} is expected to be violated, but is not among `checks`"
    for index, name in enumerate(facts.may_violate or ()):
        if name in (facts.violates or ()):
            yield ("expect", "may_violate", index), f"{name!r} is in `violates` already"


def _verdict(facts: Facts) -> Iterator[Finding]:
    if facts.verdict == "fail" and facts.violates == ():
        yield ("expect", "verdict"), "`verdict: fail` wants `violates`: which guarantees are broken"
    if facts.verdict == "pass":
        for key, names in (("violates", facts.violates), ("may_violate", facts.may_violate)):
            if names:
                yield ("expect", key), f"`{key}` does not go with `verdict: pass`, where nothing is violated"


def _repeated(path: Path, names: tuple[str, ...] | None) -> Iterator[Finding]:
    for index, name in enumerate(names or ()):
        if name in (names or ())[:index]:
            yield (*path, index), f"{name!r} is here twice"
