"""Claims: on disk and locked before others see them, free when the owner is dead, gone when released."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import claims
from harness.claims import Claim
from harness.errors import HarnessError
from tests.unit.healing.names import RUN

Make = Callable[..., Claim]


def test_a_claim_is_held_while_its_owner_has_it(claim: Make) -> None:
    lock = claims.make(claim())
    [found] = claims.found()
    assert found.held
    assert found.claim == claim(began=found.claim.began if found.claim else None)
    assert claims.take(found.path, patience_s=0) is None
    lock.delete()


def test_a_claim_whose_lock_is_free_can_be_taken_by_one(claim: Make) -> None:
    claims.make(claim()).close()
    [found] = claims.found()
    assert not found.held
    taken = claims.take(found.path)
    assert taken is not None
    assert taken.read() == found.claim
    assert claims.take(found.path, patience_s=0) is None
    taken.delete()


def test_an_owner_that_is_killed_gives_its_claim_back(claim: Make, temporary: Path) -> None:
    program = (
        "from harness import claims; from harness.claims import Claim; import time\n"
        f"lock = claims.make(Claim(run_id='{RUN}', backend='process', folder='/', command='x'))\n"
        "print('made', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"made\n"
        [found] = claims.found()
        assert found.held
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()
    [found] = claims.found()
    assert not found.held


def test_the_folder_goes_with_the_last_claim(claim: Make) -> None:
    first, second = claims.make(claim("00000001")), claims.make(claim("00000002"))
    assert len(claims.found()) == 2
    first.delete()
    assert claims.folder().is_dir()
    second.delete()
    assert not claims.folder().exists()
    assert claims.found() == ()


def test_who_waited_for_a_claim_that_another_one_healed_does_not_get_it(claim: Make) -> None:
    first = claims.make(claim())
    opened = threading.Event()
    real = os.open

    def watched(*words: object, **options: object) -> int:
        file = real(*words, **options)  # type: ignore[arg-type]
        opened.set()
        return file

    with ThreadPoolExecutor(1) as other, pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "open", watched)
        waiting = other.submit(claims.take, first.path, patience_s=20)
        assert opened.wait(20)
        first.delete()
        assert waiting.result(20) is None


def test_half_a_claim_of_an_owner_that_died_is_removed(claim: Make) -> None:
    claims.folder().mkdir(mode=0o700)
    (claims.folder() / f".{RUN}.part").write_text("{")
    assert claims.found() == ()
    assert not claims.folder().exists()


def test_a_claim_of_another_version_is_named_and_not_guessed_at(claim: Make) -> None:
    claims.folder().mkdir(mode=0o700)
    path = claims.folder() / f"{RUN}.json"
    path.write_text('{"schema": 99}')
    [found] = claims.found()
    assert found.claim is None
    assert found.why
    assert path.exists()


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_can_write_to_is_not_trusted(claim: Make, mode: int) -> None:
    claims.folder().mkdir()
    claims.folder().chmod(mode)
    for use in (claims.found, lambda: claims.make(claim())):
        with pytest.raises(HarnessError, match="cannot be trusted"):
            use()


def test_a_link_in_the_folders_place_is_not_followed(claim: Make, tmp_path: Path) -> None:
    claims.folder().symlink_to(tmp_path)
    with pytest.raises(HarnessError, match="cannot be trusted"):
        claims.found()
