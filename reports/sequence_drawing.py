"""A story's diagram as SVG: a lane for each of its people, time running down, faults shaded.

Heights keep the order of time and not its measure: between two rows lies a little more where more time
passed, and a break where it was a second or longer. Every row has its moment beside it.
"""

from itertools import pairwise

from markupsafe import Markup

from harness.records.plan import Plan
from harness.records.verdict import Step, StepKind, Witness
from reports.run import Run
from reports.sentence import joined, moment, plural, seconds
from reports.sequence import Diagram, Edge, Row, arranged, commits
from reports.spans import FaultRecord
from reports.svg import tag, title
from reports.text import clipped

GUTTER = 70.0  # for the moments
LANE = 118.0
HEAD = 42.0
STEP = 31.0
BREAK_S = 1.0
_HEAD_WIDTH = 104.0
_NAME = 15  # characters of a lane's name
_LABEL = 30  # characters at an arrow
_TIP = 200  # characters of a tool tip
_CHARACTER = 5.7  # pixels, at 11 px

_WRONG = frozenset(
    {StepKind.REFUSED, StepKind.UNANSWERED, StepKind.NEVER, StepKind.CUT_OFF, StepKind.LACKING}
)


def drawn(run: Run, faults: tuple[FaultRecord, ...], witness: Witness) -> Markup | None:
    """Return the diagram of a story, `None` where the verdict does not have what one needs."""
    diagram = arranged(run.plan, faults, witness)
    return _Drawing(run, diagram).svg() if diagram is not None else None


class _Drawing:
    """One diagram: where its lanes and rows are, and what is drawn there."""

    def __init__(self, run: Run, diagram: Diagram) -> None:
        self._run, self._plan, self._diagram = run, run.plan, diagram
        self._x = {name: GUTTER + LANE * (i + 0.5) for i, name in enumerate(diagram.lanes)}
        self._y = _heights(diagram.rows)
        self._width = GUTTER + LANE * len(diagram.lanes)
        self._foot = self._y[-1] + 20
        self._height = self._foot + (22 if diagram.left_out else 4)

    def svg(self) -> Markup:
        """Return the element."""
        rows = list(zip(self._diagram.rows, self._y, strict=True))
        return tag(
            "svg",
            title("Sequence diagram"),
            tag("desc", _in_words(self._run, self._diagram)),
            *self._shades(),
            *(self._lane(name) for name in self._diagram.lanes),
            *(part for (_, a), (_, b) in pairwise(rows) for part in self._breaks(a, b)),
            *(self._row(row, y) for row, y in rows),
            *self._left_out(),
            class_="sequence",
            role="img",
            viewBox=f"0 0 {self._width:g} {self._height:g}",
            width=self._width,
            height=self._height,
        )

    def _left_out(self) -> list[Markup]:
        """Say how many steps have no room here, or only tell how people came to where they are."""
        count = self._diagram.left_out
        words = f"{plural(count, 'more step')} of this story {'is' if count == 1 else 'are'} not drawn"
        return [tag("text", words, x=GUTTER, y=self._height - 4, class_="more")] if count else []

    def _lane(self, name: str) -> Markup:
        x, kind = self._x[name], _kind(self._plan, name)
        shown = "Redis" if kind == "redis" else _short(name, _NAME)
        return tag(
            "g",
            title(clipped(name, _TIP)),
            tag("line", x1=x, x2=x, y1=HEAD - 12, y2=self._foot, class_="life"),
            tag(
                "rect",
                x=x - _HEAD_WIDTH / 2,
                y=4,
                width=_HEAD_WIDTH,
                height=26,
                rx=13 if kind == "bot" else 3,
            ),
            tag("text", shown, x=x, y=21, text_anchor="middle"),
            class_=f"lane {kind}",
        )

    def _shades(self) -> list[Markup]:
        """Shade the lanes of the members that a fault is on, from its beginning to its end."""
        begins: dict[str, float] = {}
        shades = []
        edges = [(row.edge, y) for row, y in zip(self._diagram.rows, self._y, strict=True) if row.edge]
        known = {edge.record.fault_id: edge.record for edge, _ in edges}
        for edge, y in edges:
            if edge.begins:
                begins[edge.record.fault_id] = y
            else:
                shades += self._shade(edge.record, begins.pop(edge.record.fault_id, HEAD - 12), y)
        for fault_id, y in begins.items():
            shades += self._shade(known[fault_id], y, self._foot)
        return shades

    def _shade(self, record: FaultRecord, top: float, bottom: float) -> list[Markup]:
        names = dict.fromkeys(name for name in (*record.targets, *record.peers) if name in self._x)
        return [
            tag("rect", x=self._x[name] - 22, y=top, width=44, height=bottom - top, class_="shade")
            for name in names
        ]

    def _breaks(self, above: float, below: float) -> list[Markup]:
        if below - above < STEP + 24:
            return []
        y = (above + below) / 2
        return [tag("rect", x=GUTTER, y=y - 7, width=self._width - GUTTER, height=8, class_="break")]

    def _row(self, row: Row, y: float) -> Markup:
        when = tag("text", moment(self._run.at_s(row.t_ns)), x=GUTTER - 12, y=y + 4, class_="when")
        if row.edge is not None:
            return tag("g", when, *self._edge(row.edge, y), class_="edge")
        return tag("g", when, *(part for step in row.steps for part in self._step(step, y)))

    def _edge(self, edge: Edge, y: float) -> list[Markup]:
        words = f"⚡ {edge.words}" if edge.begins else edge.words
        return [
            tag("line", x1=GUTTER, x2=self._width, y1=y, y2=y),
            self._label(words, GUTTER + 4, y - 5, "start", most=60),
        ]

    def _step(self, step: Step, y: float) -> list[Markup]:
        if not step.target or step.target not in self._x:
            return [self._mark(step, y)]
        parts = [self._arrow(step, y)]
        if (said := commits(self._plan, step)) and self._diagram.redis in self._x:
            parts.append(self._commit(step, said, y))
        return parts

    def _mark(self, step: Step, y: float) -> Markup:
        """Something of one lane alone: a cross where it went wrong, a dot where not."""
        x = self._x[step.source]
        wrong = step.kind in _WRONG
        mark = _cross(x, y) if wrong else tag("circle", cx=x, cy=y, r=3.5, class_="dot")
        beside = self._label(_caption(step), x, y + 17, "middle", most=_LABEL - 8)
        return tag("g", title(clipped(step.label, _TIP)), mark, beside, class_="wrong" if wrong else "step")

    def _arrow(self, step: Step, y: float) -> Markup:
        x0, x1 = self._x[step.source], self._x[step.target]
        wrong = step.kind in _WRONG
        toward = 1 if x1 > x0 else -1
        end = x1 - 3 * toward
        parts = [
            tag("line", x1=x0, x2=end, y1=y, y2=y),
            tag("path", d=f"M{end:.1f} {y:.1f}l{-8 * toward} -4v8z", class_="head"),
        ]
        if step.kind in (StepKind.CUT_OFF, StepKind.LACKING):
            parts[1] = _cross((x0 + x1) / 2, y)
        label = self._label(_caption(step), (x0 + x1) / 2, y - 6, "middle", most=_LABEL)
        kind = "wrong" if wrong else f"step {step.kind.value}"
        return tag(
            "g",
            title(clipped(f"{step.source} → {step.target}: {step.label}", _TIP)),
            *parts,
            label,
            class_=kind,
        )

    def _commit(self, step: Step, said: str, y: float) -> Markup:
        """What the clients cannot see: that the node had Redis' answer before it acknowledged."""
        x0, x1 = self._x[step.source], self._x[self._diagram.redis]
        return tag(
            "g",
            title(clipped(f"{step.source} says that Redis has it: {said}", _TIP)),
            tag("line", x1=x0, x2=x1, y1=y, y2=y),
            tag("rect", x=x1 - 4, y=y - 4, width=8, height=8),
            self._label(said, x1, y - 7, "middle", most=_LABEL),
            class_="commit",
        )

    def _label(self, text: str, x: float, y: float, anchor: str, *, most: int) -> Markup:
        shown = _short(text, most)
        if anchor == "middle":
            half = len(shown) * _CHARACTER / 2
            x = max(GUTTER + half, min(x, self._width - half - 4))
        return tag("text", shown, x=x, y=y, text_anchor=anchor, class_="label")


def _heights(rows: tuple[Row, ...]) -> list[float]:
    y, heights = HEAD + 14, [HEAD + 14]
    for before, row in pairwise(rows):
        gap_s = (row.t_ns - before.t_ns) / 1e9
        y += STEP + (26 if gap_s >= BREAK_S else 8 if gap_s >= 0.05 else 0)
        heights.append(y)
    return heights


def _cross(x: float, y: float) -> Markup:
    return tag("path", d=f"M{x - 4:.1f} {y - 4:.1f}l8 8m-8 0l8 -8", class_="cross")


def _caption(step: Step) -> str:
    """What is written at a step; the whole is in its tool tip."""
    if step.kind is StepKind.NEVER:
        return "never came"
    return step.label.partition(":")[0] if step.kind in _WRONG else step.label


def _kind(plan: Plan, name: str) -> str:
    if name == plan.cluster.redis:
        return "redis"
    return "node" if name in plan.cluster.nodes else "bot"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _in_words(run: Run, diagram: Diagram) -> str:
    first, last = diagram.rows[0].t_ns, diagram.rows[-1].t_ns
    faults = [row.edge.record.label for row in diagram.rows if row.edge is not None and row.edge.begins]
    during = f", with {joined(faults)}" if faults else ""
    steps = plural(sum(len(row.steps) for row in diagram.rows), "step")
    return (
        f"{steps} between {joined(list(diagram.lanes))} "
        f"in {seconds((last - first) / 1e9)} from {moment(run.at_s(first))}{during}. "
        "The operations below say the same in words."
    )
