"""`python -m tests.benchmarks COMMAND`: prints a Markdown table; progress goes to stderr."""

import argparse
import sys

from tests.benchmarks import fanout
from tests.benchmarks.members import BenchmarkError
from tests.benchmarks.systems import all_systems


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _numbers(raw: str) -> list[int]:
    return [int(part) for part in raw.split(",")]


def _fanout(options: argparse.Namespace) -> None:
    systems = all_systems(dict(pair.split("=", 1) for pair in options.set))
    chosen = [systems[name] for name in options.systems.split(",")] if options.systems else systems.values()
    shapes = [fanout.SHAPES[name] for name in options.shapes.split(",")]
    print(
        "| shape | system | window | deliveries per CPU-s | deliveries/s | node CPU | loader CPU | Redis CPU | others' CPU | bytes/frame | ack p50/p99 ms | |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for r in fanout.measure(
        chosen, shapes, _numbers(options.windows), seconds=options.seconds, warmup_s=options.warmup
    ):
        m = r.measured
        print(
            f"| {r.shape} | {r.system} | {r.window} | {m.per_cpu_s:,.0f} | {m.deliveries / m.elapsed_s:,.0f} "
            f"| {m.node_cpu_s / m.elapsed_s:.0%} | {m.loader_share:.0%} | {m.other_cpu_s / m.elapsed_s:.0%} "
            f"| {m.foreign_cpu_s / m.elapsed_s:.0%} | {m.frame_bytes} "
            f"| {m.ack_ms.get('p50')}/{m.ack_ms.get('p99')} | {'INVALID: ' + r.invalid if r.invalid else ''} |",
            flush=True,
        )


def main() -> int:
    """Run a command; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True)
    fan = commands.add_parser("fanout")
    fan.add_argument("--systems", default="")
    fan.add_argument("--shapes", default="room")
    fan.add_argument("--windows", default="4,16,64")
    fan.add_argument("--seconds", type=float, default=8.0)
    fan.add_argument("--warmup", type=float, default=2.0)
    fan.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    fan.set_defaults(run=_fanout)
    options = parser.parse_args()
    try:
        options.run(options)
    except BenchmarkError as error:
        _note(f"benchmark failed: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
