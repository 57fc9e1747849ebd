"""Shipped scenarios as tests, by WordAround's own pytest plugin: its options say seed, backend and folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.pytest_plugin.runs import Runs
from tests.fault_tolerance import shipped


@pytest.fixture
def ends_as_it_says(
    wordaround_run: Runs,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str, str], None]:
    """Run a scenario on a backend, in an empty folder, and compare its end with what it expects."""
    only = request.config.getoption("--wordaround-backend")

    def check(name: str, backend: str) -> None:
        if only not in (None, "auto", backend):
            pytest.skip(f"--wordaround-backend leaves {backend} out")
        monkeypatch.chdir(tmp_path)
        shipped.check(name, backend, wordaround_run(name, backend=backend))

    return check
