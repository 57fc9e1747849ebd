"""Signatures between servers: only who has the secret is heard, once, and now."""

import pytest

from cluster.members import signatures
from cluster.members.signatures import SENDER, SIGNATURE, TIME, WINDOW_MS, Signatures
from cluster.protocol import Code, Refusal

PATH, BODY = "/sync/heartbeat", b'{"server_id":"a"}'


class Pair:
    """Two nodes with a clock that they share."""

    def __init__(self, *, a: tuple[bytes, ...] = (b"secret",), b: tuple[bytes, ...] = (b"secret",)) -> None:
        self.now_ms = 1_000_000
        self.a = Signatures("a", secrets=lambda: a, clock_ms=lambda: self.now_ms)
        self.b = Signatures("b", secrets=lambda: b, clock_ms=lambda: self.now_ms)

    def signed(self) -> dict[str, str]:
        headers = self.a.sign("POST", PATH, BODY)
        assert headers is not None
        return headers

    def refused(self, headers: dict[str, str], *, path: str = PATH, body: bytes = BODY) -> str:
        with pytest.raises(Refusal) as caught:
            self.b.check("POST", path, body, headers)
        assert caught.value.code is Code.UNAUTHORIZED
        return caught.value.message


def test_check__signed_now__the_sender() -> None:
    pair = Pair()
    assert pair.b.check("POST", PATH, BODY, pair.signed()) == "a"


def test_check__another_secret_or_none__refused() -> None:
    assert "wrong" in Pair(a=(b"another",)).refused(Pair(a=(b"another",)).signed())
    pair = Pair(b=())
    assert "wrong" in pair.refused(pair.signed())
    assert Pair(a=()).a.sign("POST", PATH, BODY) is None


def test_check__anything_of_it_altered__refused() -> None:
    pair = Pair()
    assert pair.refused(pair.signed(), body=BODY + b" ")
    assert pair.refused(pair.signed(), path="/sync/event")
    for name, value in (
        (SENDER, "c"),
        (TIME, "1000001"),
        (SIGNATURE, "0" * 64),
        (SIGNATURE, "ü"),
        (TIME, "²"),
    ):
        assert pair.refused({**pair.signed(), name: value}), name
    assert pair.refused({})
    pair.b.check("POST", PATH, BODY, pair.signed())


@pytest.mark.parametrize("off_ms", [WINDOW_MS + 1, -WINDOW_MS - 1])
def test_check__too_old_or_from_the_future__refused(off_ms: int) -> None:
    pair = Pair()
    headers = pair.signed()
    pair.now_ms += off_ms
    assert "time" in pair.refused(headers)


def test_check__the_same_again__refused_for_as_long_as_its_time_would_pass() -> None:
    pair = Pair()
    headers = pair.signed()
    pair.b.check("POST", PATH, BODY, headers)
    for _ in range(WINDOW_MS // 500):
        assert "before" in pair.refused(headers)
        pair.now_ms += 500
        pair.b.check("POST", PATH, BODY, pair.signed())


def test_check__a_flood__what_is_remembered_is_bounded_and_replay_still_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signatures, "REMEMBERED", 50)
    pair = Pair()
    first = pair.signed()
    pair.b.check("POST", PATH, BODY, first)
    for _ in range(49):
        pair.now_ms += 1
        pair.b.check("POST", PATH, BODY, pair.signed())
    pair.now_ms += 1
    assert "too many" in pair.refused(pair.signed())
    assert "before" in pair.refused(first)
    pair.now_ms += 2 * WINDOW_MS + 100
    pair.b.check("POST", PATH, BODY, pair.signed())
    assert len(pair.b._seen) == 1


def test_check__the_clock_was_set_back__what_came_before_takes_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signatures, "REMEMBERED", 50)
    pair = Pair()
    for _ in range(50):
        pair.now_ms += 1
        pair.b.check("POST", PATH, BODY, pair.signed())
    pair.now_ms -= 500_000
    pair.b.check("POST", PATH, BODY, pair.signed())
    assert len(pair.b._seen) == 1


def test_check__the_secret_has_just_changed__the_one_before_still_counts() -> None:
    pair = Pair(a=(b"old",), b=(b"new", b"old"))
    assert pair.b.check("POST", PATH, BODY, pair.signed()) == "a"


def test_answer__belongs_to_its_request_alone() -> None:
    pair = Pair()
    request = pair.signed()
    pair.now_ms += 1
    other = pair.signed()
    signature = pair.b.sign_answer(request[SIGNATURE], b"yes")[SIGNATURE]
    assert pair.a.check_answer(request, b"yes", signature)
    assert not pair.a.check_answer(request, b"no", signature)
    assert not pair.a.check_answer(other, b"yes", signature)
    assert not pair.a.check_answer(request, b"yes", "")
