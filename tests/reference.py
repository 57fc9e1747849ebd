"""Write what the documentation takes from the code: `make reference`. Tests hold it equal."""

import sys
from pathlib import Path

from harness.commands import reference as commands
from harness.scenario import reference

DOCS = Path(__file__).parents[1] / "docs"
PAGES = (DOCS / "scenarios.md", DOCS / "commands.md")
PARTS = {
    "keys of faults": reference.common_keys,
    "faults": reference.faults,
    "mechanisms": reference.mechanisms,
    "options of all": commands.root,
    "commands": commands.commands,
}


def marks(part: str) -> tuple[str, str]:
    """Return the lines between which a part stands."""
    return f"<!-- {part}: made by `make reference`, held by a test. -->", f"<!-- End of {part}. -->"


def written(text: str) -> str:
    """Return a page with every part of it as the code has it now."""
    for part, make in PARTS.items():
        begin, end = marks(part)
        before, found, rest = text.partition(begin)
        if not found:
            continue
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n\n{make()}\n\n{end}{after}"
    return text


def main() -> int:
    """Replace what lies between the marks."""
    for page in PAGES:
        page.write_text(written(page.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
