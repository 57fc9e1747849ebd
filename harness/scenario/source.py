"""YAML text to plain data that remembers where everything stands.

Mappings become dicts with text keys, sequences tuples, scalars `str`, `int`, `float`. Whatever else
YAML makes of a scalar (nothing, truth values, dates, octal or sexagesimal numbers) becomes a `Foreign`,
which no key of a scenario accepts: `on` or `010` is never silently taken for something.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from harness.scenario.values import Foreign

Path = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}", re.ASCII)
_MOST_VALUES = 10_000  # far beyond any real scenario; stops aliases that multiply


@dataclass(frozen=True, order=True, slots=True)
class Position:
    """A place in the file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """Something wrong, and where."""

    position: Position
    sentence: str


class Unreadable(Exception):
    """The text is no YAML mapping, so that nothing else can be said about it."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.sentence)


@dataclass(slots=True)
class Document:
    """The data of a file, where its keys and values stand, and what was wrong on this level."""

    data: dict[str, Any] = field(default_factory=dict)
    values: dict[Path, Position] = field(default_factory=dict)
    keys: dict[Path, Position] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def where(self, path: Path) -> Position:
        """Return where the value stands, or the nearest thing around it that is in the file."""
        while path not in self.values:
            path = path[:-1]
        return self.values[path]

    def where_key(self, path: Path) -> Position:
        """Return where the key stands; for a list's item, where the item does."""
        return self.keys.get(path) or self.where(path)


def read(text: str) -> Document:
    """Read one YAML document whose top is a mapping.

    Raises:
        Unreadable: it is no YAML, empty, no mapping, or far too large or deep.
    """
    document = Document()
    try:
        root = _compose(text)
        document.values[()] = _position(root.start_mark)
        document.data = _Reader(document).mapping(root, ())
    except RecursionError as error:
        sentence = "is nested too deeply, or has an alias inside of what it stands for"
        raise Unreadable(Problem(Position(1, 1), sentence)) from error
    return document


def _compose(text: str) -> yaml.MappingNode:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise Unreadable(_syntax_problem(error)) from error
    except yaml.reader.ReaderError as error:
        sentence = f"YAML allows no such character: U+{error.character:04X}"
        raise Unreadable(Problem(_position_of(text, error.position), sentence)) from error
    if root is None:
        raise Unreadable(Problem(Position(1, 1), "the file is empty; a scenario begins with `version: 1`"))
    if not isinstance(root, yaml.MappingNode):
        raise Unreadable(
            Problem(_position(root.start_mark), "a scenario is a mapping that begins with `version: 1`")
        )
    return root


class _Reader:
    """Walks the nodes of one document and notes positions and problems in it."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._count = 0

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in self._pairs(node):
            data[key.value] = self._value(value, (*path, key.value))
            self._document.keys[(*path, key.value)] = _position(key.start_mark)
        return data

    def _value(self, node: yaml.Node, path: Path) -> Any:
        position = _position(node.start_mark)
        self._document.values[path] = position
        self._count += 1
        if self._count > _MOST_VALUES:
            raise Unreadable(Problem(position, f"a scenario has at most {_MOST_VALUES:,} values"))
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self._value(item, (*path, index)) for index, item in enumerate(node.value))
        return _scalar(node)

    def _pairs(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        """Yield each key once with its value: the mapping's own, then those that `<<` merges in."""
        first: dict[str, yaml.ScalarNode] = {}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            if key.tag == _TAG + "merge":
                merged.extend(value.value if isinstance(value, yaml.SequenceNode) else [value])
            elif not isinstance(key, yaml.ScalarNode):
                self._problem(key, "a key must be a plain word")
            elif key.value in first:
                line = first[key.value].start_mark.line + 1
                self._problem(key, f"the key `{key.value}` is here twice (first in line {line})")
            else:
                first[key.value] = key
                yield key, value
        for base in merged:
            if not isinstance(base, yaml.MappingNode):
                self._problem(base, "`<<` merges mappings only")
                continue
            for key, value in self._pairs(base):
                if key.value not in first:
                    first[key.value] = key
                    yield key, value

    def _problem(self, node: yaml.Node, sentence: str) -> None:
        self._document.problems.append(Problem(_position(node.start_mark), sentence))


def _scalar(node: yaml.Node) -> str | int | float | Foreign:
    text = node.value
    match node.tag.removeprefix(_TAG):
        case "str":
            return str(text)
        case "int" if _WHOLE.fullmatch(text):
            return int(text)
        case "float" if _DECIMAL.fullmatch(text):
            return float(text)
        case "int" | "float":
            return Foreign("the number", text, "numbers are written in plain decimal")
        case "null":
            return Foreign("nothing")
        case "bool":
            return Foreign("the truth value", text, "quotes make it a text")
        case "timestamp":
            return Foreign("the date", text, "quotes make it a text")
        case tag:
            return Foreign("the special value", text, f"YAML tag {tag}")


def _syntax_problem(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    position = _position(mark) if mark else Position(1, 1)
    context = f" ({error.context})" if error.context else ""
    return Problem(position, f"this is no YAML: {error.problem}{context}")


def _position(mark: yaml.Mark) -> Position:
    return Position(mark.line + 1, mark.column + 1)


def _position_of(text: str, offset: int) -> Position:
    before = text[:offset]
    return Position(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)
