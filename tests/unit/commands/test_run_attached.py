"""`wordaround run` of a scenario that attaches: what is refused, and what is let through."""

from pathlib import Path

import pytest

from harness.commands import running

FREEZE = "[{id: f, fault: command, at: 1s, target: {role: node, mode: one}, inject: [a], prove: [b]}]"


def write(folder: Path, cluster: str, *, faults: str = "[]") -> None:
    (folder / "attached.yaml").write_text(
        f"""\
version: 1
name: attached
cluster: {{{cluster}}}
load: {{users: 2, messages_per_second: 1}}
phases: {{warmup: 1s, steady: 2s, chaos: 3s, recovery: 4s}}
faults: {faults}
"""
    )


def test_the_command_refuses_a_remote_target_with_exit_code_2_and_starts_nothing(
    command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, 'attach: ["http://192.0.2.1:5001"]')
    status, out, err = command("run", "attached.yaml")
    assert (status, out) == (2, "")
    assert err == (
        "wordaround: attached.yaml has 1 mistake:\n"
        "  attached.yaml:3:20: 192.0.2.1 is not this machine; a test floods its target and waits for it to "
        "break. If that cluster is yours to test, add `--allow-remote 192.0.2.1`\n"
    )
    assert not (tmp_path / "runs").exists()


def test_a_target_that_is_allowed_is_run_and_the_permission_is_part_of_the_command_that_repeats_it(
    command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, 'attach: ["http://192.0.2.1:5001", "http://192.0.2.2:5001"]')
    orders = []

    def run(order, *_):
        orders.append(order)
        raise KeyboardInterrupt

    monkeypatch.setattr(running.runner, "run", run)
    command("run", "attached.yaml", "--seed", 7, "--allow-remote", "192.0.2.1", "--allow-remote", "192.0.2.2")
    (order,) = orders
    assert order.backend.name == "attach"
    assert order.command == (
        "wordaround", "run", "attached.yaml", "--backend", "attach", "--seed", "7",
        "--allow-remote", "192.0.2.1", "--allow-remote", "192.0.2.2",
    )  # fmt: skip


def test_a_dry_run_asks_nobody(command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "harness.backends.loopback.socket.getaddrinfo", lambda *_, **__: pytest.fail("a name was looked up")
    )
    write(tmp_path, 'attach: ["http://chat.example:5001"]', faults=FREEZE)
    status, out, _ = command("run", "attached.yaml", "--dry-run")
    assert status == 0
    assert "attach (auto: the scenario attaches to nodes that run already)" in out
    assert "[the scenario's own programs]" in out
