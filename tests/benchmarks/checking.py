"""How fast the judge checks, and how much memory it takes: `python -m tests.benchmarks.checking [LARGEST]`.

Each size is checked in a process of its own, from the files on disk to the verdict, all guarantees. Memory is
what the judged run itself holds (`held`, columns and strings), and the peak of the process above its start.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.judge import judge
from harness.records.guarantees import IMPLEMENTED
from harness.records.verdict import Verdict
from tests.benchmarks import histories

SIZES = (100_000, 1_000_000, 10_000_000)
USERS = 100  # in a room: deliveries per message
ROOMS = 10


def main() -> int:
    """Print a table; returns 1 when a good history did not pass."""
    if len(sys.argv) > 2 and sys.argv[1] == "--one":
        return _check_one(Path(sys.argv[2]), int(sys.argv[3]))
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[-1]
    print(f"{'deliveries':>12} {'read and check':>15} {'deliveries/s':>14} {'peak B/event':>13}  per check")
    status = 0
    for size in SIZES:
        if size <= largest:
            with tempfile.TemporaryDirectory(prefix="wordaround-checking-") as folder:
                history = Path(folder) / "history"
                messages = size // (USERS * ROOMS)
                histories.write_history(history, _plan(), messages)
                command = [
                    sys.executable,
                    "-m",
                    "tests.benchmarks.checking",
                    "--one",
                    str(history),
                    str(messages),
                ]
                status |= subprocess.run(command, check=False).returncode
    return status


def _plan() -> histories.Plan:
    return histories.make_plan(rooms=ROOMS, users=USERS, checks=IMPLEMENTED)


def _check_one(folder: Path, messages: int) -> int:
    before = _resident()
    began = time.perf_counter()
    files = histories.load(folder)
    events = sum(len(file.events) for file in files)
    ended_ns = histories.ZERO_NS + 10**7 + (messages + 1) * histories.STEP_NS
    verdict = judge(
        plan=_plan(),
        meta=histories.make_meta(ended_ns),
        histories=files,
        faults=(),
        members=histories.make_members(),
        generator_lag_ms=1.0,
    )
    took = time.perf_counter() - began
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before) / events
    deliveries = verdict.stats.deliveries
    print(f"{deliveries:>12,} {took:>13.2f} s {deliveries / took:>14,.0f} {peak:>13.1f}")
    for finding in (*verdict.properties, *verdict.coverage, *verdict.lifecycle):
        if finding.verdict not in (Verdict.PASS, Verdict.NOT_APPLICABLE):
            print(f"  {finding}"[:2000])
    return int(verdict.verdict is not Verdict.PASS)


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main())
