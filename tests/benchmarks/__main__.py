"""Benchmarks of WordAround chat. Markdown goes to stdout, progress to stderr (see docs/benchmarks.md).

Run it from the root of a checkout: nodes are started from the `cluster` package of that folder.
"""

import argparse
import resource
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from tests.benchmarks import failover, fanout, idle, links, sends, startup, tables
from tests.benchmarks.members import BenchmarkError
from tests.benchmarks.report import Report, note, this_machine
from tests.benchmarks.systems import System, all_systems

EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130
OURS, BOTH = ["wordaround"], ["wordaround", "stock"]
PARTS = {
    "node_kills": failover.node_kills,
    "redis_resets": failover.redis_resets,
    "redis_silences": failover.redis_silences,
}
Command = Callable[[argparse.Namespace, Report], None]


def _fanout(options: argparse.Namespace, report: Report) -> None:
    results = report.results["fanout"] = []
    for result in fanout.measure(
        _systems(options),
        [fanout.SHAPES[name] for name in options.shapes],
        options.windows,
        seconds=options.seconds or (3.0 if options.quick else 8.0),
    ):
        note(fanout.progress(result))
        results.append(result.figures())


def _sends(options: argparse.Namespace, report: Report) -> None:
    seconds = options.seconds or (3.0 if options.quick else 8.0)
    report.results["sends"] = sends.measure(_systems(options), options.windows, seconds=seconds)


def _idle(options: argparse.Namespace, report: Report) -> None:
    counts = options.counts or ([200, 1000] if options.quick else [1000, 5000])
    hold_s = options.hold or (12.0 if options.quick else 60.0)
    report.results["idle"] = idle.measure(_systems(options), counts, hold_s=hold_s)


def _failover(options: argparse.Namespace, report: Report) -> None:
    times = options.times or (2 if options.quick else 6)
    [system] = _systems(options)
    results = report.results["failover"] = {}
    for name in options.parts:
        results[name] = PARTS[name](system, times)


def _links(options: argparse.Namespace, report: Report) -> None:
    report.results["links"] = links.measure(seconds=options.seconds or (1.0 if options.quick else 4.0))


def _startup(options: argparse.Namespace, report: Report) -> None:
    report.results["startup"] = startup.measure(options.times or (1 if options.quick else 5))


def _all(options: argparse.Namespace, report: Report) -> None:
    options.shapes, options.windows = list(fanout.SHAPES), [4, 16, 64]
    _fanout(options, report)
    options.systems, options.windows = BOTH, [1, 4, 16]
    _sends(options, report)
    _idle(options, report)
    options.systems, options.parts = OURS, list(PARTS)
    _failover(options, report)
    _startup(options, report)


def _systems(options: argparse.Namespace) -> list[System]:
    """Return the systems that were asked for; those that cannot run here are left out, loudly."""
    known = all_systems(dict(pair.partition("=")[::2] for pair in options.set))
    chosen = [known[name] for name in options.systems or known]
    for system in chosen:
        if why := system.missing():
            note(f"!!! LEFT OUT: {system.title}: {why}")
    return [system for system in chosen if system.missing() is None]


def _table(options: argparse.Namespace, report: Report) -> None:
    for path in options.files:
        saved = Report.from_json(path.read_text())
        report.command, report.machine = saved.command, saved.machine
        report.results.update(saved.results)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    fan = _command(commands, "fanout", _fanout, "deliveries per CPU-second of a node", systems=[])
    fan.add_argument(
        "--shapes", type=_some_of(fanout.SHAPES), default=["room"], help=", ".join(fanout.SHAPES)
    )
    fan.add_argument("--windows", type=_numbers, default=[4, 16, 64], help="outstanding sends of a sender")
    fan.add_argument("--seconds", type=float, help="how long each run is measured")

    send = _command(commands, "sends", _sends, "acknowledged sends per second, and latency", systems=BOTH)
    send.add_argument("--windows", type=_numbers, default=[1, 4, 16], help="outstanding sends of a sender")
    send.add_argument("--seconds", type=float, help="how long each run is measured")

    still = _command(commands, "idle", _idle, "memory of idle connections, and their pings", systems=BOTH)
    still.add_argument("--counts", type=_numbers, help="at how many connections memory is read")
    still.add_argument("--hold", type=float, metavar="SECONDS", help="how long all of them are held")

    over = _command(
        commands, "failover", _failover, "back after the loss of a node or of Redis", systems=OURS
    )
    over.add_argument("--times", type=int, help="how often each is done")
    over.add_argument("--parts", type=_some_of(PARTS), default=list(PARTS), help=", ".join(PARTS))

    linked = _command(commands, "links", _links, "what the proxies of the process backend cost", systems=[])
    linked.add_argument("--seconds", type=float, help="how long each of six loads is measured")

    start = _command(
        commands, "startup", _startup, "until a cluster is ready; beside the phases", systems=OURS
    )
    start.add_argument("--times", type=int, help="how often each is done")

    everything = _command(commands, "all", _all, "all of these, for docs/benchmarks.md", systems=[])
    everything.set_defaults(seconds=None, counts=None, hold=None, times=None)

    saved = commands.add_parser("table", help="print the Markdown of saved results")
    saved.add_argument("files", type=Path, nargs="+")
    saved.set_defaults(run=_table, json=None)
    return parser


def _command(commands: Any, name: str, run: Command, about: str, *, systems: list[str]) -> Any:
    command = commands.add_parser(name, help=about)
    command.add_argument("--quick", action="store_true", help="short: to see that it works, not to quote")
    command.add_argument("--json", type=Path, metavar="FILE", help="save the result")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the nodes, without its prefix",
    )
    known = list(all_systems({}))
    command.add_argument("--systems", type=_some_of(known), default=systems, help=f"of {', '.join(known)}")
    command.set_defaults(run=run)
    return command


def _some_of(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Return a parser of comma-separated words that takes no others than these."""

    def parse(raw: str) -> list[str]:
        words = raw.split(",")
        if unknown := [word for word in words if word not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(known)}")
        return words

    return parse


def _numbers(raw: str) -> list[int]:
    return [int(part) for part in raw.split(",")]


def _shown(words: list[str]) -> list[str]:
    """Return the command without where its result was saved."""
    if "--json" in words:
        at = words.index("--json")
        return words[:at] + words[at + 2 :]
    return words


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run a command; return the exit code."""
    signal.signal(signal.SIGTERM, _terminated)  # Everything that was started ends on the way out.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    options = _parser().parse_args()
    report = Report(_shown(sys.argv[1:]), this_machine())
    try:
        options.run(options, report)
        code = EXIT_DONE
    except (BenchmarkError, OSError, ValueError) as error:
        note(f"the benchmark failed: {error}")
        code = EXIT_FAILED
    except KeyboardInterrupt:
        note("interrupted")
        code = EXIT_INTERRUPTED
    _tell(options, report)
    return code


def _tell(options: argparse.Namespace, report: Report) -> None:
    """Save and print what there is; what was measured before a failure counts."""
    if not report.results:
        return
    if options.json is not None:
        options.json.write_text(report.to_json())
    print("\n".join(tables.markdown(report)))


if __name__ == "__main__":
    sys.exit(main())
