"""Log lines are JSON objects on standard error, one a line: ts, level, node, event, and its fields."""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any

from gevent.monkey import get_original

LINES_MOST = 10_000  # that wait to be written; some MB
DRAIN_S = 1.0
RETRY_S = 0.02

logger = logging.getLogger("cluster")


class JsonLines(logging.Formatter):
    """Formats any record, our own or a library's, as one JSON object."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "node": self._node,
            "event": record.getMessage(),
        }
        if record.name != logger.name:
            line["logger"] = record.name
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _Lines(logging.Handler):
    """Writes lines to a file descriptor from a thread of its own, and never waits for it.

    Under gevent a write to standard error is an ordinary, blocking one: a reader that stalls (a full
    pipe, a stopped terminal) would stall every greenlet of the node. So lines go through a queue to a
    real thread, which alone waits. When `LINES_MOST` wait, further ones are dropped, counted, and their
    number told once there is room. `emit` neither blocks nor switches greenlets.
    """

    def __init__(self, fd: int, node: str) -> None:
        super().__init__()
        self.setFormatter(JsonLines(node))
        self._fd = fd
        self._queue: Any = get_original("queue", "SimpleQueue")()  # of lines, and of locks to release
        self._told = 0
        self.dropped = 0
        get_original("_thread", "start_new_thread")(self._write, ())

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line."""
        if self._queue.qsize() >= LINES_MOST:
            self.dropped += 1
            return
        try:
            if self.dropped != self._told:
                self._queue.put(self._line_about_dropped())
            self._queue.put(self.format(record))
        except Exception:  # noqa: BLE001  # As every handler does: a library's odd line must not hurt.
            self.handleError(record)

    def drain(self, timeout_s: float) -> None:
        """Wait until what was logged before is written, though not for ever."""
        reached = get_original("_thread", "allocate_lock")()
        reached.acquire()
        self._queue.put(reached)
        reached.acquire(timeout=timeout_s)

    def _line_about_dropped(self) -> str:
        lines, self._told = self.dropped - self._told, self.dropped
        record = logger.makeRecord(logger.name, logging.WARNING, "", 0, "log_lines_dropped", (), None)
        record.fields = {"lines": lines}
        return self.format(record)

    def _write(self) -> None:
        sleep = get_original("time", "sleep")
        while True:
            item = self._queue.get()
            if not isinstance(item, str):
                item.release()
                continue
            rest = item.encode() + b"\n"
            while rest:
                try:
                    rest = rest[os.write(self._fd, rest) :]
                except BlockingIOError:
                    sleep(RETRY_S)  # Whoever started us made it non-blocking.
                except OSError:  # Nobody reads any more (EPIPE), and there is nobody to tell.
                    break


def _no_mistake_of_a_client(record: logging.LogRecord) -> bool:
    """engineio calls the first unsound HTTP request of each kind an error of the server's."""
    return "further occurrences of this error will be logged" not in record.getMessage()


_lines: _Lines | None = None
verbose = False  # guards lines about single messages: `if log.verbose: log.debug(...)`


def set_up(*, node: str, level: str) -> None:
    """Send everything that is logged in this process to standard error as JSON lines.

    Of libraries only errors are heard: they warn of each packet that a client should not have sent.
    """
    global _lines, verbose
    # Started without a standard error, the node must not write to what got its number since.
    fd = os.open(os.devnull, os.O_WRONLY) if sys.stderr is None else sys.stderr.fileno()
    _lines, verbose = _Lines(fd, node), level == "debug"
    root = logging.getLogger()
    root.handlers[:] = [_lines]
    root.setLevel(logging.ERROR)
    logging.getLogger("engineio").addFilter(_no_mistake_of_a_client)
    logger.setLevel(level.upper())


def drain(timeout_s: float = DRAIN_S) -> None:
    """Write what was logged, as far as somebody reads it in time: before the process ends."""
    if _lines is not None:
        _lines.drain(timeout_s)


def dropped() -> int:
    """Return how many lines nobody read in time."""
    return 0 if _lines is None else _lines.dropped


def debug(event: str, **fields: Any) -> None:
    """Log what matters to nobody but a developer."""
    logger.debug(event, extra={"fields": fields})


def info(event: str, **fields: Any) -> None:
    """Log a normal event of the node's life."""
    logger.info(event, extra={"fields": fields})


def warning(event: str, **fields: Any) -> None:
    """Log what an operator should know, though the node copes with it."""
    logger.warning(event, extra={"fields": fields})


def error(event: str, **fields: Any) -> None:
    """Log what keeps the node from doing its work."""
    logger.error(event, extra={"fields": fields})


def bug(event: str, caught: BaseException, **fields: Any) -> None:
    """Log an exception that nothing in the node expects, with its traceback."""
    logger.error(event, exc_info=caught, extra={"fields": fields})
