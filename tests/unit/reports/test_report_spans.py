"""Lanes: what the watch saw of a member, and what its faults say that it was."""

from harness.records.journal import FaultEntry, MemberEntry, MemberState
from reports.spans import FaultRecord, StateSpan, lane


def seen(t_ns: int, state: MemberState, identity: str = "pid 1") -> MemberEntry:
    return MemberEntry(t_ns=t_ns, member="node-1", role="node", state=state, identity=identity)


def fault(name: str, *, at: int, over: int | None = None, peers: tuple[str, ...] = ()) -> FaultRecord:
    steps = [("injected", at)] if over is None else [("injected", at), ("healed", over)]
    return FaultRecord(
        fault_id="f",
        fault=name,
        targets=("node-1",),
        peers=peers,
        traits=("cuts-silently",) if peers else (),
        steps=tuple(
            FaultEntry(t_ns=t, done_ns=t, fault_id="f", fault=name, step=step, targets=("node-1",))
            for step, t in steps
        ),
    )


def told(spans: tuple[StateSpan, ...]) -> list[tuple[str, int, int]]:
    return [(span.state, span.start_ns, span.end_ns) for span in spans]


def test_a_member_behind_a_partition_is_cut_off_from_the_inject_to_the_heal() -> None:
    cut = fault("partition", at=30, over=50, peers=("redis",))
    spans = lane([seen(0, MemberState.READY), seen(40, MemberState.NOT_READY)], [cut], "node-1", 100)
    assert told(spans) == [
        ("ready", 0, 30),
        ("cut-off", 30, 50),
        ("not-ready", 50, 100),
    ]
    assert spans[1].note == "partition node-1 from redis"


def test_a_cut_that_is_never_healed_lasts() -> None:
    spans = lane([seen(0, MemberState.READY)], [fault("partition", at=30, peers=("redis",))], "node-1", 100)
    assert told(spans) == [("ready", 0, 30), ("cut-off", 30, 100)]


def test_a_member_that_is_down_is_not_said_to_be_cut_off() -> None:
    cut = fault("partition", at=30, over=50, peers=("redis",))
    spans = lane([seen(0, MemberState.READY), seen(35, MemberState.DOWN, "")], [cut], "node-1", 100)
    assert told(spans) == [("ready", 0, 30), ("cut-off", 30, 35), ("down", 35, 100)]


def test_a_member_that_was_asked_to_end_drains_until_it_is_gone() -> None:
    entries = [
        seen(0, MemberState.READY),
        seen(31, MemberState.NOT_READY),
        seen(40, MemberState.DOWN, ""),
        seen(60, MemberState.STARTING, "pid 2"),
        seen(70, MemberState.READY, "pid 2"),
    ]
    spans = lane(entries, [fault("stop", at=30, over=60)], "node-1", 100)
    assert told(spans) == [
        ("ready", 0, 30),
        ("draining", 30, 40),
        ("down", 40, 60),
        ("starting", 60, 70),
        ("ready", 70, 100),
    ]


def test_a_restart_too_quick_to_be_seen_down_drains_until_the_next_incarnation() -> None:
    entries = [seen(0, MemberState.READY), seen(45, MemberState.STARTING, "pid 2")]
    spans = lane(entries, [fault("restart", at=30, over=45)], "node-1", 100)
    assert told(spans) == [("ready", 0, 30), ("draining", 30, 45), ("starting", 45, 100)]


def test_a_kill_says_no_goodbye() -> None:
    entries = [seen(0, MemberState.READY), seen(40, MemberState.DOWN, "")]
    spans = lane(entries, [fault("kill", at=30, over=60)], "node-1", 100)
    assert told(spans) == [("ready", 0, 40), ("down", 40, 100)]


def test_faults_of_others_leave_a_lane_alone() -> None:
    cut = fault("partition", at=30, over=50, peers=("redis",))
    entry = MemberEntry(t_ns=0, member="redis", role="redis", state=MemberState.READY, identity="pid 9")
    assert told(lane([entry], [cut], "redis", 100)) == [("ready", 0, 100)]
