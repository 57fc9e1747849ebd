"""Redis's small disk: full for it alone, seen by nobody else, gone with its processes."""

import os
from pathlib import Path

import psutil
import pytest

from harness.backends import process_disk
from harness.backends.process_disk import ProcessDisk, SmallDisk
from harness.backends.process_group import ProcessGroup
from harness.errors import HarnessError

pytestmark = pytest.mark.process

SIZE = 2 * 2**20


@pytest.fixture
def disk(tmp_path):
    if missing := process_disk.lacking():
        pytest.skip(missing)
    folder = tmp_path / "data"
    folder.mkdir()
    disk = SmallDisk(folder, log=tmp_path / "log", environment=os.environ, size=SIZE)
    yield disk
    disk.close()


def test_the_disk_is_small_and_only_there_for_who_is_inside(disk, tmp_path):
    (disk.path / "here").write_text("inside")
    log = tmp_path / "inside"

    program = ProcessGroup(
        disk.inside(("cat", str(tmp_path / "data" / "here"))),
        folder=tmp_path,
        environment=os.environ,
        log=log,
    )
    program._child.wait(timeout=10)
    program.end()

    assert log.read_text() == "inside"
    assert list((tmp_path / "data").iterdir()) == []
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    space = os.statvfs(disk.path)
    assert space.f_blocks * space.f_frsize == SIZE


def test_a_filled_disk_takes_nothing_and_a_freed_one_does(disk, tmp_path):
    for_redis = ProcessDisk(tmp_path / "data", disk)

    evidence = for_redis.fill()

    assert 0 < int(evidence["filled"].split()[0]) <= SIZE
    assert evidence["left"] == "0 blocks"
    with pytest.raises(OSError, match="No space left"):
        (disk.path / "more").write_bytes(b"x" * 8192)
    for_redis.free()
    for_redis.free()
    (disk.path / "more").write_bytes(b"x" * 8192)


def test_the_disk_is_gone_with_its_holder(disk):
    holder = psutil.Process(disk._holder.pid)
    assert (disk.path / ".mounted").exists()

    disk.close()
    disk.close()

    assert not holder.is_running()


def test_where_no_disk_can_be_mounted_the_error_says_what_the_kernel_said(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setattr(process_disk, "_HOLD", "echo mount: permission denied >&2; exit 32")

    with pytest.raises(
        HarnessError, match=r"mount: permission denied; run as root, or allow user namespaces"
    ):
        SmallDisk(folder, log=tmp_path / "log", environment=os.environ)


def test_a_disk_that_is_not_redis_own_is_never_filled(tmp_path):
    with pytest.raises(HarnessError, match="it has none of its own"):
        ProcessDisk(tmp_path, None).fill()
    assert list(tmp_path.iterdir()) == []
