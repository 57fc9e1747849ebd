"""Which backend a run uses, and why, in one line. One is imported when it is wanted: Docker's takes long."""

from collections.abc import Callable, Mapping

from harness.backends.attach import AttachBackend
from harness.backends.base import Backend
from harness.backends.process import ProcessBackend
from harness.errors import BackendUnavailable, UsageError

CHOICES = ("auto", "docker", "process", "attach")


def check_name(asked: str) -> None:
    """Raise a `UsageError` when there is no backend of that name."""
    if asked not in CHOICES:
        raise UsageError(f"--backend {asked}: there is no such backend; choose one of {', '.join(CHOICES)}")


def choose(
    asked: str,
    say: Callable[[str], None],
    *,
    foreign: bool = False,
    attached: bool = False,
    node_settings: Mapping[str, str] | None = None,
) -> tuple[Backend, str]:
    """Return the backend and the reason for it; `say` gets what takes long at its start.

    `foreign`: the nodes are another program, which is started as processes only. `attached`: the nodes run
    already. `node_settings` are further variables of the environment of every node that is started.

    Raises:
        UsageError: there is no backend of that name.
        BackendUnavailable: the one that was asked for cannot work here.
    """
    match asked:
        case "process":
            return ProcessBackend(node_settings=node_settings), "asked for"
        case "attach":
            return AttachBackend(), "asked for"
        case "docker":
            docker, missing = _docker(say, node_settings)
            if docker is None:
                raise BackendUnavailable(f"the docker backend cannot be used: {missing}")
            return docker, "asked for"
    check_name(asked)
    if attached:
        return AttachBackend(), "auto: the scenario attaches to nodes that run already"
    if foreign:
        return ProcessBackend(), "auto: the scenario has a command of its own for its nodes"
    return _auto(say, node_settings)


def _auto(say: Callable[[str], None], node_settings: Mapping[str, str] | None) -> tuple[Backend, str]:
    docker, missing = _docker(say, node_settings)
    if docker is not None:
        return docker, "auto: a Docker engine answers, and the images are there or can be had"
    return ProcessBackend(node_settings=node_settings), f"auto: no Docker ({missing})"


def _docker(
    say: Callable[[str], None], node_settings: Mapping[str, str] | None
) -> tuple[Backend | None, str | None]:
    """Return the backend, or why there is none."""
    from harness.backends import docker as docker_backend

    if missing := docker_backend.available():
        return None, missing
    return docker_backend.DockerBackend(say=say, node_settings=node_settings), None
