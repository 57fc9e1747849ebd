"""Which backend a run uses, and why, in one line."""

from harness.backends import docker as docker_backend
from harness.backends.base import Backend
from harness.backends.docker import DockerBackend
from harness.backends.process import ProcessBackend
from harness.errors import BackendUnavailable, UsageError

CHOICES = ("auto", "docker", "process")


def choose(asked: str) -> tuple[Backend, str]:
    """Return the backend and the reason for it.

    Raises:
        UsageError: there is no backend of that name.
        BackendUnavailable: the one that was asked for cannot work here.
    """
    match asked:
        case "process":
            return ProcessBackend(), "asked for"
        case "docker":
            if missing := docker_backend.available():
                raise BackendUnavailable(f"the docker backend cannot be used: {missing}")
            return DockerBackend(), "asked for"
        case "auto":
            return _auto()
    raise UsageError(f"--backend {asked}: there is no such backend; choose one of {', '.join(CHOICES)}")


def _auto() -> tuple[Backend, str]:
    missing = docker_backend.available()
    if missing is None:
        return DockerBackend(), "auto: a Docker engine answers and has the images"
    return ProcessBackend(), f"auto: no Docker ({missing})"
