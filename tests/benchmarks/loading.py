"""What a loader's process does around its load: read it, run it on its core, print its figures."""

import contextlib
import sys
from collections.abc import Callable
from typing import Any

from tests.benchmarks import cpu
from tests.benchmarks.chat import Broken


def run_as_process(kind: Any, measure: Callable[[Any], Any], *, failed: str) -> int:
    """Run the load on stdin, a record of this kind; its figures go to stdout, what went wrong to stderr.

    Returns the exit code: 0, 1 when the load failed, 130 when it was interrupted.
    """
    with contextlib.suppress(KeyboardInterrupt):
        load = kind.from_json(sys.stdin.read())
        cpu.pin(load.core)
        try:
            measured = measure(load)
        except (Broken, OSError) as error:
            print(f"{failed}: {error}", file=sys.stderr)
            return 1
        print(measured.to_json())
        return 0
    return 130
