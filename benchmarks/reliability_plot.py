"""Promised against kept, as a drawing: one panel a forecaster, one line a horizon, readable in light and in dark."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor

from benchmarks.reliability import WEEKS, Findings, Pool
from benchmarks.reliability_page import names
from flow_forecaster.engine.rolling import Target
from flow_forecaster.engine.scoring import PROMISES

_COLUMNS = 3
_SIDE, _GAP, _LEFT, _TOP = 200.0, 48.0, 44.0, 56.0
_LEFTMOST = 0.45
_SHIFTS = (-3.0, 0.0, 3.0)  # so that the intervals of three horizons stand side by side
_KEY = "as promised; across: promised, up: kept; bars: 95 % intervals over histories"
_STYLE = """
text { font: 11px system-ui, sans-serif; fill: #1f2328 }
.name { font-weight: 600; font-size: 13px }
.grid { stroke: #8c959f; stroke-opacity: .3 }
.right { stroke: #6e7781; stroke-dasharray: 4 3 }
.h0 { stroke: #0969da; fill: #0969da } .h1 { stroke: #bc4c00; fill: #bc4c00 } .h2 { stroke: #8250df; fill: #8250df }
polyline { fill: none !important; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .h0 { stroke: #58a6ff; fill: #58a6ff } .h1 { stroke: #f0883e; fill: #f0883e } .h2 { stroke: #bc8cff; fill: #bc8cff }
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Where shares stand in a panel: confidences from left to right, what was kept from `lowest` upwards."""

    lowest: float

    @classmethod
    def around(cls, pools: Iterable[Pool]) -> "Frame":
        """Begin at a tenth below everything that is drawn, and below 45 % in any case."""
        lows = [pool.kept_between(index)[0] for pool in pools for index in range(len(PROMISES))]
        return cls(lowest=floor(10 * min(0.45, *lows)) / 10)

    @property
    def ticks(self) -> list[float]:
        """Every tenth."""
        return [tenth / 10 for tenth in range(round(10 * self.lowest), 11)]

    def y(self, share: float) -> float:
        """Place a share that was kept."""
        return round((1 - share) / (1 - self.lowest) * _SIDE, 1)

    def x(self, share: float) -> float:
        """Place a confidence."""
        return round((share - _LEFTMOST) / (1 - _LEFTMOST) * _SIDE, 1)


def plot(findings: Findings) -> str:
    """Draw a panel for each forecaster that states a distribution."""
    shown = names(findings.weekly)
    rows = -(-len(shown) // _COLUMNS)
    width = _LEFT + _COLUMNS * (_SIDE + _GAP)
    height = _TOP + rows * (_SIDE + _GAP)
    title = "Share of promises kept, against the confidence promised, by forecaster and horizon"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{title}"><title>{title}</title><style>{_STYLE}</style>'
    )
    drawn = {(name, weeks): findings.weekly.get((_target(weeks), name)) for name in shown for weeks in WEEKS}
    pools = {key: pool for key, pool in drawn.items() if pool is not None}
    frame = Frame.around(pools.values())
    panels = (line for index, name in enumerate(shown) for line in _panel(index, name, pools, frame))
    return "\n".join((head, *_legend(), *panels, "</svg>", ""))


def _legend() -> Iterator[str]:
    for index, weeks in enumerate(WEEKS):
        left = _LEFT + index * 90
        yield f'<circle class="h{index}" cx="{left + 5:g}" cy="14" r="3.5"/>'
        yield f'<text x="{left + 14:g}" y="18">{weeks} weeks</text>'
    left = _LEFT + len(WEEKS) * 90
    yield f'<line class="right" x1="{left:g}" y1="14" x2="{left + 24:g}" y2="14"/>'
    yield f'<text x="{left + 30:g}" y="18">{_KEY}</text>'


def _target(weeks: int) -> Target:
    return Target(side="items", horizon=weeks)


def _panel(index: int, name: str, pools: Mapping[tuple[str, int], Pool], frame: Frame) -> Iterator[str]:
    row, column = divmod(index, _COLUMNS)
    yield f'<g transform="translate({_LEFT + column * (_SIDE + _GAP):g} {_TOP + row * (_SIDE + _GAP):g})">'
    yield f'<text class="name" x="0" y="-8">{name}</text>'
    for tick in frame.ticks:
        yield f'<line class="grid" x1="0" y1="{frame.y(tick):g}" x2="{_SIDE:g}" y2="{frame.y(tick):g}"/>'
        yield f'<text x="-6" y="{frame.y(tick) + 4:g}" text-anchor="end">{tick:.0%}</text>'
    for promise in PROMISES:
        yield f'<text x="{frame.x(promise):g}" y="{_SIDE + 16:g}" text-anchor="middle">{promise:.0%}</text>'
    ends = (frame.x(_LEFTMOST), frame.y(_LEFTMOST), frame.x(1.0), frame.y(1.0))
    yield '<line class="right" x1="{:g}" y1="{:g}" x2="{:g}" y2="{:g}"/>'.format(*ends)
    for horizon, weeks in enumerate(WEEKS):
        if (name, weeks) in pools:
            yield from _line(horizon, pools[name, weeks], frame)
    yield "</g>"


def _line(horizon: int, pool: Pool, frame: Frame) -> Iterator[str]:
    places = [frame.x(promise) + _SHIFTS[horizon] for promise in PROMISES]
    heights = [frame.y(pool.kept(index)) for index in range(len(PROMISES))]
    yield f'<polyline class="h{horizon}" points="{_points(places, heights)}"/>'
    for index, (x, y) in enumerate(zip(places, heights, strict=True)):
        low, high = pool.kept_between(index)
        yield f'<line class="h{horizon}" x1="{x:g}" y1="{frame.y(low):.1f}" x2="{x:g}" y2="{frame.y(high):.1f}"/>'
        yield f'<circle class="h{horizon}" cx="{x:g}" cy="{y:.1f}" r="2.5"/>'


def _points(places: Sequence[float], heights: Sequence[float]) -> str:
    return " ".join(f"{x:g},{y:.1f}" for x, y in zip(places, heights, strict=True))
