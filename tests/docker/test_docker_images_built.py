"""The node's image is built when its content changes, and only then."""

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import docker
import pytest

from harness.backends.images import Images, ensure_node_image, image_id
from harness.errors import BackendUnavailable

pytestmark = pytest.mark.docker


def test_the_image_is_built_only_when_its_content_changes(
    engine: docker.DockerClient, images: Images, node_source: Callable[[str], Path]
) -> None:
    said: list[str] = []
    source = node_source(f"print('{secrets.token_hex(8)}')")
    first = ensure_node_image(engine, source, images.python, say=said.append)
    try:
        assert any(line.startswith("Building") for line in said)
        said.clear()
        (source / "__pycache__").mkdir()
        (source / "__pycache__" / "node.cpython-311.pyc").write_bytes(b"no content")
        assert ensure_node_image(engine, source, images.python, say=said.append) == first
        assert said == []

        (source / "__main__.py").write_text(f"print('{secrets.token_hex(8)}')")
        began = time.monotonic()
        second = ensure_node_image(engine, source, images.python, say=said.append)
        assert second != first
        assert image_id(engine, second) != image_id(engine, first)
        assert time.monotonic() - began < 20  # The installed packages were not installed again.
        engine.images.remove(second)
    finally:
        engine.images.remove(first)


def test_the_image_runs_as_an_ordinary_user(engine: docker.DockerClient, images: Images) -> None:
    config = engine.images.get(images.node).attrs["Config"]
    assert config["User"] == "10001:10001"
    assert config["Labels"]["wordaround.image"] == "node"
    assert "5000/tcp" in config["ExposedPorts"]


def test_a_build_that_fails_says_why(engine: docker.DockerClient, images: Images, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        f"ARG PYTHON_IMAGE\nFROM $PYTHON_IMAGE\nRUN echo the reason is {tmp_path.name} && exit 3\n"
    )
    with pytest.raises(BackendUnavailable, match=rf"the reason is {tmp_path.name}"):
        ensure_node_image(engine, tmp_path, images.python, say=lambda line: None)
