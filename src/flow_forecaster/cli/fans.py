"""The path of the work on the terminal: what is done by the end of each period, and how sure."""

from rich.console import Console
from rich.table import Table

from flow_forecaster.cli.wording import day_of, percent
from flow_forecaster.schemas.explanations import Fan, FanRow

_MOST_ROWS = 20
_WIDTH = 30
_SURE = (2, 1, 0)
"""Half, the lower and the lowest level of a fan: at least so many items with 50, 85 and 95 %."""


def print_fan(fan: Fan | None, console: Console) -> None:
    """Print the items that are done at least, and a bar from the lowest level to the highest; nothing without a fan."""
    if fan is None:
        return
    console.print("Done by the end of, at least:\n", style="bold")
    table = Table.grid(padding=(0, 2, 0, 0))
    for justify in ("left", "right", "right", "right", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)
    table.add_row("", "periods", *(percent(1.0 - fan.levels[place]) for place in _SURE), "")
    most = max((row.items[-1] for row in fan.rows), default=0)
    for row in _some(fan.rows):
        items = [str(row.items[place]) for place in _SURE]
        table.add_row(day_of(row.date), str(row.periods), *items, f"[cyan]{_band(row, most)}[/cyan]")
    console.print(table)
    low, high, inner = fan.levels[0], fan.levels[-1], fan.levels[1:-1]
    told = f"░ {percent(low)} to {percent(high)} of the cases, █ {percent(inner[0])} to {percent(inner[-1])}, ┃ half"
    console.print(f"\n{told}, up to {most} items\n", style="dim")


def _some(rows: list[FanRow]) -> list[FanRow]:
    """Leave out rows between others where there are too many; the last one stays."""
    stride = -(-len(rows) // _MOST_ROWS)
    return rows[::-1][::stride][::-1] if rows else []


def _band(row: FanRow, most: int) -> str:
    lowest, low, half, high, highest = (round(items / (most or 1) * (_WIDTH - 1)) for items in row.items)
    cells = ["█" if low <= place <= high else "░" if lowest <= place <= highest else " " for place in range(_WIDTH)]
    cells[half] = "┃"
    return "".join(cells).rstrip()
