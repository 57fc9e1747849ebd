"""The fault `command`: programs of the scenario's own, what they are given, and what is believed of them."""

import os
import shlex
import signal
import subprocess
import threading
import time
from pathlib import Path

import psutil
import pytest

from harness.backends.base import Member
from harness.clock import now_ns
from harness.errors import HarnessError
from harness.faults.base import NotProven
from harness.faults.command import Command
from harness.faults.executor import FaultExecutor
from harness.plan import make_plan
from harness.records.journal import FaultEntry, Journal, read_journal
from harness.records.plan import FaultPlan, Role
from harness.scenario.parse import ScenarioError, parse
from harness.timeline import timeline

TELL = """
echo "$0 $@"
echo run $WORDAROUND_RUN_ID fault $WORDAROUND_FAULT_ID
echo $WORDAROUND_TARGETS >&2
echo $WORDAROUND_TARGET_URLS
"""
OK = ("true",)


class Cluster:
    """As much of a backend as the fault asks for."""

    name = "attach"
    run_id = "0badcafe"

    def members(self) -> tuple[Member, ...]:
        nodes = (Member(name=f"node-{i}", role=Role.NODE, url=f"http://127.0.0.1:{5000 + i}") for i in (1, 2))
        return (Member(name="redis", role=Role.REDIS, url=None), *nodes)


def command(
    *targets: str, timeout: float = 10.0, duration: float | None = None, **verbs: tuple[str, ...]
) -> Command:
    settings = {"inject": OK, "prove": OK, "heal": None, "timeout": timeout, **verbs}
    plan = FaultPlan(
        id="mine", fault="command", at_s=0.0, targets=targets, duration_s=duration, settings=settings
    )
    return Command(plan, Cluster())  # type: ignore[arg-type]


def shell(script: str, *words: str) -> tuple[str, ...]:
    return ("sh", "-c", script, *words)


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_program_is_given_its_words_and_its_environment() -> None:
    fault = command("node-1", "redis", inject=shell(TELL, "{run_id}", "{{name}}", "a b"))
    told = fault.inject()
    assert list(told) == ["inject"]
    assert told["inject"].endswith(
        "it said: 0badcafe {name} a b | run 0badcafe fault mine | node-1 redis | http://127.0.0.1:5001"
    )
    assert "ended with exit status 0 after 0." in told["inject"]


def test_a_placeholder_of_the_target_runs_the_program_for_each() -> None:
    told = command("node-1", "node-2", inject=("echo", "{name}", "at", "{url}")).inject()
    assert [(what, said.partition("; ")[2]) for what, said in told.items()] == [
        ("inject node-1", "it said: node-1 at http://127.0.0.1:5001"),
        ("inject node-2", "it said: node-2 at http://127.0.0.1:5002"),
    ]


def test_a_fault_without_targets_runs_once() -> None:
    told = command(inject=shell(TELL, "x")).inject()
    assert told["inject"].endswith("it said: x | run 0badcafe fault mine")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("false",), "`false` ended with exit status 1 after 0."),
        (shell("echo no such luck; exit 7"), "ended with exit status 7 after 0."),
        (shell("kill -KILL $$"), "was killed by SIGKILL after 0."),
        (("/no/such/program", "x"), "`/no/such/program x` cannot be started: No such file or directory"),
        (("/",), "`/` cannot be started: Permission denied"),
    ],
)
def test_whatever_is_not_exit_status_0_is_a_failure_with_its_reason(words: tuple[str, ...], why: str) -> None:
    with pytest.raises(HarnessError) as injected:
        command(inject=words).inject()
    assert why in str(injected.value)
    with pytest.raises(NotProven) as proved:
        command(prove=words).prove()
    assert why in str(proved.value)
    with pytest.raises(HarnessError) as healed:
        command(heal=words, duration=1.0).heal()
    assert why in str(healed.value)


def test_the_last_words_are_kept_and_no_more() -> None:
    script = "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done; exit 3"
    with pytest.raises(HarnessError) as caught:
        command(inject=shell(script)).inject()
    said = str(caught.value).partition("it said: ")[2].partition(";")[0]
    assert said.split(" | ")[-1] == "line 4999"
    assert len(said.split(" | ")) == 10


def test_bytes_that_are_no_text_harm_nobody() -> None:
    assert "�" in command(inject=shell(r"printf '\377\376'")).inject()["inject"]


def test_a_program_that_is_not_over_at_its_deadline_is_killed_with_all_that_it_started(
    tmp_path: Path,
) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 600 & echo $! $$ > {shlex.quote(str(pids))}; echo waiting; wait"
    with pytest.raises(
        HarnessError, match=r"was not over after 0\.[5-9]\d* s, and was killed; it said: waiting"
    ):
        command(inject=shell(script), timeout=0.5).inject()
    deadline = time.monotonic() + 10
    while any(alive(int(pid)) for pid in pids.read_text().split()):
        assert time.monotonic() < deadline, "something of it goes on"
        time.sleep(0.01)  # the kernel ends what nobody waits for in its own time


def test_what_a_program_leaves_in_the_background_neither_holds_it_up_nor_is_ended() -> None:
    told = command(inject=shell("sleep 600 & echo $!"), timeout=10).inject()["inject"]
    pid = int(told.rpartition(" ")[2])
    try:
        assert alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_the_heal_is_journaled_so_that_anybody_can_run_it_with_its_environment(tmp_path: Path) -> None:
    fault = command("node-1", "node-2", heal=shell(TELL, "{name}", "{url}"), duration=1.0)
    undo = fault.undo()
    for name, line in zip(("node-1", "node-2"), undo.commands, strict=True):
        done = subprocess.run(
            line, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]}
        )
        url = f"http://127.0.0.1:500{name[-1]}"
        assert done.stdout.splitlines()[:2] == [f"{name} {url}", "run 0badcafe fault mine"]
        assert done.stderr == "node-1 node-2\n"


def test_without_a_heal_there_is_nothing_to_undo_and_nothing_to_heal() -> None:
    fault = command(inject=OK)
    assert fault.undo().commands == ()
    assert fault.heal() is None


def test_a_heal_is_tried_on_every_target_whatever_came_of_the_others(tmp_path: Path) -> None:
    script = f'echo x >> {tmp_path}/"$0"; [ "$0" = node-2 ]'
    with pytest.raises(HarnessError, match=r"heal: .*node-1.* exit status 1 after"):
        command("node-1", "node-2", heal=shell(script, "{name}"), duration=1.0).heal()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["node-1", "node-2"]


def test_a_program_that_runs_is_ended_by_a_cancel_and_a_heal_may_still_come() -> None:
    fault = command(inject=("sleep", "600"), heal=("echo", "healed"), duration=1.0, timeout=60.0)
    failures: list[HarnessError] = []

    def inject() -> None:
        try:
            fault.inject()
        except HarnessError as error:
            failures.append(error)

    thread = threading.Thread(target=inject)
    thread.start()
    deadline = time.monotonic() + 5
    while not psutil.Process().children() and time.monotonic() < deadline:
        time.sleep(0.01)  # until the program runs
    fault.cancel()
    thread.join(5)
    assert "`sleep 600` was killed by SIGKILL" in str(failures[0])
    with pytest.raises(HarnessError, match="was not run: the run is over"):
        fault.inject()
    assert "it said: healed" in (fault.heal() or {})["heal"]


@pytest.mark.parametrize("targets", [(), ("node-1",)])
@pytest.mark.parametrize("heal", [None, ("touch", "healed")])
def test_a_run_that_is_over_waits_for_no_program(
    targets: tuple[str, ...], heal: tuple[str, ...] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = FaultPlan(
        id="mine",
        fault="command",
        at_s=0.0,
        targets=targets,
        duration_s=None if heal is None else 60.0,
        settings={
            "inject": shell("echo $$ > pid; exec sleep 600"),
            "prove": OK,
            "heal": heal,
            "timeout": 600.0,
        },
    )
    with Journal(tmp_path / "faults.jsonl") as journal:
        executor = FaultExecutor((plan,), Cluster(), journal, now_ns(), lambda entry: None)  # type: ignore[arg-type]
        executor.start()
        pid = wait_for_number(tmp_path / "pid")
        assert executor.abort() == ()
    assert not alive(pid)
    assert (tmp_path / "healed").exists() == (heal is not None)
    entries = read_journal(FaultEntry, tmp_path / "faults.jsonl")
    assert [entry.step for entry in entries[:2]] == ["undo", "failed"]
    assert "was killed by SIGKILL" in entries[1].evidence["error"]


def wait_for_number(path: Path) -> int:
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < deadline, "the program never began"
        time.sleep(0.01)  # it writes in its own time
    return int(path.read_text())


# --- In a scenario -----------------------------------------------------------------------------------------

SCENARIO = """\
version: 1
name: own
load: {{users: 2, messages_per_second: 1}}
phases: {{warmup: 1s, steady: 1s, chaos: 9s, recovery: 1s}}
faults:
  - {{id: a, fault: command, at: 1s, {keys}}}
{more}"""


def scenario(keys: str, more: str = "") -> str:
    return SCENARIO.format(keys=keys, more=more)


def mistakes(keys: str, more: str = "") -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        parse(scenario(keys, more), label="own.yaml")
    return [problem.sentence for problem in caught.value.problems]


def test_the_plan_has_the_programs_as_the_scenario_writes_them() -> None:
    text = scenario('inject: [do, "{run_id}"], prove: [see], heal: [undo], duration: 2s, timeout: 500ms')
    plan = make_plan(parse(text, label="own.yaml"), seed=1)
    (fault,) = plan.faults
    assert (fault.targets, fault.duration_s, fault.traits) == ((), 2.0, ())
    assert fault.settings == {
        "inject": ("do", "{run_id}"),
        "prove": ("see",),
        "heal": ("undo",),
        "timeout": 0.5,
    }
    assert "command (a), inject do | {run_id}, prove see, heal undo, timeout 0.5" in "\n".join(timeline(plan))


def test_without_heal_it_happens_once_and_targets_are_drawn_as_always() -> None:
    text = scenario("target: {role: node, mode: all}, inject: [do], prove: [see]")
    (fault,) = make_plan(parse(text, label="own.yaml"), seed=1).faults
    assert (fault.targets, fault.duration_s, fault.heal_after_s) == (
        ("node-1", "node-2", "node-3"),
        None,
        None,
    )


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ("prove: [see]", "the key `inject` is missing in `faults`"),
        ("inject: [do]", "the key `prove` is missing in `faults`"),
        ("inject: [], prove: [see]", "`inject` wants a program and its arguments; the program is missing"),
        (
            'inject: ["", x], prove: [see]',
            "`inject` wants a program and its arguments; the program is missing",
        ),
        (
            "inject: [do], prove: [see], heal: [undo]",
            "`heal` and `duration` come together: how it is ended, and when",
        ),
        (
            "inject: [do], prove: [see], duration: 2s",
            "`heal` and `duration` come together: how it is ended, and when",
        ),
        (
            'inject: [do], prove: [see, "{url}"]',
            "`prove` has the placeholder {url}, and the fault no `target`",
        ),
        (
            'inject: [do, "{pid}"], prove: [see]',
            "`inject` has an unknown placeholder {pid}; there are name, url, run_id",
        ),
        ("inject: do, prove: [see]", "`inject` wants a list, not the text 'do'"),
        (
            "inject: [do], prove: [see], restart_after: 1s",
            "unknown key `restart_after` in `faults`; known are",
        ),
        ("inject: [do], prove: [see], target: {name: node-9}", "there is no member 'node-9'"),
    ],
)
def test_mistakes_are_told(keys: str, sentence: str) -> None:
    (told,) = mistakes(keys)
    assert told.startswith(sentence)


def test_two_commands_may_hold_one_member_at_once() -> None:
    target = "target: {name: node-1}, inject: [do], prove: [see], heal: [undo], duration: 4s"
    more = f"  - {{id: b, fault: command, at: 2s, {target}}}\n"
    assert len(parse(scenario(target, more), label="own.yaml").faults) == 2


def test_a_member_that_a_kill_has_down_is_out_of_reach_for_commands_too() -> None:
    more = "  - {id: b, fault: kill, at: 2s, target: {name: node-1}, restart_after: 1s}\n"
    keys = "target: {name: node-1}, inject: [do], prove: [see], heal: [undo], duration: 4s"
    assert mistakes(keys, more)[0].startswith("may hit node-1 while the fault 'a' holds it")
