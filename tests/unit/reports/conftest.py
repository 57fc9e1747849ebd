"""What the tests of the reports share: made run folders, and a strict reader of pages."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from reports import write_reports

KINDS = ("passing", "expected_failing", "unexpected_failing", "unknown")


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def runs() -> ModuleType:
    """The module that makes run folders."""
    return _load("report_runs")


@pytest.fixture(scope="session")
def parse() -> Callable[[str], Any]:
    """Parse a page into a tree; fails on one that is not well formed."""
    return _load("page").parse


@pytest.fixture(scope="session")
def reported(runs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Return a made run of that kind, with its reports; each kind is made once."""
    made: dict[str, Any] = {}

    def make(kind: str) -> Any:
        if kind not in made:
            made[kind] = getattr(runs, kind)(tmp_path_factory.mktemp("runs"))
            write_reports(made[kind].folder)
        return made[kind]

    return make


@pytest.fixture(scope="session")
def page(reported: Callable[[str], Any], parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return the parsed `report.html` of the made run of that kind."""
    pages: dict[str, Any] = {}

    def read(kind: str) -> Any:
        if kind not in pages:
            pages[kind] = parse(reported(kind).folder.report.read_text("utf-8"))
        return pages[kind]

    return read


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of run in turn."""
    return str(request.param)
