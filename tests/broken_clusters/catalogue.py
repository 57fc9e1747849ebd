"""All planted bugs, in the order of the matrix."""

from tests.broken_clusters import live, members, reads, resumes, sends
from tests.broken_clusters.planting import BUGS, Bug, Fault

AREAS = (sends, live, resumes, reads, members)  # importing them declares their bugs

__all__ = ["AREAS", "BUGS", "Bug", "Fault"]
