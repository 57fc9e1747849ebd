"""Redis's small disk: full for it alone, seen by nobody else, gone with its processes."""

import os
import subprocess
from pathlib import Path

import psutil
import pytest

from harness.backends import private_mounts
from harness.backends.private_mounts import PrivateMounts
from harness.backends.process_disk import ProcessDisk
from harness.errors import HarnessError

pytestmark = pytest.mark.process

SIZE = 2 * 2**20


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def mounts(data, tmp_path):
    if missing := private_mounts.lacking():
        pytest.skip(missing)
    mounts = PrivateMounts({data: SIZE}, log=tmp_path / "log", environment=os.environ)
    yield mounts
    mounts.close()


def test_a_mount_is_small_and_only_there_for_who_is_inside(mounts, data, tmp_path):
    (mounts.seen(data) / "here").write_text("inside")

    read = subprocess.run(
        mounts.inside(("cat", str(data / "here"))), capture_output=True, text=True, timeout=10, check=True
    )

    assert read.stdout == "inside"
    assert list(data.iterdir()) == []
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    space = os.statvfs(mounts.seen(data))
    assert space.f_blocks * space.f_frsize == SIZE


def test_a_filled_disk_takes_nothing_and_a_freed_one_does(mounts, data):
    path = mounts.seen(data)
    disk = ProcessDisk(path, own=True)

    evidence = disk.fill()

    assert 0 < int(evidence["filled"].split()[0]) <= SIZE
    assert evidence["left"] == "0 blocks"
    with pytest.raises(OSError, match="No space left"):
        (path / "more").write_bytes(b"x" * 8192)
    disk.free()
    disk.free()
    (path / "more").write_bytes(b"x" * 8192)


def test_the_mounts_are_gone_with_their_holder(mounts, data):
    holder = psutil.Process(mounts._holder.pid)
    assert (mounts.seen(data) / ".mounted").exists()

    mounts.close()
    mounts.close()

    assert not holder.is_running()


def test_where_nothing_can_be_mounted_the_error_says_what_the_kernel_said(data, tmp_path, monkeypatch):
    monkeypatch.setattr(private_mounts, "_HOLD", "echo mount: permission denied >&2; exit 32")

    with pytest.raises(
        HarnessError, match=r"mount: permission denied; run as root, or allow user namespaces"
    ):
        PrivateMounts({data: SIZE}, log=tmp_path / "log", environment=os.environ)


def test_a_disk_that_is_not_redis_own_is_never_filled(data):
    with pytest.raises(HarnessError, match="it has none of its own"):
        ProcessDisk(data, own=False).fill()
    assert list(data.iterdir()) == []
