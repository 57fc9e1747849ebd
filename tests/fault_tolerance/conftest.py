"""Which backends, seed and runs folder the scenarios are run with: options of pytest."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fault_tolerance import shipped


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int | None:
    """The seed of every run; `None`: each draws its own."""
    return request.config.getoption("--scenario-seed")


@pytest.fixture
def runs_dir(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where the run folders are kept: the option's folder, else one of the test's own."""
    return request.config.getoption("--scenario-runs-dir") or tmp_path / "runs"


@pytest.fixture
def ends_as_it_says(
    seed: int | None, runs_dir: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[[str, str], None]:
    """Run a scenario on a backend and compare its end with what it expects."""
    only = request.config.getoption("--scenario-backend")

    def check(name: str, backend: str) -> None:
        shipped.check(name, backend, seed, runs_dir, tmp_path, only)

    return check
