"""Which backends, seed and runs folder the scenarios are run with: options of pytest."""

from pathlib import Path

import pytest

# What `make test` and CI run, each on one backend: for every kind of fault a scenario, the quick ones. The
# others, and all of them on their other backend, have the marker `slow`.
FAST = {
    ("node-kill", "process"),
    ("node-kill", "docker"),
    ("pubsub-node-kill", "process"),
    ("pubsub-node-kill", "docker"),
    ("rolling-restart", "docker"),
    ("all-nodes-restart", "process"),
    ("node-pause", "docker"),
    ("drain", "process"),
    ("redis-kill", "docker"),
    ("redis-pause", "process"),
    ("redis-restart-under-load", "process"),
    ("redis-clients-kill", "docker"),
    ("redis-data-loss", "process"),
    ("node-redis-partition", "docker"),
    ("split-clients", "process"),
    ("slow-redis", "docker"),
    ("lossy-network", "docker"),
    ("reconnect-storm", "process"),
    ("clock-skew", "process"),
}


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int | None:
    """The seed of every run; `None`: each draws its own."""
    return request.config.getoption("--scenario-seed")


@pytest.fixture
def runs_dir(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where the run folders are kept: the option's folder, else one of the test's own."""
    return request.config.getoption("--scenario-runs-dir") or tmp_path / "runs"
