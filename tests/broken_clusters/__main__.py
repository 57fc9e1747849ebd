"""`python -m tests.broken_clusters BUG [FOLDER] | list | matrix RUNS_DIR` (see the package)."""

import sys
from pathlib import Path

USAGE = "usage: python -m tests.broken_clusters BUG [FOLDER] | list | matrix RUNS_DIR"


def main(arguments: list[str]) -> int:
    """Do what the arguments say; return the exit code."""
    match arguments:
        case ["matrix", runs]:
            from tests.broken_clusters import matrix

            sys.stdout.write(matrix.table(matrix.collect(Path(runs))))
        case ["list"]:
            from tests.broken_clusters.catalogue import BUGS

            sys.stdout.writelines(f"{bug.name}: {bug.sentence}\n" for bug in BUGS.values())
        case [name] | [name, _]:
            return _run_node(name)
        case _:
            sys.stderr.write(f"{USAGE}\n")
            return 2
    return 0


def _run_node(name: str) -> int:
    # As `cluster/__main__.py` does: before anything else is imported that takes sockets from the library.
    from gevent import monkey

    monkey.patch_all()
    from cluster import __main__ as node
    from tests.broken_clusters.catalogue import DECLARED

    if name not in DECLARED:
        sys.stderr.write(f"there is no bug {name!r}; `list` tells all\n")
        return 2
    DECLARED[name].plant()
    return node.main()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
