"""All planted bugs, and the control that has none."""

from tests.broken_clusters import control, live, members, reads, resumes, sends
from tests.broken_clusters.planting import DECLARED

AREAS = (sends, live, resumes, reads, members, control)  # what declares them, in the order of the matrix

CONTROL = DECLARED["right-but-slow"]
BUGS = {
    bug.name: bug
    for area in AREAS
    for bug in DECLARED.values()
    if bug.plant.__module__ == area.__name__ and bug is not CONTROL
}
