"""The pytest plugin: scenarios and clusters as fixtures (docs/pytest.md).

pytest loads this module in every environment that WordAround is installed in, whether a test wants it or
not. So it imports pytest and nothing else; what the fixtures need is imported when one is asked for.

A run is made by a process of its own (`child.py`), and a cluster is owned by a supervisor as after
`wordaround up`. Both hold a socket to pytest, and end all that they started when it closes: at the end of the
test, at Ctrl-C, and when pytest is killed.
"""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.pytest_plugin.clusters import Cluster
    from harness.pytest_plugin.runs import Runs

BACKENDS = ("auto", "docker", "process")
_CLUSTER_MARKER = (
    "wordaround_cluster(nodes=3, delivery='durable', backend=None): "
    "what the cluster of the fixture wordaround_cluster is like"
)


_Failed: Any = pytest.fail.Exception  # The type has no public name that a type checker knows.


class HarnessFailed(_Failed):  # type: ignore[misc]
    """The harness could not do its work: this says nothing about the cluster, and is an error of the test."""

    def __init__(self, sentence: str) -> None:
        super().__init__(f"WordAround itself failed: {sentence}", pytrace=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the three options, which hold for all runs and clusters of the session."""
    group = parser.getgroup("wordaround", "chaos tests (WordAround)")
    group.addoption(
        "--wordaround-backend",
        metavar="NAME",
        choices=BACKENDS,
        help=f"Start members on this backend: one of {', '.join(BACKENDS)}.",
    )
    group.addoption(
        "--wordaround-seed",
        type=int,
        metavar="N",
        help="The seed of all runs; else the scenario's, or drawn.",
    )
    group.addoption(
        "--wordaround-runs-dir",
        type=Path,
        metavar="DIR",
        help="Keep run folders with their reports here; else in pytest's temporary folder.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, for `--strict-markers`."""
    config.addinivalue_line("markers", _CLUSTER_MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a failure of the harness be an error, in the terminal and in JUnit's XML, and no failed test.

    What fails in a test itself is a failure for pytest, and what fails before it an error: a run that the
    harness could not make belongs to the latter, though it is asked for in the test.
    """
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, HarnessFailed) and report.when == "call":
        report.when = "setup"
    return report


@pytest.fixture(scope="session")
def wordaround_run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "Runs":
    """`wordaround_run(scenario, **overrides)` makes a run and returns what came of it.

    The test fails with its story where a guarantee is violated, and where the verdict is unknown.
    """
    from harness.pytest_plugin.runs import Runs

    option = request.config.getoption
    runs_dir: Path | None = option("--wordaround-runs-dir")
    return Runs(
        backend=option("--wordaround-backend") or "auto",
        seed=option("--wordaround-seed"),
        runs_dir=runs_dir.absolute() if runs_dir else tmp_path_factory.mktemp("wordaround-runs"),
        shows=option("capture") == "no",
    )


@pytest.fixture
def wordaround_cluster(request: pytest.FixtureRequest) -> "Iterator[Cluster]":
    """A running cluster of the test's own, ended after it whatever happens.

    The marker `wordaround_cluster(nodes=…, delivery=…, backend=…)` says what it is like.
    """
    from harness.pytest_plugin.clusters import started

    marker = request.node.get_closest_marker("wordaround_cluster")
    asked: dict[str, Any] = dict(marker.kwargs) if marker else {}
    backend = asked.pop("backend", None) or request.config.getoption("--wordaround-backend") or "auto"
    with started(backend=backend, **asked) as cluster:
        yield cluster
