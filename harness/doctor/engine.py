"""Docker: its engine and its images."""

import shutil
from collections.abc import Iterator

from harness.backends import images
from harness.backends.docker_engine import connect, engine_errors
from harness.backends.images import ImageState
from harness.doctor.finding import Finding
from harness.errors import HarnessError

_ANSWER_S = 5


def docker() -> Iterator[Finding]:
    """The engine and its images."""
    try:
        client = connect(timeout_s=_ANSWER_S)
    except HarnessError as error:
        yield _found("engine", False, f"{error}{_install()}")
        return
    try:
        with engine_errors("tell about itself"):
            version, about = client.version()["Version"], client.info()
        cgroup = about.get("CgroupVersion", "1")
        yield _found("engine", True, f"{version}, cgroup v{cgroup}, {about.get('Driver', '?')}")
        for state in images.states(client):
            yield _image(state)
    except HarnessError as error:
        yield _found("images", False, str(error))
    finally:
        client.close()


def _install() -> str:
    if shutil.which("dockerd") is None and shutil.which("docker") is None:
        return (
            ". To install one: https://docs.docker.com/engine/install/, on Debian: apt-get install docker.io"
        )
    return ". To start one that systemd knows: sudo systemctl start docker"


def _image(state: ImageState) -> Finding:
    if state.found is not None:
        return _found(f"{state.what} image", True, f"{state.found} is there")
    if state.missing is None:
        return _found(f"{state.what} image", True, f"{state.wanted} is not there yet; the first run gets it")
    return _found(f"{state.what} image", False, state.missing)


def _found(what: str, ok: bool, text: str) -> Finding:
    return Finding(needed_for="the docker backend", what=what, ok=ok, text=text)
