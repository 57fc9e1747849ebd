"""The examination: everything is tried at once, and told in its order."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from harness.doctor import engine, kernel, network, programs
from harness.doctor.finding import Examination, Finding

TRIES: tuple[Callable[[], Iterator[Finding]], ...] = (
    programs.python,
    programs.bots,
    kernel.ports,
    programs.redis,
    engine.docker,
    kernel.mounts,
    kernel.faketime,
    network.network,
    kernel.cgroups,
    programs.chromium,
)


def examine() -> Examination:
    """Try everything; takes as long as the slowest try."""
    with ThreadPoolExecutor(len(TRIES), thread_name_prefix="doctor") as threads:
        found = threads.map(lambda looked: tuple(looked()), TRIES)
        return Examination(findings=tuple(finding for findings in found for finding in findings))
