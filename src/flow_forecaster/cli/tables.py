"""Tables as CSV on standard output."""

import sys

from flow_forecaster.cli.texts import Refused
from flow_forecaster.schemas.tables import Table


def check_forms(*, json: bool, csv: bool) -> None:
    """Check that not two forms are asked for.

    Raises:
        Refused: two are.
    """
    if json and csv:
        raise Refused("give either --json or --csv")


def print_table(table: Table) -> None:
    """Print a table as CSV."""
    from flow_forecaster.services.spreadsheets import csv_of  # noqa: PLC0415 - no other form needs what it imports

    sys.stdout.write(csv_of(table))
