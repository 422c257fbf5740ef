"""A single item on the terminal."""

from rich.console import Console

from flow_forecaster.cli.rendering import print_provenance, print_when
from flow_forecaster.cli.wording import day_of, percent
from flow_forecaster.schemas.items import ItemRequest, ItemResult


def render_item(request: ItemRequest, result: ItemResult, console: Console) -> None:
    """Print when an item is finished, in days."""
    console.print(f"When is an item of {result.age} days finished, from {day_of(request.start)} on?\n", style="bold")
    print_when(result, console, unit="days")
    if result.probability is not None:
        console.print(f"by {day_of(request.deadline)}: {percent(result.probability)} sure\n")
    print_provenance(f"{len(request.cycle_times)} cycle times", result, console)
