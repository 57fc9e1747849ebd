"""`python -m harness`: the same as the `wordaround` command."""

from harness.cli import main

main()
