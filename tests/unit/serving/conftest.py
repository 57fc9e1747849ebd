"""A judged run, saved as a folder, and the pages that serve it."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from flask.testing import FlaskClient

from harness.records.folder import RunFolder
from harness.serving.app import make_app
from harness.serving.foresight import Foresight

PORT = 18080
NAME = "20260101T000000Z-passing-4711"


@pytest.fixture(scope="session")
def made_runs() -> ModuleType:
    """The module that makes run folders for the tests of the reports."""
    path = Path(__file__).parents[1] / "reports" / "report_runs.py"
    spec = importlib.util.spec_from_file_location("report_runs_for_serving", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def run(made_runs: ModuleType, runs_dir: Path, tmp_path: Path) -> RunFolder:
    """A judged run with a report."""
    folder = made_runs.passing(tmp_path / "made").folder
    folder.path.rename(runs_dir / NAME)
    found = RunFolder(runs_dir / NAME)
    found.report.write_text("<!doctype html><title>The report</title>")
    return found


@pytest.fixture
def client(runs_dir: Path) -> Iterator[FlaskClient]:
    """Asks as a browser of this machine does."""
    foresight = Foresight()
    app = make_app(runs_dir, foresight, port=PORT)
    app.testing = False  # A bug must be a page, as for everybody.
    yield app.test_client()
    foresight.close()


@pytest.fixture
def get(client: FlaskClient) -> Callable[..., tuple[int, str, dict[str, str]]]:
    """Return a function that gets a path: status, body, headers."""

    def get(
        path: str, *, host: str = f"127.0.0.1:{PORT}", method: str = "GET"
    ) -> tuple[int, str, dict[str, str]]:
        answer = client.open(path, method=method, headers={"Host": host})
        found = answer.status_code, answer.get_data(as_text=True), dict(answer.headers)
        answer.close()
        return found

    return get
