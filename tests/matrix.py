"""Write the matrix mutation × check into docs/guarantees.md: `make matrix`."""

import sys
from pathlib import Path

from harness.records.guarantees import GUARANTEES
from tests.unit import mutations

GUIDE = Path(__file__).parents[1] / "docs" / "guarantees.md"
BEGIN, END = "<!-- The matrix: made by `make matrix`, held by a test. -->\n", "<!-- End of the matrix. -->\n"


def main() -> int:
    """Replace what lies between the marks."""
    before, _, rest = GUIDE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    GUIDE.write_text(before + BEGIN + mutations.matrix(GUARANTEES) + END + after, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
