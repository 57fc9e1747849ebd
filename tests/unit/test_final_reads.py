"""Final reads: two equal rounds on every node, or the reason why not."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from harness import clock, final_reads
from harness.backends.base import Member
from harness.final_reads import read_until_stable
from harness.records.history import HistoryWriter, Op, read_history_file
from harness.records.plan import Role

Answer = Callable[[str, int, int, str], tuple[int, Any]]  # room, after, limit, source -> status, body
Serve = Callable[[Answer], Member]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> Member:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                query = {k: v[0] for k, v in parse_qs(url.query).items()}
                status, body = answer(
                    url.path.split("/")[2], int(query["after"]), int(query["limit"]), query["source"]
                )
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *args: Any) -> None:
                """Tests are quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return Member(
            name=f"node-{len(servers)}", role=Role.NODE, url=f"http://127.0.0.1:{server.server_port}"
        )

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _log(count: int) -> Answer:
    def answer(room: str, after: int, limit: int, source: str) -> tuple[int, Any]:
        messages = [
            {"room": room, "epoch": "e", "seq": s} for s in range(after + 1, min(after + limit, count) + 1)
        ]
        return 200, {"room": room, "epoch": "e", "head": count, "messages": messages}

    return answer


def _read(tmp_path: Path, *nodes: Member, seconds: float = 5.0) -> tuple[Any, Any]:
    writer = HistoryWriter(tmp_path, "reader")
    reads = read_until_stable(writer, nodes, ["room-1.x"], deadline_ns=clock.deadline_ns(seconds))
    writer.close()
    return reads, read_history_file(tmp_path / "reader.events")


def test_equal_rounds_are_stable_and_every_page_is_recorded(tmp_path: Path, serve: Serve) -> None:
    reads, history = _read(tmp_path, serve(_log(2500)), serve(_log(2500)))
    assert (reads.stable, reads.rounds, reads.heads) == (True, 2, {"room-1.x": ("e", 2500)})
    rows = [row for row in history.rows if row.op is Op.FINAL_READ]
    assert len(rows) == 2500 * 2 * 2 * 2  # nodes, sources, rounds
    assert len({row.a for row in rows}) == 2500


def test_a_log_that_moves_is_read_until_it_rests(tmp_path: Path, serve: Serve) -> None:
    counts = iter([1, 1, 2, 2])
    reads, _ = _read(tmp_path, serve(lambda *args: _log(next(counts, 3))(*args)))
    assert (reads.stable, reads.rounds, reads.heads) == (True, 4, {"room-1.x": ("e", 3)})


def test_a_log_that_never_rests_is_not_stable(tmp_path: Path, serve: Serve) -> None:
    counts = iter(range(1, 10_000))
    reads, _ = _read(tmp_path, serve(lambda *args: _log(next(counts))(*args)), seconds=0.6)
    assert not reads.stable
    assert "equal" in reads.trouble


def test_a_long_log_is_read_twice_to_its_end_though_the_deadline_is_over(
    tmp_path: Path, serve: Serve
) -> None:
    reads, history = _read(tmp_path, serve(_log(4500)), seconds=0)
    assert (reads.stable, reads.rounds, reads.heads) == (True, 2, {"room-1.x": ("e", 4500)})
    assert all(row.flags for row in history.rows if row.op is Op.FINAL_READ_END)


def test_a_log_that_has_no_end_is_left(tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(final_reads, "ROUNDS_GRACE_NS", clock.NS // 2)
    reads, _ = _read(tmp_path, serve(_log(10**9)), seconds=0)
    assert not reads.stable
    assert "still reading after" in reads.trouble


def test_a_node_that_does_not_answer_is_named(tmp_path: Path, serve: Serve) -> None:
    broken = serve(lambda *args: (503, {"error": {"code": "store_unavailable"}}))
    reads, history = _read(tmp_path, broken, seconds=0.4)
    assert not reads.stable
    assert "node-1" in reads.trouble
    assert "503" in reads.trouble
    ends = [row for row in history.rows if row.op is Op.FINAL_READ_END]
    assert ends
    assert all(row.flags == 0 for row in ends)


def test_shorter_pages_than_asked_for_are_read_to_the_head(tmp_path: Path, serve: Serve) -> None:
    def hundred(room: str, after: int, limit: int, source: str) -> tuple[int, Any]:
        return _log(2500)(room, after, 100, source)

    reads, history = _read(tmp_path, serve(hundred))
    assert reads.stable
    assert len({row.a for row in history.rows if row.op is Op.FINAL_READ}) == 2500


def test_a_node_that_gives_the_same_page_again_and_again_is_told(tmp_path: Path, serve: Serve) -> None:
    reads, _ = _read(tmp_path, serve(lambda room, after, *rest: _log(1000)(room, 0, *rest)), seconds=0.4)
    assert reads.stable  # the first page was all there is
    (tmp_path / "again").mkdir()

    def stuck(room: str, after: int, limit: int, source: str) -> tuple[int, Any]:
        status, body = _log(1000)(room, 0, limit, source)
        return status, {**body, "head": 5000}

    reads, _ = _read(tmp_path / "again", serve(stuck), seconds=0.4)
    assert not reads.stable
    assert "after 1000 ends at 1000" in reads.trouble


@pytest.mark.parametrize("head", ["x", -1, True, 2.5])
def test_a_head_that_is_no_number_is_told(head: Any, tmp_path: Path, serve: Serve) -> None:
    def odd(*arguments: Any) -> tuple[int, Any]:
        return 200, {**_log(3)(*arguments)[1], "head": head}

    reads, _ = _read(tmp_path, serve(odd), seconds=0.4)
    assert not reads.stable
    assert "lacks its messages, epoch or head" in reads.trouble


def test_places_in_a_list_count_where_there_are_no_positions(tmp_path: Path, serve: Serve) -> None:
    def listed(room: str, after: int, limit: int, source: str) -> tuple[int, Any]:
        texts = [{"room": room, "epoch": None, "seq": None, "text": str(i)} for i in range(1, 2501)]
        return 200, {"epoch": None, "head": 2500, "messages": texts[after : after + limit]}

    reads, history = _read(tmp_path, serve(listed))
    assert (reads.stable, reads.heads) == (True, {"room-1.x": (None, 2500)})
    assert len({row.a for row in history.rows if row.op is Op.FINAL_READ}) == 2500
