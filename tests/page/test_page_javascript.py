"""The chat page's client under Node.js, with a cluster that the tests play; the tests are in `*.test.mjs`."""

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PATIENCE_S = 60

pytestmark = pytest.mark.javascript


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_javascript__its_own_tests__pass(name: str) -> None:
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap", str(HERE / name)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    assert "\n# fail 0\n" in done.stdout
    assert "\n# pass 0\n" not in done.stdout
