"""Locust's own web page on 127.0.0.1, while the bots' process lives.

In a run it only shows: the plan decides who is there. In `wordaround load` it has hands, until the load has
stopped. Other pages that the same browser has open are refused, whatever Locust itself allows them.
"""

import sys
from types import SimpleNamespace
from typing import Any

import gevent
from flask import jsonify, request
from locust.env import Environment
from locust.stats import stats_history

from harness.errors import HarnessError

HOST = "127.0.0.1"
FOLLOWS_ITS_PLAN = (
    "This run follows its plan; `wordaround load` starts a cluster whose load you control here."
)
HAS_STOPPED = "The load has stopped; what was recorded is being judged."
FOREIGN_PAGE = "Only the page itself may do this."


class WebPage:
    """See the module."""

    def __init__(self, environment: Environment, port: int, *, users: int, rate: float, hands: bool) -> None:
        """Serve it; `users` and `rate` are what its form begins with.

        Raises:
            HarnessError: the port is taken.
        """
        sys.argv[1:] = []  # Locust reads its page's options from there.
        environment.parsed_options = SimpleNamespace(
            num_users=users, spawn_rate=rate, run_time=None, stats_history_enabled=False
        )
        self._refusal = "" if hands else FOLLOWS_ITS_PLAN
        self._port = port
        self._web = environment.create_web_ui(HOST, port, delayed_start=True)
        self._web.app.before_request(self._refuse)
        self._web.start()
        gevent.sleep(0)  # It listens, or has failed, now.
        if self._web.greenlet.ready():
            raise HarnessError(
                f"the web page cannot be served on {HOST}:{port}: {self._web.greenlet.exception}"
            )
        self._charts = gevent.spawn(stats_history, environment.runner)

    def only_show(self) -> None:
        """Take the hands away: the load has stopped."""
        self._refusal = self._refusal or HAS_STOPPED

    def _refuse(self) -> Any:
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return None
        origin = request.headers.get("Origin")
        own = (f"http://{HOST}:{self._port}", f"http://localhost:{self._port}")
        refusal = FOREIGN_PAGE if origin is not None and origin not in own else self._refusal
        return jsonify({"success": False, "message": refusal}) if refusal else None
