"""What was found."""

from dataclasses import dataclass
from typing import Literal

# What a thing is needed for, in the order of the page.
NeededFor = Literal[
    "everything", "the process backend", "the docker backend", "faults on processes", "faults on containers",
    "working on WordAround",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing: it is `ok`, and `text` says what is there; or not, and `text` says what to do."""

    needed_for: NeededFor
    what: str
    ok: bool
    text: str


def finding(needed_for: NeededFor, what: str, failed: str | None, there: str, mend: str) -> Finding:
    """Return what came of a try: `there` where it did not fail, else why, and what mends it."""
    text = there if failed is None else f"{failed.rstrip('.')}; {mend}"
    return Finding(needed_for=needed_for, what=what, ok=failed is None, text=text)


@dataclass(frozen=True, kw_only=True, slots=True)
class Examination:
    """All that was found."""

    schema: int = 1
    findings: tuple[Finding, ...]

    @property
    def backends(self) -> tuple[str, ...]:
        """The backends that can run here."""
        return tuple(
            backend
            for backend in ("docker", "process")
            if self._all_ok("everything") and self._all_ok(f"the {backend} backend")
        )

    def _all_ok(self, needed_for: str) -> bool:
        return all(finding.ok for finding in self.findings if finding.needed_for == needed_for)
