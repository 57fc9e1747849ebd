"""The control: what other bugs need in order to show, without any bug. It has to pass."""

from tests.broken_clusters.live import change_live
from tests.broken_clusters.members import change_lists
from tests.broken_clusters.planting import Fault, bug
from tests.broken_clusters.reads import change_pages
from tests.broken_clusters.resumes import change_join_answers, change_resumes
from tests.broken_clusters.sends import answers_late, change_acknowledgements, hide_tombstones


@bug(fault=Fault.NODE_KILL)
def right_but_slow() -> None:
    """Everything is done by the replaced parts, late, and as it should be."""
    answers_late(0.3, "node-1")
    change_acknowledgements(lambda request, answer: answer)
    change_live(lambda member, messages: messages)
    change_resumes(lambda self, room, found, cursor: found)
    change_join_answers(lambda request, answer: answer)
    change_pages("stored", lambda messages: messages)
    change_pages("delivered", lambda messages: messages)
    change_lists(lambda rows: rows)
    hide_tombstones()
