"""The kinds of single values in a scenario: durations, numbers, names, words from a list.

Each kind is a pydantic validator that says in one sentence what it wants and what it got instead, so
that the sentence of a located error is written where the rule is.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from harness.placeholders import PLACEHOLDERS, names_in
from harness.records.guarantees import IMPLEMENTED

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m)", re.ASCII)
_UNIT_S = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60)}
_BYTE_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(B|kB|KiB|MB|MiB|GB|GiB)/s", re.ASCII)
_UNIT_BYTES = {"B": 1, "kB": 10**3, "KiB": 2**10, "MB": 10**6, "MiB": 2**20, "GB": 10**9, "GiB": 2**30}
_FASTEST = 10 * 10**9
_LONGEST_S = 24 * 60 * 60
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_NAME_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Kind(BeforeValidator):
    """A validator that also says what editors are told of the values that it accepts (JSON Schema)."""

    schema: JsonSchemaValue | None = field(default=None, hash=False)

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return dict(self.schema) if self.schema is not None else handler(core)


@dataclass(frozen=True, slots=True)
class Foreign:
    """A YAML value that no key of a scenario wants: nothing, a truth value, a date, an octal number.

    `kind` is what YAML takes it for, `text` what stands in the file, `hint` how to write it instead.
    """

    kind: str
    text: str = ""
    hint: str = ""


def shown(value: object) -> str:
    """Return how a wrong value is named in a sentence."""
    match value:
        case Foreign(kind, "", ""):
            return kind
        case Foreign(kind, written, hint):
            return f"{kind} {_cut(written)!r} ({hint})"
        case str():
            return f"the text {_cut(value)!r}"
        case int() | float():
            return f"the number {value}"
        case tuple():
            return "a list"
        case _:
            return "a mapping"


def meant(word: str, options: Iterable[str]) -> str | None:
    """Return the option that a misspelt word was probably meant to be, where one is close."""
    by_folded = {option.casefold(): option for option in options}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.7)
    return by_folded[close[0]] if close else None


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or nothing where no option is close to the word."""
    option = meant(word, options)
    return f"; did you mean {option!r}?" if option else ""


def listed(options: Iterable[str]) -> str:
    """Return the options as they are listed in a sentence."""
    return ", ".join(options)


def seconds(text: str) -> float | None:
    """Return the seconds that `500ms`, `5s` or `2m` mean; `None` where the text is no duration."""
    match = _DURATION.fullmatch(text)
    return float(Decimal(match[1]) * _UNIT_S[match[2]]) if match else None


def duration(*, zero: bool = False) -> Kind:
    """Accept a duration as text, up to a day, and turn it into seconds."""
    wanted = f"a duration {'' if zero else 'above zero '}like 500ms, 5s or 2m"

    def check(value: object) -> float:
        length = seconds(value) if isinstance(value, str) else None
        if length is None or length > _LONGEST_S or (length == 0 and not zero):
            limit = " (24 hours at most)" if length else ""
            raise ValueError(f"wants {wanted}{limit}, not {shown(value)}{_with_unit(value)}")
        return length

    example = {"examples": ["500ms", "5s", "2m"], "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m)$"}
    return Kind(check, schema={"type": "string", **example})


def offset(*, least_s: float) -> Kind:
    """Accept a duration with or without a sign, at least so long either way, and turn it into seconds."""

    def check(value: object) -> float:
        length = seconds(value[1:] if value[:1] in ("+", "-") else value) if isinstance(value, str) else None
        if length is None or not least_s <= length <= _LONGEST_S:
            wanted = f"an offset like 30s, +2m or -90s, of {least_s:g} s to 24 hours either way"
            raise ValueError(f"wants {wanted}, not {shown(value)}{_with_unit(value)}")
        return -length if isinstance(value, str) and value.startswith("-") else length

    example = {"examples": ["30s", "-2m"], "pattern": r"^[+-]?[0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m)$"}
    return Kind(check, schema={"type": "string", **example})


def whole(least: int, most: int) -> Kind:
    """Accept a whole number; bounds are included."""

    def check(value: object) -> int:
        if not isinstance(value, int) or not least <= value <= most:
            wanted = f"a whole number from {least} to {most}" if least < most else f"the number {least}"
            raise ValueError(f"wants {wanted}, not {shown(value)}")
        return value

    return Kind(check, schema={"type": "integer", "minimum": least, "maximum": most})


def rate(most: float) -> Kind:
    """Accept a number per second, above zero."""

    def check(value: object) -> float:
        if not isinstance(value, int | float) or not 0 < value <= most:
            raise ValueError(f"wants a number above 0, up to {most:g}, not {shown(value)}")
        return float(value)

    return Kind(check, schema={"type": "number", "exclusiveMinimum": 0, "maximum": most})


def byte_rate() -> Kind:
    """Accept bytes a second as text, and turn them into a number: `64KiB/s` is 65,536."""

    def check(value: object) -> int:
        match = _BYTE_RATE.fullmatch(value) if isinstance(value, str) else None
        rate = int(Decimal(match[1]) * _UNIT_BYTES[match[2]]) if match else 0
        if not 1 <= rate <= _FASTEST:
            limit = " (10GB/s at most)" if rate else ""
            raise ValueError(
                f"wants a rate above zero like 64KiB/s, 1MiB/s or 500kB/s{limit}, not {shown(value)}"
            )
        return rate

    examples = {"examples": ["64KiB/s", "1MiB/s", "500kB/s"], "title": "rate"}
    return Kind(check, schema={"type": "string", "pattern": f"^{_BYTE_RATE.pattern}$", **examples})


def text() -> Kind:
    """Accept any text; white space around it is dropped."""

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(f"wants a text, not {shown(value)}")  # noqa: TRY004  pydantic collects ValueError
        return value.strip()

    return Kind(check, schema={"type": "string"})


def argument(known: Iterable[str] = PLACEHOLDERS) -> Kind:
    """Accept an argument of a command, as it is; it may have these placeholders."""
    names = tuple(known)
    return Kind(lambda value: _with_placeholders(value, names), schema={"type": "string"})


def address() -> Kind:
    """Accept an HTTP URL, which may have placeholders."""

    def check(value: object) -> str:
        written = _with_placeholders(value, tuple(PLACEHOLDERS))
        if not written.startswith(("http://", "{url}")):
            raise ValueError(f"wants an http:// URL like '{{url}}/ready', not {shown(value)}")
        return written

    return Kind(check, schema={"type": "string", "pattern": r"^(http://|\{url\})"})


def node_url() -> Kind:
    """Accept the `http://HOST:PORT` of a node that runs already; the slash at its end is dropped."""
    wanted = "the http://HOST:PORT of a node, without path, user or query"

    def check(value: object) -> str:
        written = value.strip().removesuffix("/") if isinstance(value, str) else ""
        if not _is_base_url(written):
            raise ValueError(f"wants {wanted}, not {shown(value)}")
        return written

    return Kind(check, schema={"type": "string", "pattern": r"^http://[^/?#@\s]+/?$"})


def _is_base_url(written: str) -> bool:
    try:
        parts = urlsplit(written)
        port = parts.port
    except ValueError:  # Brackets that do not close, or a port that is none.
        return False
    odd = "@" in written or any(map(str.isspace, written))
    return bool(parts.hostname) and port != 0 and written == f"http://{parts.netloc}" and not odd


def _with_placeholders(value: object, known: tuple[str, ...]) -> str:
    if not isinstance(value, str):
        raise ValueError(f"wants a text, not {shown(value)}{_quotes(value)}")  # noqa: TRY004  as above
    if "\0" in value:
        raise ValueError("wants an argument of a command, which cannot hold the character U+0000")
    for name in names_in(value):
        if name not in known:
            plain = f"({{{{{name}}}}} is the word in braces)"
            raise ValueError(f"has an unknown placeholder {{{name}}}{_instead(name, known)} {plain}")
    return value


def _instead(placeholder: str, known: tuple[str, ...]) -> str:
    return did_you_mean(placeholder, known) or f"; there are {listed(known)}"


def _quotes(value: object) -> str:
    """Say how to write what YAML takes for something else than the text that was meant."""
    match value:
        case {**keys} if len(keys) == 1:
            return f"; a placeholder needs quotes: '{{{next(iter(keys))}}}'"
        case int() | float():
            return "; quotes make it a text"
    return ""


def name() -> Kind:
    """Accept a name that is good for files, ids and addresses alike."""

    def check(value: object) -> str:
        if not isinstance(value, str) or len(value) > _NAME_LENGTH or not _NAME.fullmatch(value):
            raise ValueError(
                f"wants a name of small letters, digits and single hyphens between them, at most "
                f"{_NAME_LENGTH} characters, not {shown(value)}"
            )
        return value

    schema = {"type": "string", "pattern": f"^{_NAME.pattern}$", "maxLength": _NAME_LENGTH}
    return Kind(check, schema=schema)


def choice(*options: str, wanted: str = "") -> Kind:
    """Accept one of the words."""
    wanted = wanted or (f"one of {listed(options)}" if len(options) > 1 else listed(options))
    return _word(lambda value: f"wants {wanted}, not {shown(value)}", options, options)


def guarantee() -> Kind:
    """Accept the name of a guarantee that this version checks."""

    def sentence(value: object) -> str:
        return f"wants the name of a guarantee ({listed(IMPLEMENTED)}), not {shown(value)}"

    return _word(sentence, IMPLEMENTED, IMPLEMENTED)


def _word(sentence: Callable[[object], str], options: Iterable[str], near: Iterable[str]) -> Kind:
    allowed = frozenset(options)

    def check(value: object) -> str:
        # Where a word from a list is wanted, `no` can mean nothing but the word.
        word = value.text if isinstance(value, Foreign) else value
        if isinstance(word, str) and word in allowed:
            return word
        hint = did_you_mean(value, near) if isinstance(value, str) and value not in near else ""
        raise ValueError(sentence(value) + hint)

    return Kind(check, schema={"type": "string", "enum": list(options)})


def _with_unit(value: object) -> str:
    """Guess what was meant by a duration without unit, or with white space in it."""
    if isinstance(value, int | float) and value > 0:
        return f"; did you mean '{value}s'?"
    if isinstance(value, str) and seconds(squeezed := "".join(value.split()).lower()):
        return f"; did you mean {squeezed!r}?" if squeezed != value else ""
    return ""


def _cut(words: str, length: int = 40) -> str:
    return words if len(words) <= length else words[: length - 1] + "…"
