"""The HTTP interface of a node. Success is the plain object; an error is `{error: {code, message}}`."""

from http import HTTPStatus
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from cluster import log, wire
from cluster.connections import Connections
from cluster.delivery.base import Delivery, Page, PageRequest
from cluster.members.gate import Gate
from cluster.members.read_marks import ReadMarks
from cluster.members.registry import Registry
from cluster.members.sync import ServerSync
from cluster.members.user_lists import UserLists
from cluster.parts import Parts
from cluster.protocol import (
    MAX_INTEGER,
    MAX_NAME,
    PAGE_DEFAULT,
    PAGE_MOST,
    VERSION,
    Code,
    Refusal,
    valid_room,
)
from cluster.secrecy import same_secret
from cluster.settings import Settings
from cluster.storage.link import Health

_STATUS = {
    Code.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    Code.ROOM_INVALID: HTTPStatus.BAD_REQUEST,
    Code.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    Code.STORE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}


class Rest:
    """The routes; one object so that they share what they read."""

    def __init__(
        self,
        settings: Settings,
        health: Health,
        connections: Connections,
        delivery: Delivery,
        gate: Gate,
        user_lists: UserLists,
        registry: Registry,
        sync: ServerSync,
        read_marks: ReadMarks,
        parts: Parts,
    ) -> None:
        self._settings = settings
        self._health = health
        self._connections = connections
        self._delivery = delivery
        self._gate = gate
        self._user_lists = user_lists
        self._registry = registry
        self._sync = sync
        self._read_marks = read_marks
        self._parts = parts

    def register(self, app: Flask) -> None:
        """Add the routes to a Flask application."""
        app.add_url_rule("/health", view_func=self.health)
        app.add_url_rule("/ready", view_func=self.ready)
        app.add_url_rule("/info", view_func=self.info)
        app.add_url_rule("/peers", view_func=self.peers)
        app.add_url_rule("/rooms", view_func=self.rooms)
        app.add_url_rule("/rooms/<room>/messages", view_func=self.messages)
        app.add_url_rule("/rooms/<room>/users", view_func=self.users)
        app.add_url_rule("/metrics", view_func=self.metrics)
        app.before_request(self._refuse_strangers)
        app.register_error_handler(Refusal, _refused)
        app.register_error_handler(Exception, _failed)

    def health(self) -> Response:
        """Alive; with what is known of Redis, and how far the tail is behind its log."""
        reason = self._not_ready()
        return _json(
            {
                "status": "ok",
                "ready": reason is None,
                "draining": self._gate.draining,
                "redis": {"up": self._health.up, "reason": self._health.reason},
                **self._delivery.status(),
            }
        )

    def metrics(self) -> Response:
        """All figures, for Prometheus; with `name[]`, once for each, only these."""
        from cluster.metrics import exposition  # Late: it need not delay the start of a node.

        accept, only = request.headers.get("Accept", ""), request.args.getlist("name[]")
        text, content_type = exposition(self._parts, accept, only)
        return Response(text, content_type=content_type)

    def ready(self) -> Response:
        """200 when clients can be served, else 503 with the reason."""
        reason = self._not_ready()
        if reason is not None:
            return _json({"ready": False, "reason": reason}, HTTPStatus.SERVICE_UNAVAILABLE)
        return _json({"ready": True})

    def _not_ready(self) -> str | None:
        return self._gate.reason or self._delivery.not_ready()

    def info(self) -> Response:
        """Who this node is."""
        return _json(
            {
                "server_id": self._settings.server_id,
                "url": self._settings.public_url,
                "version": VERSION,
                "delivery": self._settings.delivery,
                "shards": self._settings.shards,
                "incarnation": self._registry.incarnation,
                "connections": len(self._connections),
                "draining": self._gate.draining,
            }
        )

    def peers(self) -> Response:
        """The other nodes."""
        return _json({"peers": self._sync.details()})

    def rooms(self) -> Response:
        """The rooms that have messages; with `heads` also where they end, and how far `user` has read."""
        rooms = self._delivery.rooms()
        if not _flag("heads"):
            return _json({"rooms": rooms})
        reads = self._reads(rooms, _user())
        heads = [
            {"room": room, "head": head, "read": read}
            for room, head, read in zip(rooms, self._delivery.heads(rooms), reads, strict=True)
        ]
        return _json({"rooms": rooms, "heads": heads})

    def users(self, room: str) -> Response:
        """Who is in a room."""
        version, users = self._user_lists.users(_checked(room))
        return _json({"room": room, "version": version, "users": users})

    def messages(self, room: str) -> Response:
        """A page of a room's messages, from the store or from this node's own memory."""
        page_request = PageRequest(
            room=_checked(room),
            after=_number("after", least=0),
            before=_number("before", least=0),
            limit=_number("limit", least=1, most=PAGE_MOST) or PAGE_DEFAULT,
        )
        match request.args.get("source", "store"):
            case "store":
                page = self._delivery.stored(page_request)
            case "tail":
                page = self._delivery.delivered(page_request)
            case other:
                raise Refusal(Code.BAD_REQUEST, f"source must be 'store' or 'tail', not {other[:64]!r}")
        return Response(_page_json(room, page), mimetype="application/json")

    def _reads(self, rooms: list[str], user: str | None) -> list[int | None]:
        if user is None:
            return [None] * len(rooms)
        return self._read_marks.of(user, rooms)

    def _refuse_strangers(self) -> None:
        """With a token set, what was said in rooms is for those who know it, over HTTP as well."""
        if not self._settings.token or not request.path.startswith("/rooms") or request.method == "OPTIONS":
            return  # A browser asks by OPTIONS whether a page may bring the token.
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode("latin-1", "replace")
        if not same_secret(given, self._settings.token):
            raise Refusal(Code.UNAUTHORIZED, "the token is missing or wrong: Authorization: Bearer …")


def _page_json(room: str, page: Page) -> str:
    head = wire.dumps(
        {
            "room": room,
            "epoch": page.epoch,
            "epochs": [{"epoch": e, "first": first, "last": last} for e, first, last in page.epochs],
            "first": page.first,
            "head": page.head,
        }
    )
    return f'{head[:-1]},"messages":[{",".join(message.text for message in page.messages)}]}}'


def _checked(room: str) -> str:
    if not valid_room(room):
        raise Refusal(Code.ROOM_INVALID, "room must be 1 to 64 letters, digits, '_', '.' or '-'")
    return room


def _number(name: str, *, least: int, most: int = MAX_INTEGER) -> int | None:
    raw = request.args.get(name)
    if raw is None:
        return None
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 16 and least <= int(raw) <= most):
        raise Refusal(Code.BAD_REQUEST, f"{name} must be a whole number from {least} to {most}")
    return int(raw)


def _flag(name: str) -> bool:
    raw = request.args.get(name, "false")
    if raw not in ("true", "false"):
        raise Refusal(Code.BAD_REQUEST, f"{name} must be true or false")
    return raw == "true"


def _user() -> str | None:
    user = request.args.get("user")
    if user is not None and not 1 <= len(user) <= MAX_NAME:
        raise Refusal(Code.BAD_REQUEST, f"user must have 1 to {MAX_NAME} characters")
    return user


def _json(payload: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(wire.dumps(payload), status=status, mimetype="application/json")


def _refused(refusal: Refusal) -> Response:
    error = {"code": refusal.code.value, "message": refusal.message}
    return _json({"error": error}, _STATUS.get(refusal.code, HTTPStatus.CONFLICT))


def _failed(error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.code is not None:
        code = (error.name or "http").lower().replace(" ", "_")
        return _json({"error": {"code": code, "message": error.description}}, HTTPStatus(error.code))
    log.bug("request_failed", error, path=request.path)
    message = "the node has failed on this request"
    return _json({"error": {"code": "internal", "message": message}}, HTTPStatus.INTERNAL_SERVER_ERROR)
