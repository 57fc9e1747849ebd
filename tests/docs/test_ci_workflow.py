"""docs/ci.md: its workflow is a workflow, and what it runs works, step by step."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from harness import cli
from tests.docs.blocks import DOCS, blocks, run

BLOCKS = blocks((DOCS / "ci.md").read_text("utf-8"))
(WORKFLOW,) = [block for block in BLOCKS if block.words.startswith(".github/")]
FILES = [block for block in BLOCKS if block.words and block is not WORKFLOW]

# What the machine of a test cannot do: it has the package, and no network.
NOT_HERE = ("pip install ",)


def workflow() -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(WORKFLOW.text)
    return loaded


def steps() -> list[dict[str, Any]]:
    (job,) = workflow()["jobs"].values()
    return list(job["steps"])


def test_it_is_a_workflow() -> None:
    data = workflow()
    assert {"name", "permissions", "jobs"} <= data.keys()
    assert "pull_request" in data[True]  # YAML 1.1 takes `on` for a truth value; GitHub does not.
    for step in steps():
        assert ("uses" in step) != ("run" in step), step
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/checkout@v4"))


def test_the_reports_of_a_red_job_are_kept() -> None:
    (kept,) = [step for step in steps() if step.get("uses", "").startswith("actions/upload-artifact@")]
    assert (kept["if"], kept["with"]["path"]) == ("always()", "runs")
    (shown,) = [step for step in steps() if "GITHUB_STEP_SUMMARY" in step.get("run", "")]
    assert shown["if"] == "always()"


def test_every_command_of_the_page_exists() -> None:
    named = [
        command
        for block in BLOCKS
        for command in re.findall(r"\bwordaround (\w+)", block.text)
        if block.language in ("sh", "yaml")
    ]
    assert {"run", "diff"} <= set(named) <= cli.COMMANDS.keys()


def runnable() -> Iterator[str]:
    for step in steps():
        if "run" in step and not step["run"].startswith(NOT_HERE):
            yield step["run"]


@pytest.mark.process
def test_the_steps_of_the_job_leave_a_summary_and_reports(tmp_path: Path) -> None:
    for block in FILES:
        block.save(tmp_path)
    summary = tmp_path / "summary-of-the-job.md"
    for script in runnable():
        run(script, tmp_path, timeout_s=240, GITHUB_STEP_SUMMARY=str(summary), GITHUB_RUN_NUMBER="41")
    assert summary.read_text("utf-8").startswith("## first\\-kill: Passed:") or (
        summary.read_text("utf-8").startswith("## first-kill: Passed:")
    )
    (folder,) = (tmp_path / "runs").glob("*-first-kill-41")
    cases = list(ElementTree.parse(folder / "junit.xml").iter("testcase"))
    assert len(cases) > 14
    assert (folder / "report.html").exists()
    assert len(list(runnable())) == 2
