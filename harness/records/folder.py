"""Where everything of a run lies: `runs/<UTC time>-<scenario>-<seed>/`."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths in a run folder. Making one creates nothing; `create` does."""

    path: Path

    @classmethod
    def create(cls, runs_dir: Path, *, began: datetime, scenario: str, seed: int) -> "RunFolder":
        """Make a new folder; a number is appended where two runs begin in the same second."""
        stem = f"{began:%Y%m%dT%H%M%SZ}-{scenario}-{seed}"
        for attempt in range(1, 1000):
            path = runs_dir / (stem if attempt == 1 else f"{stem}-{attempt}")
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            folder = cls(path)
            for sub in (folder.history, folder.logs, folder.metrics):
                sub.mkdir()
            return folder
        raise FileExistsError(f"{runs_dir / stem} and 998 numbered siblings exist already")

    @property
    def scenario(self) -> Path:
        return self.path / "scenario.yaml"

    @property
    def plan(self) -> Path:
        return self.path / "plan.json"

    @property
    def meta(self) -> Path:
        return self.path / "meta.json"

    @property
    def history(self) -> Path:
        return self.path / "history"

    @property
    def faults(self) -> Path:
        return self.path / "faults.jsonl"

    @property
    def members(self) -> Path:
        return self.path / "members.jsonl"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics"

    @property
    def live(self) -> Path:
        return self.path / "live.jsonl"

    @property
    def verdict(self) -> Path:
        return self.path / "verdict.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def junit(self) -> Path:
        return self.path / "junit.xml"

    @property
    def summary(self) -> Path:
        return self.path / "summary.md"
