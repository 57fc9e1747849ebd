"""How fast the judge checks, and how much memory it takes: `python -m tests.benchmarks.checking [LARGEST]`.

Each size is checked in a process of its own, from the files on disk to the verdict: all guarantees, figures,
coverage and lifecycle. *Held* is what the prepared view keeps of its own memory (columns, strings, messages),
*peak* what the whole judgement took at most; neither counts the pages of the mapped files, which are the
system's to drop. *Checks alone* is the time of the fourteen checkers on a prepared view, without reading and
sorting the history and without parsing its messages. Last, what it costs a bot to record a delivery.
"""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from harness.bots.recorder import BotRecorder
from harness.bots.wire import Sighting
from harness.checkers.registry import CHECKERS
from harness.checkers.view import prepare
from harness.judge.judgement import judge
from harness.records.guarantees import IMPLEMENTED
from harness.records.history import HistoryFile, HistoryWriter
from harness.records.meta import Meta
from harness.records.verdict import RunVerdict, Verdict
from tests.benchmarks import histories

SIZES = (100_000, 1_000_000, 10_000_000)
USERS = 100  # in a room: deliveries per message
ROOMS = 10
RECORDED = 500_000


def main(arguments: Sequence[str] = tuple(sys.argv[1:])) -> int:
    """Print a table; returns 1 when a good history did not pass."""
    if len(arguments) == 3 and arguments[0] == "--held":
        return _hold(Path(arguments[1]), int(arguments[2]))
    if len(arguments) == 3 and arguments[0] == "--checks":
        return _checks_alone(Path(arguments[1]), int(arguments[2]))
    if len(arguments) == 3 and arguments[0] == "--one":
        return _check_one(Path(arguments[1]), int(arguments[2]))
    largest = int(arguments[0]) if arguments else SIZES[-1]
    print(f"all {len(IMPLEMENTED)} guarantees, {ROOMS} rooms of {USERS} users, {len(histories.NODES)} nodes")
    print(
        f"{'deliveries':>12} {'seconds':>8} {'CPU s':>7} {'deliveries/s':>13} {'per CPU s':>12} "
        f"{'peak B/event':>13}",
        flush=True,
    )
    status = 0
    for size in (size for size in SIZES if size <= largest):
        status |= _check_size(size)
    print(f"\nrecording a delivery: {_recording_us():.2f} µs")
    return status


def _check_size(size: int) -> int:
    with tempfile.TemporaryDirectory(prefix="wordaround-checking-") as folder:
        history, messages = Path(folder) / "history", size // (USERS * ROOMS)
        histories.write_history(history, _plan(), messages)
        command = [sys.executable, "-m", "tests.benchmarks.checking"]
        held = subprocess.run([*command, "--held", str(history), str(messages)], check=False)
        alone = subprocess.run([*command, "--checks", str(history), str(messages)], check=False)
        checked = subprocess.run([*command, "--one", str(history), str(messages)], check=False)
        return held.returncode | alone.returncode | checked.returncode


def _plan() -> histories.Plan:
    return histories.make_plan(rooms=ROOMS, users=USERS, checks=IMPLEMENTED)


def _meta(messages: int) -> Meta:
    return histories.make_meta(histories.ZERO_NS + 10**7 + (messages + 1) * histories.STEP_NS)


def _hold(folder: Path, messages: int) -> int:
    """Print what a prepared view keeps, in a process that has done nothing else."""
    before = _anonymous_bytes()
    files = histories.load(folder)
    view = prepare(plan=_plan(), meta=_meta(messages), histories=files, faults=(), members=())
    events = sum(len(file.events) for file in files)
    print(
        f"{len(view.receipts):>12,} {(_anonymous_bytes() - before) / events:>8.1f} B/event held", flush=True
    )
    return 0


def _checks_alone(folder: Path, messages: int) -> int:
    """Print how fast all checkers are on a prepared view."""
    files = histories.load(folder)
    view = prepare(plan=_plan(), meta=_meta(messages), histories=files, faults=(), members=())
    began, cpu = time.perf_counter(), time.process_time()
    found = [CHECKERS[name](view) for name in IMPLEMENTED]
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    count = len(view.receipts)
    print(
        f"{count:>12,} {took:>8.2f} {cpu:>7.2f} {count / took:>13,.0f} {count / cpu:>12,.0f} checks alone",
        flush=True,
    )
    return int(any(finding.verdict is Verdict.FAIL for finding in found))


def _check_one(folder: Path, messages: int) -> int:
    began, cpu = time.perf_counter(), time.process_time()
    with _Peak() as peak:
        files = histories.load(folder)
        verdict = _judge(files, messages)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    events = sum(len(file.events) for file in files)
    deliveries = verdict.stats.deliveries
    print(
        f"{deliveries:>12,} {took:>8.2f} {cpu:>7.2f} {deliveries / took:>13,.0f} {deliveries / cpu:>12,.0f} "
        f"{peak.bytes / events:>13.1f}",
        flush=True,
    )
    for finding in (*verdict.properties, *verdict.coverage, *verdict.lifecycle):
        if finding.verdict not in (Verdict.PASS, Verdict.NOT_APPLICABLE):
            print(f"  {finding}"[:2000])
    return int(verdict.verdict is not Verdict.PASS)


def _judge(files: tuple[HistoryFile, ...], messages: int) -> RunVerdict:
    return judge(
        plan=_plan(),
        meta=_meta(messages),
        histories=files,
        faults=(),
        members=histories.make_members(),
        generator_lag_ms=1.0,
    )


class _Peak:
    """The most memory of its own that the process has in a stretch of time, over what it began with."""

    def __init__(self) -> None:
        self.bytes = 0
        self._before = _anonymous_bytes()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "_Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.bytes = max(self.bytes, _anonymous_bytes() - self._before)


def _anonymous_bytes() -> int:
    """Return the process's memory that no file backs; 0 where the system does not tell (Linux does)."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon"))


def _recording_us() -> float:
    """Return the processor time that it takes to record one delivery, flushes included."""
    with tempfile.TemporaryDirectory(prefix="wordaround-recording-") as folder:
        writer = HistoryWriter(Path(folder), "bots-1")
        recorder = BotRecorder(writer, 1)
        sighting = Sighting(content=writer.intern("a message"), room="room-1", epoch="e1", seq=1)
        began = time.process_time()
        for stamp in range(RECORDED):
            recorder.delivery(stamp, sighting)
            if stamp % 10_000 == 0:
                writer.flush()
        took = time.process_time() - began
        writer.close()
    return took / RECORDED * 1e6


if __name__ == "__main__":
    sys.exit(main())
