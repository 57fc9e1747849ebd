"""The images of the docker backend: two base images, and what is built on one from what is installed.

The node's image is tagged by a hash over its build context and its base image: where an image of that
tag exists it is the right one, and building is skipped. The build context is the folder of the
installed package `cluster`, found without importing it. The helpers' image is made in the same way
(see `docker_helper.py`), for runs that need it.
"""

import hashlib
import importlib.util
import io
import os
import tarfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import ImageNotFound

from harness.backends.docker_engine import ENGINE_ERRORS, connect, engine_errors, spoken
from harness.errors import BackendUnavailable, HarnessError

Say = Callable[[str], None]

_NODE = "wordaround/node"
_HELPER = "wordaround/helper"
_HELPER_SOURCE = Path(__file__).parent / "netns"
_BUILD_SILENCE_S = 300  # A build step that prints nothing for so long hangs.
_ENGINE_S = 2  # An engine that is there answers within milliseconds.
_PROBE_S = 5  # A registry that does not name an image by then is not reachable.
_KEPT_LINES = 25


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseImage:
    """An image that we do not build: the one that the variable names, else the default, else `made`.

    `made` is what `.ci/base-images` leaves on machines that reach no registry.
    """

    variable: str
    default: str
    made: str

    @property
    def wanted(self) -> str:
        return os.environ.get(self.variable) or self.default

    @property
    def candidates(self) -> tuple[str, ...]:
        return (self.wanted,) if os.environ.get(self.variable) else (self.default, self.made)


PYTHON = BaseImage(
    variable="WORDAROUND_PYTHON_IMAGE", default="python:3.12-slim", made="wordaround/python-base:local"
)
REDIS = BaseImage(
    variable="WORDAROUND_REDIS_IMAGE", default="redis:8-alpine", made="wordaround/redis-base:local"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Images:
    """References of the images that a cluster runs on; `python` is what `node` was built on."""

    node: str
    redis: str
    python: str


def ensure_images(client: docker.DockerClient, *, say: Say, source: Path | None = None) -> Images:
    """Return the images, after pulling and building what is missing.

    `source` is a node's build context, by default the installed package `cluster`. `say` gets a line
    for whatever takes long; what it raises ends the work.

    Raises:
        BackendUnavailable: an image is not there and can be neither pulled nor built.
    """
    redis = ensure_base(client, REDIS, say)
    python = ensure_base(client, PYTHON, say)
    node = ensure_node_image(client, source or cluster_source(), python, say=say)
    return Images(node=node, redis=redis, python=python)


def lacking() -> str | None:
    """Return why no images can be had here, in a line, or `None`: they are there, or can be pulled.

    Raises:
        BackendUnavailable: no engine answers; known within `_ENGINE_S`.
    """
    client = connect(timeout_s=_ENGINE_S)
    try:
        missing = [base for base in (PYTHON, REDIS) if _local(client, base) is None]
    finally:
        client.close()
    for base in missing:
        if reason := _unreachable_soon(base.wanted):
            return _not_there(base, reason)
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageState:
    """An image, for people: `found` where the engine has it; `missing` why it cannot be had, if so."""

    what: str
    wanted: str
    found: str | None
    missing: str | None


def states(client: docker.DockerClient) -> Iterator[ImageState]:
    """Yield all images that clusters need: the bases, and what is built on one of them.

    Raises:
        HarnessError: the engine does not answer any more.
    """
    for what, base in (("Python", PYTHON), ("Redis", REDIS)):
        found = _local(client, base)
        reason = "" if found else _unreachable_soon(base.wanted)
        missing = _not_there(base, reason) if reason else None
        yield ImageState(what=what, wanted=base.wanted, found=found, missing=missing)
    python_id = image_id(client, _local(client, PYTHON) or PYTHON.wanted) or ""
    for what, source, repository in (("node", cluster_source(), _NODE), ("helper", _HELPER_SOURCE, _HELPER)):
        tag = context_tag(read_context(source), python_id, repository)
        found = tag if image_id(client, tag) else None
        yield ImageState(what=what, wanted=tag, found=found, missing=None)


# --- base images -----------------------------------------------------------------------------------------


def ensure_base(client: docker.DockerClient, base: BaseImage, say: Say) -> str:
    """Return a base image's reference, after pulling it if it is missing.

    Raises:
        BackendUnavailable: it is not there and cannot be pulled.
    """
    if (found := _local(client, base)) is not None:
        return found
    # Asked first, with a short deadline: a pull waits for an unreachable registry for minutes.
    reason = _unreachable_soon(base.wanted)
    if not reason:
        say(f"Pulling {base.wanted}")
        reason = _pull(client.api, base.wanted, say)
    if reason:
        raise BackendUnavailable(_not_there(base, reason))
    return base.wanted


def _not_there(base: BaseImage, reason: str) -> str:
    return (
        f"Docker has no image {base.wanted} and cannot pull it ({reason}); name one that it has in "
        f'{base.variable}, or, in a clone of WordAround, make both base images: eval "$(.ci/base-images)"'
    )


def _local(client: docker.DockerClient, base: BaseImage) -> str | None:
    return next((reference for reference in base.candidates if image_id(client, reference)), None)


def image_id(client: docker.DockerClient, reference: str) -> str | None:
    """Return the id of an image that the engine has, else `None`."""
    try:
        with engine_errors(f"inspect the image {reference}"):
            return str(client.images.get(reference).id)
    except HarnessError as error:
        if isinstance(error.__cause__, ImageNotFound):
            return None
        raise


def _unreachable_soon(reference: str) -> str:
    """Return why the image's registry does not offer it; empty when it does. Known within `_PROBE_S`."""
    client = connect(timeout_s=_PROBE_S)
    try:
        client.images.get_registry_data(reference)
    except ENGINE_ERRORS as error:
        return spoken(error)
    finally:
        client.close()
    return ""


def _pull(api: docker.APIClient, reference: str, say: Say) -> str:
    """Pull the image; return why that failed, empty when it is there."""
    try:
        for event in api.pull(reference, stream=True, decode=True):
            if "error" in event:
                return str(event["error"])
            if event.get("status", "").startswith("Status:"):
                say(event["status"])
    except ENGINE_ERRORS as error:
        return spoken(error)
    return ""


# --- the node's image ------------------------------------------------------------------------------------


def cluster_source() -> Path:
    """Return the folder of the installed package `cluster`, which is the node's build context.

    Raises:
        HarnessError: the package, or its Dockerfile, is not installed.
    """
    spec = importlib.util.find_spec("cluster")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / "Dockerfile").is_file():
            return Path(folder)
    raise HarnessError("the package `cluster` is not installed with its Dockerfile; install WordAround anew")


def read_context(source: Path) -> dict[str, bytes]:
    """Return the build context: file contents by relative name, sorted; no byte code, nothing hidden."""
    names = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    return {name.as_posix(): (source / name).read_bytes() for name in sorted(names) if _belongs(name)}


def _belongs(name: Path) -> bool:
    return name.suffix != ".pyc" and not any(p == "__pycache__" or p.startswith(".") for p in name.parts)


def context_tag(context: dict[str, bytes], base_id: str, repository: str = _NODE) -> str:
    """Return the reference that an image of this context on that base has: `<repository>:<12 hex>`."""
    digest = hashlib.sha256(base_id.encode())
    for name, data in sorted(context.items()):
        # Lengths, so that no other split into names and contents gives the same bytes.
        digest.update(f"\n{len(name)} {name} {len(data)}\n".encode())
        digest.update(data)
    return f"{repository}:{digest.hexdigest()[:12]}"


def ensure_node_image(client: docker.DockerClient, source: Path, python: str, *, say: Say) -> str:
    """Return the node's image, built from `source` on the image `python` if it is not there yet.

    Raises:
        BackendUnavailable: the build failed; the message has its last lines.
    """
    return _ensure_built(client, source, python, _NODE, what="the nodes' image", say=say)


def ensure_helper_image(client: docker.DockerClient, python: str, *, say: Say) -> str:
    """Return the image of members' helpers, built on the image `python` if it is not there yet.

    Raises:
        BackendUnavailable: the build failed; the message has its last lines.
    """
    return _ensure_built(client, _HELPER_SOURCE, python, _HELPER, what="the helpers' image", say=say)


def _ensure_built(
    client: docker.DockerClient, source: Path, python: str, repository: str, *, what: str, say: Say
) -> str:
    context = read_context(source)
    tag = context_tag(context, image_id(client, python) or "", repository)
    if image_id(client, tag) is None:
        say(f"Building {what} {tag} on {python}")
        if reason := _build(client.api, _pack(context), tag, python, say):
            raise BackendUnavailable(f"Docker could not build {what} on {python} ({reason}")
    return tag


def _pack(context: dict[str, bytes]) -> io.BytesIO:
    """Return the context as a tar whose bytes depend on names and contents only, for the build cache."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in context.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    packed.seek(0)
    return packed


def _build(api: docker.APIClient, packed: io.BytesIO, tag: str, python: str, say: Say) -> str:
    """Build; return why that failed and the last lines, empty when it did not."""
    lines: deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        events = api.build(
            fileobj=packed,
            custom_context=True,
            tag=tag,
            buildargs={"PYTHON_IMAGE": python},
            rm=True,
            forcerm=True,
            decode=True,
            timeout=_BUILD_SILENCE_S,
        )
        reason = _follow_build(events, lines, say)
    except ENGINE_ERRORS as error:
        reason = spoken(error)
    output = "".join(f"\n    {line}" for line in lines)
    return f"{reason}); its last lines:{output}" if reason else ""


def _follow_build(events: Iterable[Any], lines: deque[str], say: Say) -> str:
    """Keep the build's last lines, say its steps; return why it failed, empty when it did not."""
    for event in events:
        if "error" in event:
            return str(event["error"]).strip()
        for line in str(event.get("stream", "")).rstrip().splitlines():
            lines.append(line)
            if line.startswith("Step "):
                say(f"  {line}")
    return ""
