"""The command's entry point: `wordaround`, and `python -m harness`.

It imports next to nothing before `main` runs, so that Ctrl-C in the second that the other imports take
ends like any other Ctrl-C.
"""

import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command."""
    try:
        from harness import cli

        cli.main()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
