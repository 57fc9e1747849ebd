"""Write what docs/scenarios.md takes from the code: `make reference`. A test holds it equal."""

import sys
from pathlib import Path

from harness.scenario import reference

GUIDE = Path(__file__).parents[1] / "docs" / "scenarios.md"
PARTS = {
    "keys of faults": reference.common_keys,
    "faults": reference.faults,
    "mechanisms": reference.mechanisms,
}


def marks(part: str) -> tuple[str, str]:
    """Return the lines between which a part stands."""
    return f"<!-- {part}: made by `make reference`, held by a test. -->", f"<!-- End of {part}. -->"


def written(text: str) -> str:
    """Return the guide with every part as the code has it now."""
    for part, make in PARTS.items():
        begin, end = marks(part)
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n\n{make()}\n\n{end}{after}"
    return text


def main() -> int:
    """Replace what lies between the marks."""
    GUIDE.write_text(written(GUIDE.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
