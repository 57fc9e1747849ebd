"""Stand-in nodes: small programs that start, serve, die or hang in the ways that real ones can."""

import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from harness.backends.process import ProcessBackend
from harness.records.plan import ClusterPlan

_PRELUDE = """
import http.server, os, signal, socket, subprocess, sys, time

NAME = os.environ["WORDAROUND_SERVER_ID"]

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/ready" else 404)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())

    def log_message(self, *_):
        pass

def serve():
    address = (os.environ["WORDAROUND_HOST"], int(os.environ["WORDAROUND_PORT"]))
    http.server.ThreadingHTTPServer(address, Handler).serve_forever()
"""

_NODES = {
    # Ends politely, and says so.
    "polite": """
        def leave(*_):
            print(NAME, "drained")
            sys.exit(0)
        signal.signal(signal.SIGTERM, leave)
        print(NAME, "listens")
        serve()
    """,
    # Neither it nor its child hears SIGTERM.
    "stubborn": """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("child", child.pid)
        serve()
    """,
    # node-2 dies at once, the others are never ready.
    "dies": """
        if NAME == "node-2":
            print("the settings are wrong")
            sys.exit(3)
        time.sleep(600)
    """,
    "crashes": """
        if NAME == "node-2":
            os.kill(os.getpid(), signal.SIGSEGV)
        serve()
    """,
    # Dies, and leaves a child in its group behind.
    "orphans": """
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("child", child.pid)
        sys.exit(1)
    """,
    # Is never ready.
    "hangs": """
        print("waiting for something that never comes")
        time.sleep(600)
    """,
    # Is ready in its first life only.
    "once": """
        if os.path.exists("was-here"):
            print("not again")
            time.sleep(600)
        open("was-here", "w").close()
        serve()
    """,
    # Burns CPU and holds 80 MB from the moment it is asked to; has a node's metrics, and node-2 none.
    "works": """
        import threading

        def burn():
            while True:
                pass

        class Worker(Handler):
            def do_GET(self):
                if self.path == "/work":
                    held.append(bytearray(os.urandom(1)) * 80_000_000)
                    threading.Thread(target=burn, daemon=True).start()
                asked = self.path.partition("?")[0] == "/metrics"
                self.send_response(404 if asked and NAME != "node-1" else 200)
                self.end_headers()
                self.wfile.write(b"wordaround_connections 3.0\\nwordaround_tail_lag NaN\\nother 1\\n")

        held = []
        Handler = Worker
        serve()
    """,
    # Tells what it was given.
    "tells": """
        for name, value in sorted(os.environ.items()):
            if name.startswith("WORDAROUND_"):
                print(f"{name}={value}")
        print("cwd holds", os.listdir("."))
        serve()
    """,
}


@pytest.fixture
def cluster() -> ClusterPlan:
    return ClusterPlan(nodes=("node-1", "node-2", "node-3"), delivery="durable", appendfsync="always")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def node_command(tmp_path: Path) -> Callable[[str], tuple[str, ...]]:
    """Return a function that gives the command of a stand-in node."""

    def command(kind: str) -> tuple[str, ...]:
        program = tmp_path / f"{kind}.py"
        program.write_text(_PRELUDE + textwrap.dedent(_NODES[kind]))
        return (sys.executable, str(program))

    return command


@pytest.fixture
def descendants() -> Callable[[], set[int]]:
    """Return a function that gives the pids of all living processes below this one, except its own kind."""

    def living() -> set[int]:
        below = psutil.Process(os.getpid()).children(recursive=True)
        return {process.pid for process in below if process.status() != psutil.STATUS_ZOMBIE}

    return living


@pytest.fixture
def backend(
    node_command: Callable[[str], tuple[str, ...]], descendants: Callable[[], set[int]]
) -> Iterator[Callable[..., ProcessBackend]]:
    """Return a maker of backends over stand-in nodes; nothing of theirs may be left when the test ends."""
    before = descendants()
    made: list[ProcessBackend] = []

    def make(kind: str, **options: object) -> ProcessBackend:
        backend = ProcessBackend(node_command=node_command(kind), **options)
        made.append(backend)
        return backend

    yield make
    for each in made:
        each.close()
    assert descendants() <= before
