"""A control that remembers what it was asked."""

import pytest

from harness.errors import HarnessError, UsageError


class Asked:
    """What a supervisor would answer, and what it was asked."""

    def __init__(self) -> None:
        self.questions: list[tuple[str, str]] = []

    def __call__(self, command: str, member: str) -> dict[str, object]:
        self.questions.append((command, member))
        if member == "node-9":
            raise UsageError("there is no member 'node-9'")
        if member == "node-8":
            raise HarnessError("node-8 is down already")
        if command == "status":
            return {"status": {"id": "0123abcd", "members": [{"name": "node-1"}]}}
        return {"member": {"name": member, "state": "down"}}


@pytest.fixture
def asked() -> Asked:
    return Asked()
