"""`wordaround load`: a scenario's cluster and bots under Locust's web page, judged when it is stopped."""

import random
from pathlib import Path
from typing import Annotated

import typer

from harness.backends.choose import check_name
from harness.commands import complete
from harness.commands.choices import BackendName, Seed
from harness.commands.console import Json, print_verdict
from harness.commands.options import RunsDir, duration_option
from harness.commands.running import Task, carry_out
from harness.judge.exit_codes import exit_code
from harness.open_ended import open_ended
from harness.plan import make_plan
from harness.records.folder import RunFolder
from harness.scenario.library import check_backend
from harness.scenario.library import load as load_scenario
from harness.web import USUAL_PORT, Web


def load(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO",
            help="A YAML file, or the bare name of a shipped scenario.",
            autocompletion=complete.scenarios,
        ),
    ],
    backend: BackendName = "auto",
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            metavar="N",
            min=1,
            max=65535,
            help=f"Of 127.0.0.1; {USUAL_PORT} when absent, or a free one.",
        ),
    ] = None,
    run_time: Annotated[
        str | None,
        typer.Option("--run-time", metavar="T", help="Stop after this time, like 90s or 5m, not at Ctrl-C."),
    ] = None,
    faults: Annotated[
        bool, typer.Option("--faults", help="Inject the scenario's faults, too, at their times.")
    ] = False,
    seed: Seed = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Start a cluster and bots under Locust's web page; when it is stopped, judge and report."""
    check_name(backend)
    run_time_s = duration_option("--run-time", run_time)
    source = load_scenario(scenario)
    check_backend(source, backend)
    drawn = random.SystemRandom().randrange(10**6)
    own = next(s for s in (seed, source.scenario.seed, drawn) if s is not None)
    folders: list[RunFolder] = []
    verdict = carry_out(
        Task(
            source=source,
            plan=open_ended(make_plan(source.scenario, seed=own), run_time_s=run_time_s, with_faults=faults),
            backend=backend,
            runs_dir=runs_dir,
            command="load",
            options=(*(("--faults",) if faults else ()), *(("--run-time", run_time) if run_time else ())),
            web=Web(port=port, hands=True),
        ),
        folders.append,
    )
    print_verdict(folders[0].report, verdict, as_json=as_json)
    raise typer.Exit(exit_code(verdict))
