"""Claims in a temporary folder of the test's own, so that nobody else's are seen or touched."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.claims import Claim
from tests.unit.healing.names import RUN


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, of this process and its children."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def claim(tmp_path: Path) -> Callable[..., Claim]:
    """Make claims of a run whose folder is there; no process of it runs."""
    folder = tmp_path / "run"
    (folder / "logs").mkdir(parents=True)

    def make(run_id: str = RUN, **other: object) -> Claim:
        return Claim(
            run_id=run_id, backend="process", folder=str(folder), command="wordaround run x", **other
        )  # type: ignore[arg-type]

    return make
