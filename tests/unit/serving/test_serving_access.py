"""Whoever is not of this machine, or wants what is not a run's to show, gets a sentence and nothing else."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.records.folder import RunFolder

Get = Callable[..., tuple[int, str, dict[str, str]]]
NAME = "20260101T000000Z-passing-4711"
SECRET = "the secret"


def test_another_name_for_this_machine_is_refused_on_every_page(get: Get, run: RunFolder) -> None:
    for path in ("/", "/runs", f"/runs/{NAME}/", f"/runs/{NAME}/report.html", "/static/serve.css", "/no"):
        for host in ("evil.example:18080", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:18080"):
            status, body, _ = get(path, host=host)
            assert status == 403, (path, host)
            assert "for this machine alone" in body
            assert "4711" not in body
        assert get(path, host="localhost:18080")[0] in (200, 404)


@pytest.mark.parametrize(
    "path",
    [
        "/runs/../secret.txt",
        "/runs/%2e%2e/report.html",
        "/runs/%2e%2e%2fsecret.txt",
        "/runs//etc/passwd",
        f"/runs/{NAME}/../../secret.txt",
        f"/runs/{NAME}/%2e%2e%2fsecret.txt",
        f"/runs/{NAME}/secret.txt",
        f"/runs/{NAME}/meta.json",
        f"/runs/{NAME}/history/bots.events",
        f"/runs/{NAME}%00/report.html",
        "/runs/20260102T000000Z-link-1/",
        "/runs/20260102T000000Z-link-1/report.html",
        "/runs/outside/report.html",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
    ],
)
def test_what_is_not_a_run_s_to_show_is_not_found(get: Get, run: RunFolder, path: str) -> None:
    outside = run.path.parent.parent / "outside"
    outside.mkdir()
    for place in (outside / "report.html", run.path / "secret.txt", outside.parent / "secret.txt"):
        place.write_text(SECRET)
    (run.path.parent / "20260102T000000Z-link-1").symlink_to(outside)
    (run.path.parent / "outside").symlink_to(outside)
    status, body, _ = get(path)
    assert status in (404, 308)
    assert SECRET not in body
    assert "def make_app" not in body


def test_a_report_that_is_a_link_a_folder_or_a_pipe_is_not_found(
    get: Get, run: RunFolder, tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text(SECRET)
    makers: tuple[Callable[[Path], object], ...] = (
        lambda path: path.symlink_to(tmp_path / "secret.txt"),
        Path.mkdir,
        os.mkfifo,
    )
    for make in makers:
        run.report.unlink()
        make(run.report)
        status, body, _ = get(f"/runs/{NAME}/report.html")
        assert status == 404
        assert SECRET not in body
        if run.report.is_dir() and not run.report.is_symlink():
            run.report.rmdir()
            run.report.touch()


def test_nothing_can_be_changed(get: Get, run: RunFolder) -> None:
    for path in ("/", "/runs", f"/runs/{NAME}/", f"/runs/{NAME}/report.html"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert get(path, method=method)[0] == 405


def test_the_pages_run_only_their_own_scripts_and_reports_have_a_sandbox(get: Get, run: RunFolder) -> None:
    for path in ("/", f"/runs/{NAME}/", "/runs/nothing/", "/no/such/page"):
        policy = get(path)[2]["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
    status, body, headers = get(f"/runs/{NAME}/report.html")
    assert (status, "The report" in body) == (200, True)
    policy = headers["Content-Security-Policy"].split("; ")
    assert "sandbox allow-scripts" in policy  # and so not of the same origin as these pages
    assert "default-src 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_what_could_be_markup_is_served_as_text(get: Get, run: RunFolder) -> None:
    run.junit.write_text("<?xml-stylesheet href='x'?>")
    run.summary.write_text("<script>")
    assert get(f"/runs/{NAME}/junit.xml")[2]["Content-Type"].startswith("text/plain")
    assert get(f"/runs/{NAME}/summary.md")[2]["Content-Type"].startswith("text/plain")


def test_a_name_that_is_none_is_told_escaped(get: Get) -> None:
    status, body, _ = get("/runs/<script>alert(1)<%2Fscript>/")
    assert status == 404
    assert "<script>alert" not in body
    status, body, _ = get("/runs/" + "x" * 5000 + "/")
    assert status == 404
    assert len(body) < 3000
