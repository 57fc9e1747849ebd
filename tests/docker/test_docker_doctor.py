"""`doctor` with an engine: images as they are, networks tried in a container, nothing left of it."""

import docker
import pytest

from harness.backends.images import PYTHON, Images, ensure_helper_image
from harness.doctor import engine as doctors_engine
from harness.doctor import network

pytestmark = pytest.mark.docker


def test_the_engine_and_its_images_are_ok(images: Images) -> None:
    findings = {finding.what: finding for finding in doctors_engine.docker()}
    assert list(findings) == ["engine", "Python image", "Redis image", "node image", "helper image"]
    assert all(finding.ok for finding in findings.values())
    assert findings["node image"].text == f"{images.node} is there"


def test_an_image_that_cannot_be_had_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PYTHON.variable, "127.0.0.1:1/none:1")
    findings = {finding.what: finding for finding in doctors_engine.docker()}
    assert not findings["Python image"].ok
    assert "Docker has no image 127.0.0.1:1/none:1 and cannot pull it" in findings["Python image"].text
    assert findings["Redis image"].ok


def test_networks_are_tried_in_a_container_that_is_gone_afterwards(
    engine: docker.DockerClient, images: Images
) -> None:
    ensure_helper_image(engine, images.python, say=print)
    before = {container.id for container in engine.containers.list(all=True)}
    findings = {finding.what: finding for finding in network.network()}
    assert findings["iptables"].text == "packets can be dropped in a network namespace (in a container)"
    assert findings["NFQUEUE"].ok
    helpers = engine.containers.list(all=True, filters={"label": "wordaround=1"})
    assert not [c for c in helpers if c.id not in before and c.attrs["HostConfig"]["NetworkMode"] == "none"]
