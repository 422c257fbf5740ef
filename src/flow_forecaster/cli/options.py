"""Options that say who works and when: they stand at every command that a calendar or a team changes."""

from typing import Annotated, TypeAlias

import typer

Fields: TypeAlias = dict[str, object]
"""Fields of a request."""

Weekdays = Annotated[
    str | None,
    typer.Option(
        "--weekdays",
        metavar="mon-fri|mon,wed",
        help="Days that are worked; Monday to Friday if only the others are given.",
    ),
]
DayOff = Annotated[list[str] | None, typer.Option("--day-off", metavar="YYYY-MM-DD", help="Not worked; repeat.")]
Shutdown = Annotated[
    list[str] | None,
    typer.Option("--shutdown", metavar="FIRST..LAST", help="Nobody works from the first to the last day; repeat."),
]
Country = Annotated[
    str | None, typer.Option("--country", metavar="DE|DE-BY", help="Its public holidays, or its part's, are off.")
]
Risk = Annotated[
    list[str] | None,
    typer.Option(
        "--risk", metavar="NAME:PERCENT:ITEMS", help="What adds items, or periods (2-4p), if it happens; repeat."
    ),
]
Focus = Annotated[
    str | None, typer.Option("--focus", metavar="SHARE|LOW-HIGH", help="Share of the pace for this scope.")
]
Team = Annotated[
    float | None, typer.Option("--team", metavar="N", help="Contributors of the team that made the history.")
]
Change = Annotated[
    list[str] | None,
    typer.Option("--change", metavar="YYYY-MM-DD:N", help="From this day on so many contribute; repeat."),
]
Ramp = Annotated[
    str | None,
    typer.Option("--ramp", metavar="PERCENT:MIN-MAX[:PERIODS]", help="The team grows at the beginning and shrinks."),
]
Month = Annotated[
    list[str] | None,
    typer.Option("--month", metavar="NAME:PERCENT", help="A month with another share of the pace; repeat."),
]
ColdStart = Annotated[
    str | None, typer.Option("--cold-start", metavar="DAYS,DAYS", help="Cycle times, one before the first item.")
]
Fan = Annotated[bool, typer.Option("--fan", help="Show what is done by the end of each period, too.")]
Tail = Annotated[str | None, typer.Option("--tail", metavar="DAYS,DAYS", help="Cycle times, one after the last item.")]


def path(*, fan: Fan = False) -> Fields:
    """Ask for the path of the work, too."""
    return {"fan": True} if fan else {}


def calendar(
    *, weekdays: Weekdays = None, day_off: DayOff = None, shutdown: Shutdown = None, country: Country = None
) -> Fields:
    """Write the working calendar of a request."""
    from flow_forecaster.cli.surroundings import working_days

    return working_days(weekdays, day_off or [], shutdown or [], country)


def capacity(
    *, focus: Focus = None, team: Team = None, change: Change = None, ramp: Ramp = None, month: Month = None
) -> Fields:
    """Write how the team of a request differs from that of the history."""
    from flow_forecaster.cli import surroundings

    found = surroundings.capacity(focus=focus, team=team, changes=change or [], ramp=ramp, months=month or [])
    return {"capacity": found}


def events(*, risk: Risk = None, cold_start: ColdStart = None, tail: Tail = None) -> Fields:
    """Write the risks of a request, and its lead time."""
    from flow_forecaster.cli import surroundings

    return {"risks": surroundings.risks(risk or []), "lead_time": surroundings.lead_time(cold_start, tail)}


AROUND = (events, capacity, calendar, path)
"""What surrounds the scope of a forecast."""
