"""What the shell offers at TAB for arguments that are names of ours. Files are the shell's own to offer."""

from collections.abc import Iterable
from pathlib import Path


def scenarios(incomplete: str) -> list[str]:
    """Offer the shipped scenarios."""
    from harness.scenario.library import shipped_names

    return _beginning(incomplete, shipped_names())


def faults(incomplete: str) -> list[str]:
    """Offer the faults."""
    from harness.faults.registry import FAULTS

    return _beginning(incomplete, FAULTS)


def backends(incomplete: str) -> list[str]:
    """Offer the backends."""
    from harness.backends.choose import CHOICES

    return _beginning(incomplete, CHOICES)


def guarantees(incomplete: str) -> list[str]:
    """Offer the guarantees, also after a comma."""
    from harness.records.guarantees import GUARANTEES

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _beginning(last, GUARANTEES)]


def formats(incomplete: str) -> list[str]:
    """Offer the formats of a history."""
    from harness.exports import FORMATS

    return _beginning(incomplete, FORMATS)


def cluster_ids(incomplete: str) -> list[str]:
    """Offer the clusters that are up."""
    from harness.supervisor.clusters import clusters

    return _beginning(incomplete, (cluster.id for cluster in clusters()))


def runs(incomplete: str) -> list[str]:
    """Offer run folders, the newest first: in the folder that was typed, or in `runs` where none was."""
    typed, slash, beginning = incomplete.rpartition("/")
    where = typed + slash or "runs/"
    names = [path.name for path in _folders(Path(where)) if (path / "meta.json").exists()]
    return [where + name for name in sorted(_beginning(beginning, names), reverse=True)]


def _folders(where: Path) -> Iterable[Path]:
    try:
        return [path for path in where.iterdir() if path.is_dir()]
    except OSError:  # There is none, or it is not ours to read: nothing to offer.
        return []


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
