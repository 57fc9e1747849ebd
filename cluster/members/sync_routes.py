"""Where a node takes what its peers say: `POST /sync/heartbeat` and `POST /sync/event`, both signed."""

from flask import Flask, Response, request

from cluster.members.caller import EVENT_PATH, HEARTBEAT_PATH
from cluster.members.peers import Word
from cluster.members.signatures import HEADERS, SIGNATURE
from cluster.members.sync import ServerSync
from cluster.members.sync_words import Notice, WrongWord, parse_word, word_json
from cluster.protocol import Code, Refusal

LONGEST_BODY = 64 * 1024


class SyncRoutes:
    """The routes; `calls` and `unauthorized` count."""

    def __init__(self, sync: ServerSync) -> None:
        self._sync = sync
        self.calls = 0
        self.unauthorized = 0

    def register(self, app: Flask) -> None:
        """Add the routes; a `Refusal` is answered by the application's own handler."""
        app.add_url_rule(HEARTBEAT_PATH, view_func=self.heartbeat, methods=["POST"])
        app.add_url_rule(EVENT_PATH, view_func=self.event, methods=["POST"])

    def heartbeat(self) -> Response:
        """A peer is there; the answer says how we are."""
        self._take()
        return self._answer()

    def event(self) -> Response:
        """A peer has something to tell."""
        word, notices = self._take()
        for notice in notices:
            self._sync.noticed(word, notice)
        return self._answer()

    def _take(self) -> tuple[Word, tuple[Notice, ...]]:
        self.calls += 1
        if request.content_length is None or request.content_length > LONGEST_BODY:
            raise Refusal(Code.BAD_REQUEST, f"the body must have a length of at most {LONGEST_BODY} bytes")
        body = request.get_data()
        # Whatever stands between has made of their letters: Werkzeug's own mapping does not mind.
        headers = {name: request.headers.get(name, "") for name in HEADERS}
        try:
            sender = self._sync.signatures.check(request.method, request.path, body, headers)
        except Refusal:
            self.unauthorized += 1
            raise
        try:
            word, notices = parse_word(body)
        except WrongWord as error:
            raise Refusal(Code.BAD_REQUEST, str(error)) from error
        if word.server_id != sender:
            raise Refusal(Code.BAD_REQUEST, "a server speaks for itself alone")
        self._sync.called(word)
        return word, notices

    def _answer(self) -> Response:
        body = word_json(self._sync.word())
        headers = self._sync.signatures.sign_answer(request.headers[SIGNATURE], body)
        return Response(body, mimetype="application/json", headers=headers)
