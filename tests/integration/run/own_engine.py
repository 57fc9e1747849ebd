"""A Docker engine that a test may stop: a second `dockerd`, with files and a network namespace of its own.

In the namespace, because two engines in one share their iptables chains, and because one that starts without
a default bridge removes `docker0`, also when it is another engine's. What is to reach published ports must be
in it, too: `within`.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.backends.docker_engine import connect
from harness.backends.images import ensure_images

_ANSWERS_S = 60.0


class OwnEngine:
    """The engine, running or not."""

    def __init__(self, folder: Path, namespace: str) -> None:
        self.host = f"unix://{folder}/s"
        self.within = ("nsenter", f"--net=/run/netns/{namespace}")
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        where = self._folder
        (where / "daemon.json").write_text("{}")
        with (where / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self.within, "dockerd", "--bridge", "none", *self._places()],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _ANSWERS_S
        while not self.answers():
            assert self._process.poll() is None, (where / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "the engine does not answer"
            time.sleep(0.1)

    def _places(self) -> Iterator[str]:
        yield from ("--host", self.host)
        for option, name in (
            ("pidfile", "pid"), ("data-root", "data"), ("exec-root", "exec"), ("config-file", "daemon.json")
        ):  # fmt: skip
            yield f"--{option}={self._folder / name}"

    def answers(self) -> bool:
        asked = ["docker", "--host", self.host, "version"]
        return subprocess.run(asked, capture_output=True, timeout=30, check=False).returncode == 0

    def stop(self) -> None:
        """End it; it ends its containers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            assert self._process.wait(60) is not None
            self._process = None

    def load_images(self) -> None:
        """Copy the images from the machine's engine: this one reaches no network to build them."""
        client = connect()
        with closing(client):
            images = ensure_images(client, say=lambda line: None)
        wanted = [images.node, images.redis, images.python]
        with subprocess.Popen(["docker", "save", *wanted], stdout=subprocess.PIPE) as saved:
            loaded = ["docker", "--host", self.host, "load", "--quiet"]
            subprocess.run(loaded, stdin=saved.stdout, check=True, capture_output=True)
        assert saved.returncode == 0


@contextmanager
def own_engine() -> Iterator[OwnEngine]:
    """Start one with our images in it; nothing of it is left afterwards."""
    namespace = f"wordaround-{os.getpid()}-engine"
    folder = Path(tempfile.mkdtemp(prefix="wa-engine-"))
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    engine = OwnEngine(folder, namespace)
    try:
        subprocess.run(["ip", "-n", namespace, "link", "set", "lo", "up"], check=True)
        engine.start()
        engine.load_images()
        yield engine
    finally:
        engine.stop()
        subprocess.run(["ip", "netns", "delete", namespace], check=True)
        shutil.rmtree(folder)
