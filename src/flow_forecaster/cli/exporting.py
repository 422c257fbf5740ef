"""A history as a CSV with date,completed, for every command that reads a file, and for a folder of many teams."""

import json as jsons
import sys

from flow_forecaster.cli.forecasting import as_field, read
from flow_forecaster.cli.histories import lines
from flow_forecaster.cli.texts import Refused

_DAYS = {"day": 1, "week": 7}


def export(*, file: str | None, git: str | None, period: str | None, json: bool) -> None:
    """Print a row for each period, its first day and zeros included; or, as JSON, the history as the API takes it.

    Raises:
        Refused: the history has no dates.
    """
    history = read(file=file, git=git, period=period)
    for note in history.notes:
        sys.stderr.write(f"note: {note}\n")
    if json:
        field = as_field(history)
        start = None if history.start is None else history.start.isoformat()
        sys.stdout.write(jsons.dumps(field | {"start": start}) + "\n")
        return
    if history.start is None:
        raise Refused("the history has no dates to print; --json prints it without them")
    days = history.period if isinstance(history.period, int) else _DAYS[history.period]
    sys.stdout.write(lines(history.throughput, history.start, days))
