"""A stored forecast compared with the one before, on the terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from rich.console import Console
from rich.markup import escape

from flow_forecaster.cli.actuals import stored_id
from flow_forecaster.cli.kernels import kernels_ready
from flow_forecaster.cli.projects import find, parsed, run
from flow_forecaster.cli.rendering import table_of
from flow_forecaster.cli.texts import Refused
from flow_forecaster.cli.wording import percent
from flow_forecaster.persistence.database import Database
from flow_forecaster.schemas.actuals import KINDS
from flow_forecaster.schemas.movements import ForecastMovement, MovementQuery, QuantileMovement
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.computing import Computer
from flow_forecaster.services.movements import Movements
from flow_forecaster.services.rates import LocalBuckets, Meter, Rate
from flow_forecaster.services.readiness import Readiness
from flow_forecaster.settings import Settings

_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which forecasts, as the command line names them."""

    forecast: str | None
    before: str | None
    project: str | None
    kind: str

    def ids(self) -> tuple[UUID | None, MovementQuery]:
        """Read the ids; None where a project is named.

        Raises:
            Refused: neither or both are given, or one is no id.
        """
        if (self.forecast is None) == (self.project is None):
            raise Refused("give either the ID of a forecast or --project NAME")
        if self.kind not in KINDS:
            raise Refused(f"--kind: forecasts of {', '.join(KINDS)} are compared")
        query = parsed(MovementQuery, {"with": self.before}, "")
        return None if self.forecast is None else stored_id(self.forecast), query


def compare(wanted: Wanted, *, json: bool) -> None:
    """Print what moved the answers of a forecast since the one before.

    Raises:
        Refused: there is no such forecast, or none before it.
    """
    forecast_id, query = wanted.ids()
    kernels_ready(Settings())

    async def work(database: Database) -> ForecastMovement:
        chosen = forecast_id or await _newest(database, wanted.project or "", wanted.kind)
        with _movements(database) as movements:
            return await movements.compare(ANYBODY, chosen, query)

    found = run(work)
    if json:
        sys.stdout.write(found.model_dump_json() + "\n")
    else:
        _render(found, Console(highlight=False, soft_wrap=True))


@contextmanager
def _movements(database: Database) -> Iterator[Movements]:
    settings = Settings()
    computer = Computer(threads=settings.threads, slots=1, most_waiting=1, patience_seconds=_PATIENCE_SECONDS)
    free = [Rate(name=name, quota=0.0) for name in ("requests", "draws")]
    try:
        yield Movements(
            database=database,
            computer=computer,
            readiness=Readiness(database=database, kernels=True),
            meter=Meter(buckets=LocalBuckets(clock=monotonic), requests=free[0], draws=free[1]),
            most_draws=settings.inline_draws,
        )
    finally:
        computer.close()


async def _newest(database: Database, name: str, kind: str) -> UUID:
    record = await find(database, name)
    async with database.reading(ANYBODY.tenant_id) as transaction:
        newest = await transaction.forecasts.newest(record.id, kind)
    if newest is None:
        raise Refused(f"no forecast of {kind} was made from the project '{name}'")
    return newest


def _render(found: ForecastMovement, console: Console) -> None:
    made = f"{found.after.created_at:%Y-%m-%d %H:%M} UTC against {found.before.created_at:%Y-%m-%d %H:%M} UTC"
    console.print(f"What moved the forecast of {made}?\n", style="bold")
    inputs = [part.input for part in next((one.parts for one in found.quantiles if one.parts), [])]
    table = table_of("sure", "before", "after", "moved", *inputs)
    for one in found.quantiles:
        before, after = _ends(one)
        parts = [f"{part.movement:+.0f}" for part in one.parts] or ["-"] * len(inputs)
        moved = "-" if one.movement is None else f"{one.movement:+d}"
        table.add_row(percent(one.confidence), before, after, moved, *parts)
    console.print(table)
    if found.probability is not None:
        told = found.probability
        console.print(f"the deadline holds: {percent(told.after)} sure, before {percent(told.before)}")
    console.print()
    for change in found.changes:
        console.print(f"{change.input}: {escape(change.detail)}")
    if found.unattributed is not None:
        console.print(f"[yellow]not divided[/yellow] {found.unattributed.code}: {escape(found.unattributed.detail)}")
    elif inputs:
        unit = "items" if found.kind == "how_many" else "days"
        console.print(f"{unit}, replaced in this order; in another order the parts would be others", style="dim")


def _ends(one: QuantileMovement) -> tuple[str, str]:
    dates, items = (one.date_before, one.date_after), (one.items_before, one.items_after)
    ends = zip(dates, items, strict=True)
    before, after = (str(day or ("beyond" if count is None else count)) for day, count in ends)
    return before, after
