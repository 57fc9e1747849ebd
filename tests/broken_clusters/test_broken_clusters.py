"""Every planted bug is caught by the guarantee that it breaks, and by no unrelated one.

Each test makes one run of a real cluster by the real command. `make test` makes those of the sample; all of
them take about twenty minutes: `pytest --basetemp=DIR tests/broken_clusters`. The runs stay in DIR, for
`python -m tests.broken_clusters matrix DIR`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broken_clusters.catalogue import BUGS, CONTROL
from tests.broken_clusters.planting import Bug
from tests.broken_clusters.runs import run

pytestmark = [pytest.mark.process, pytest.mark.timeout(200)]

# One that needs no fault, one that needs a resume, one that only the final reads show.
SAMPLE = ("drops-for-one-recipient-only", "skips-one-on-resume", "one-message-missing-on-one-node")


def _cases() -> Iterator[object]:
    for bug in BUGS.values():
        marks = [] if bug.name in SAMPLE else [pytest.mark.slow]
        yield pytest.param(bug, id=bug.name, marks=marks)


@pytest.mark.parametrize("bug", tuple(_cases()))
def test_the_planted_bug_is_caught_by_what_it_breaks_and_by_nothing_else(bug: Bug, tmp_path: Path) -> None:
    ended = run(bug, tmp_path)
    assert set(bug.must) <= ended.failed(), ended.said
    assert ended.failed() <= {*bug.must, *bug.may}, ended.said
    assert ended.exit_code == 0, ended.said
    for name in bug.must:
        witnesses = ended.witnesses(name)
        assert witnesses, name
        for witness in witnesses:
            assert any(named in witness["story"] for named in ("bot-", "node-", "room-")), witness


@pytest.mark.slow
def test_the_same_handling_without_a_bug_passes(tmp_path: Path) -> None:
    ended = run(CONTROL, tmp_path)
    assert (ended.exit_code, ended.verdict["verdict"]) == (0, "pass"), ended.said
