"""How many bots are where: step series of several nodes brought onto common moments, and few of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from reports.figures import Steps

NODES_SHOWN = 8  # The others are one band together: no eye tells more apart.
OTHERS = "other nodes"
_MOST_MOMENTS = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Populations:
    """Counts that hold from each moment to the next; before the first all are 0."""

    moments_ns: tuple[int, ...]
    columns: dict[str, tuple[int, ...]]

    @property
    def most(self) -> int:
        """The most that all columns together ever are."""
        return max((sum(row) for row in zip(*self.columns.values(), strict=True)), default=0)


def together(series: Mapping[str, Steps]) -> Populations:
    """Bring step series onto the moments at which any of them changes.

    Where these are more than can be drawn, the last value of each small interval stands for it.
    """
    moments = _few(sorted({t_ns for steps in series.values() for t_ns, _ in steps}))
    return Populations(
        moments_ns=tuple(moments), columns={name: _sampled(steps, moments) for name, steps in series.items()}
    )


def few(series: Mapping[str, Steps]) -> dict[str, Steps]:
    """Sum up the series behind the first NODES_SHOWN as one."""
    if len(series) <= NODES_SHOWN:
        return dict(series)
    names = list(series)
    rest = together({name: series[name] for name in names[NODES_SHOWN - 1 :]})
    sums = [sum(row) for row in zip(*rest.columns.values(), strict=True)]
    return {
        **{name: series[name] for name in names[: NODES_SHOWN - 1]},
        OTHERS: tuple(zip(rest.moments_ns, sums, strict=True)),
    }


def _few(moments: list[int]) -> list[int]:
    if len(moments) <= _MOST_MOMENTS:
        return moments
    width = (moments[-1] - moments[0]) // _MOST_MOMENTS + 1
    last = {t_ns // width: t_ns for t_ns in moments}
    return list(last.values())


def _sampled(steps: Steps, moments: list[int]) -> tuple[int, ...]:
    values: list[int] = []
    value, place = 0, 0
    for moment in moments:
        while place < len(steps) and steps[place][0] <= moment:
            value = steps[place][1]
            place += 1
        values.append(value)
    return tuple(values)
