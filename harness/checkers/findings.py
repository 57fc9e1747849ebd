"""How a checker says what it found: full counts, and the first witnesses as stories."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from harness.checkers.content import writable
from harness.records.guarantees import GUARANTEES
from harness.records.verdict import Property, Verdict, Witness

WITNESSES = 32


@dataclass(kw_only=True, slots=True)
class Tally:
    """Counts while a checker looks. `counted` names the things that `checked` counts."""

    name: str
    counted: str
    checked: int = 0
    violations: int = 0
    excused: int = 0
    _witnesses: list[Witness] = field(default_factory=list)

    def violated(self, witness: Callable[[], Witness], times: int = 1) -> None:
        """Count a violation; its story is only told while there is room for it.

        Stories quote what the cluster sent, so this is where all of it is made fit for a file.
        """
        self.violations += times
        if len(self._witnesses) < WITNESSES:
            self._witnesses.append(_writable(witness()))

    def finding(self, unknown: str = "") -> Property:
        """Return the finding: violations fail; else a reason to be in doubt makes it unknown."""
        verdict = Verdict.PASS
        if self.violations:
            verdict, unknown = Verdict.FAIL, ""
        elif unknown:
            verdict = Verdict.UNKNOWN
        return Property(
            name=self.name,
            verdict=verdict,
            sentence=GUARANTEES[self.name],
            checked=self.checked,
            counted=self.counted,
            violations=self.violations,
            excused=self.excused,
            reason=writable(unknown),
            witnesses=tuple(self._witnesses),
        )


def _writable(witness: Witness) -> Witness:
    return replace(
        witness,
        story=writable(witness.story),
        operations=tuple(writable(line) for line in witness.operations),
        steps=tuple(replace(step, label=writable(step.label)) for step in witness.steps),
    )


def not_applicable(name: str, reason: str) -> Property:
    """Return the finding of a check that has no meaning in this mode."""
    return Property(
        name=name,
        verdict=Verdict.NOT_APPLICABLE,
        sentence=GUARANTEES.get(name, "There is no guarantee of this name."),
        checked=0,
        counted="nothing: it does not apply",
        reason=reason,
    )
