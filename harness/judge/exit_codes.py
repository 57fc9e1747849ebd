"""What a verdict means for a shell: 0 as expected, 1 other than expected, 3 unknown."""

from collections.abc import Iterable

from harness.records.verdict import RunVerdict, Verdict

AS_EXPECTED = 0
OTHER_THAN_EXPECTED = 1
UNKNOWN = 3
HARNESS_FAILED = 4

_WORST_FIRST = (HARNESS_FAILED, OTHER_THAN_EXPECTED, UNKNOWN, AS_EXPECTED)


def exit_code(verdict: RunVerdict) -> int:
    """Return the exit code for a judged run. An unknown verdict is never as expected."""
    if verdict.verdict is Verdict.UNKNOWN:
        return UNKNOWN
    return AS_EXPECTED if verdict.as_expected else OTHER_THAN_EXPECTED


def worst(codes: Iterable[int]) -> int:
    """Return the code that counts for several scenarios; of none: 0. Codes of other kinds count first."""
    found = set(codes)
    other = found - set(_WORST_FIRST)
    return max(other) if other else next((code for code in _WORST_FIRST if code in found), AS_EXPECTED)
