"""What an image is made of decides its tag; nothing else does."""

import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.backends import images
from harness.backends.images import PYTHON, REDIS, cluster_source, context_tag, read_context
from harness.errors import HarnessError

ROOT = Path(__file__).parents[2]

# Few letters and short, so that equal bytes in other places are met often.
names = st.text("ab", min_size=1, max_size=2)
contents = st.text("ab1 \n", max_size=2).map(str.encode)
contexts = st.dictionaries(names, contents, max_size=2)


@given(one=contexts, other=contexts)
def test_two_contexts_have_the_same_tag_exactly_when_they_are_equal(
    one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    assert (context_tag(one, "base") == context_tag(other, "base")) == (one == other)


def test_another_base_image_gives_another_tag() -> None:
    assert context_tag({"a": b"1"}, "sha256:1") != context_tag({"a": b"1"}, "sha256:2")
    assert context_tag({}, "sha256:1").startswith("wordaround/node:")


def test_a_name_or_content_that_mimics_another_context_does_not_get_its_tag() -> None:
    assert context_tag({"a": b"b"}, "base") != context_tag({"ab": b""}, "base")
    assert context_tag({"a": b"\n1 b 1\nc"}, "base") != context_tag({"a": b"", "b": b"c"}, "base")


def test_the_page_and_its_official_client_are_part_of_the_nodes_image(tmp_path: Path) -> None:
    source = tmp_path / "cluster"
    shutil.copytree(cluster_source(), source, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    without = read_context(source)
    assert {"page.py", "page/index.html", "page/js/client.js"} <= set(without)
    client = source / "page" / "vendor" / "socket.io.esm.min.js"
    client.parent.mkdir()
    client.write_bytes(b"one version")
    one = context_tag(read_context(source), "base")
    client.write_bytes(b"another version")
    assert len({context_tag(without, "base"), one, context_tag(read_context(source), "base")}) == 3


def test_the_context_has_every_file_but_byte_code_and_what_is_hidden(tmp_path: Path) -> None:
    for name in (
        "Dockerfile",
        "node.py",
        "scripts/commit.lua",
        "node.pyc",
        ".swp",
        ".git/x",
        "__pycache__/n",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    assert read_context(tmp_path) == {
        "Dockerfile": b"Dockerfile",
        "node.py": b"node.py",
        "scripts/commit.lua": b"scripts/commit.lua",
    }


def test_the_packed_context_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    (tmp_path / "node.py").write_text("print()")
    first = images._pack(read_context(tmp_path)).getvalue()
    (tmp_path / "node.py").chmod(0o600)
    (tmp_path / "node.py").touch()
    packed = images._pack(read_context(tmp_path))
    assert packed.getvalue() == first
    with tarfile.open(fileobj=packed) as tar:
        (entry,) = tar.getmembers()
        assert (entry.name, entry.mode, entry.uid, entry.mtime) == ("node.py", 0o644, 0, 0)


def test_the_context_is_the_installed_cluster_and_finding_it_does_not_import_it() -> None:
    program = (
        "import sys; from harness.backends.images import cluster_source; print(cluster_source()); "
        "sys.exit('cluster' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert Path(ran.stdout.strip()) == cluster_source()
    assert {"Dockerfile", "requirements.txt", "__init__.py"} <= set(read_context(cluster_source()))


def test_an_installation_without_the_cluster_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(HarnessError, match="install WordAround anew"):
        cluster_source()


def test_base_images_are_the_named_one_or_else_the_default_then_the_one_made_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WORDAROUND_PYTHON_IMAGE", raising=False)
    assert PYTHON.candidates == ("python:3.12-slim", "wordaround/python-base:local")
    monkeypatch.setenv("WORDAROUND_REDIS_IMAGE", "valkey:8")
    assert REDIS.candidates == ("valkey:8",)
    assert REDIS.wanted == "valkey:8"


def _pins(path: Path) -> dict[str, Requirement]:
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    pins = [Requirement(line) for line in lines if line]
    return {canonicalize_name(pin.name): pin for pin in pins}


def test_the_nodes_requirements_are_pinned_like_the_constraints() -> None:
    node, all_pins = _pins(cluster_source() / "requirements.txt"), _pins(ROOT / "constraints.txt")
    differing = {name: pin for name, pin in node.items() if pin.specifier != all_pins[name].specifier}
    assert differing == {}
    assert all(str(pin.specifier).startswith("==") and pin.url is None for pin in node.values())


def test_the_nodes_requirements_hold_all_that_a_node_needs_itself() -> None:
    direct = {"flask", "flask-socketio", "python-socketio", "gevent", "simple-websocket", "redis", "hiredis"}
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert direct <= {canonicalize_name(Requirement(text).name) for text in declared}
    assert direct <= set(_pins(cluster_source() / "requirements.txt"))
