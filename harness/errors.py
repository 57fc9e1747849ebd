"""The one root of everything that can go wrong with the harness itself.

A violated guarantee is never an exception: it is a finding in the verdict. Whoever catches
`HarnessError` therefore knows that the run says nothing about the cluster.
"""


class HarnessError(Exception):
    """The harness could not do its work. The message says what, where, and how to mend it (exit 4)."""

    exit_code = 4


class UsageError(HarnessError):
    """The command line or a scenario is wrong (exit 2)."""

    exit_code = 2


class MemberError(HarnessError):
    """A member of the cluster did not start, become ready or answer; carries its last log lines."""

    def __init__(self, sentence: str, *, member: str, log_tail: tuple[str, ...] = ()) -> None:
        self.member = member
        self.log_tail = log_tail
        lines = "".join(f"\n    {line}" for line in log_tail)
        super().__init__(f"{sentence}\n  the last lines of {member}'s log:{lines}" if lines else sentence)


class BackendUnavailable(HarnessError):
    """The chosen backend cannot work on this machine; the message says why and what would mend it."""
