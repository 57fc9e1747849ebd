"""Folders that tests of the commands and of `serve` look at."""

import os
from pathlib import Path

import pytest


def not_ours(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody look into a folder: permissions themselves would not stop root."""
    asked = os.stat

    def stat(path: object, *arguments: object, **options: object) -> os.stat_result:
        if isinstance(path, Path) and folder in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return asked(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", stat)
