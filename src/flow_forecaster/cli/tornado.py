"""A tornado chart of text: each input with its two ends, the answers there, and a bar between them."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_WIDTH = 40
_HAPPENS = {0.0: "no", 1.0: "yes"}
_LEGEND = "10 % to 90 % of a range, a number 10 % up and down, a risk from no to yes"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """An input at one end: its value, the answer there (None beyond the horizon), in words, and the mean difference."""

    value: float
    answer: float | None
    told: str
    mean: float

    @property
    def rank(self) -> tuple[bool, float, float]:
        """Sort by the answer, what is never known last."""
        return self.answer is None, self.answer or 0.0, self.mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """An input with both of its ends."""

    name: str
    is_risk: bool
    ends: tuple[End, End]


def print_tornado(bars: Sequence[Bar], middle: float | None, console: Console, width: int = _WIDTH) -> None:
    """Draw the bars around the base's answer, so wide at most, with the legend below them."""
    known = [end.answer for bar in bars for end in bar.ends if end.answer is not None]
    known += [] if middle is None else [middle]
    span = min(known, default=0.0), max(known, default=0.0)
    table = Table.grid(padding=(0, 1, 0, 0))
    for justify in ("left", "right", "center", "left", "right", "left", "left"):
        table.add_column(justify=justify, no_wrap=bool(table.columns))
    for bar in bars:
        first, last = sorted(bar.ends, key=lambda end: end.rank)
        drawn = f"[cyan]{_drawn((first.answer, last.answer), middle, span, width)}[/cyan]"
        table.add_row(escape(bar.name), _value(bar, first), "…", _value(bar, last), first.told, drawn, last.told)
    console.print(table)
    console.print(f"\n{_LEGEND}", style="dim")


def _value(bar: Bar, end: End) -> str:
    if bar.is_risk:
        return _HAPPENS[end.value]
    return f"{end.value:.4g}" if end.value < 10_000 else f"{end.value:,.0f}"


def _drawn(
    answers: tuple[float | None, float | None], middle: float | None, span: tuple[float, float], width: int
) -> str:
    """Draw what lies between both answers, with the base's answer marked; what is beyond the horizon ends right."""
    least, most = span
    scale = (width - 1) / ((most - least) or 1.0)
    left, right = (width - 1 if answer is None else round((answer - least) * scale) for answer in answers)
    cells = ["█" if left <= place <= right and left < right else " " for place in range(width)]
    if middle is not None:
        cells[round((middle - least) * scale)] = "┃"
    return "".join(cells)
