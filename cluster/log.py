"""Log lines are JSON objects on standard error, one a line: ts, level, node, event, and its fields."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

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


def set_up(*, node: str, level: str) -> None:
    """Send everything that is logged in this process to standard error as JSON lines.

    Of libraries only errors are heard: they warn of each packet that a client should not have sent.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(node))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.ERROR)
    logger.setLevel(level.upper())


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
