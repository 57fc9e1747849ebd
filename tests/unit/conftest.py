"""Shared helpers of the unit tests."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _loaded(name: str) -> ModuleType:
    """Return a helper module that lies beside the tests (`--import-mode=importlib` imports no siblings)."""
    full = f"wordaround_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[full] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[full]


@pytest.fixture(scope="session")
def made() -> ModuleType:
    """Return `history_builder`, which makes runs for the judge."""
    return _loaded("history_builder")


@pytest.fixture(scope="session")
def mutations() -> ModuleType:
    """Return `mutations`, which breaks them."""
    return _loaded("mutations")


@pytest.fixture(scope="session")
def messy() -> ModuleType:
    """Return `messy_runs`, which makes good runs with every legal mess."""
    return _loaded("messy_runs")
