"""The commands on projects, with their options; the room that does the work is projects.py."""

from functools import partial
from typing import Annotated

import typer

from flow_forecaster.cli.endings import settled
from flow_forecaster.cli.helping import Commands
from flow_forecaster.cli.options import Country, DayOff, Fields, Shutdown, Weekdays, calendar

projects = typer.Typer(
    cls=Commands, no_args_is_help=True, help="Make, list, look at, change and delete projects: a team's data."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the project, or its id.")]
Period = Annotated[str, typer.Option("--period", metavar="day|week|DAYS", help="What throughput is counted by.")]
Zone = Annotated[str, typer.Option("--time-zone", metavar="ZONE", help="Whose days count, such as Europe/Berlin.")]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What it is about.")]
PeriodStart = Annotated[
    str | None, typer.Option("--period-start", metavar="YYYY-MM-DD", help="A day on which an iteration begins.")
]
TeamSize = Annotated[int | None, typer.Option("--team-size", metavar="N", help="Contributors.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@projects.command(name="create")
def create_project(  # noqa: PLR0913 - the options of a command
    name: Annotated[str, typer.Argument(metavar="NAME", help="No other project has it.")],
    *,
    description: Description = None,
    period: Period = "week",
    period_start: PeriodStart = None,
    zone: Zone = "UTC",
    team_size: TeamSize = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="May be given several times.")] = None,
    weekdays: Weekdays = None,
    day_off: DayOff = None,
    shutdown: Shutdown = None,
    country: Country = None,
    json: Json = False,
) -> None:
    """Make a project."""
    from flow_forecaster.cli import projects as room

    given = {"name": name, "description": description, "period": period, "period_start": period_start}
    fields = _named({**given, "time_zone": zone, "team_size": team_size, "tags": tag})
    days = partial(calendar, weekdays=weekdays, day_off=day_off, shutdown=shutdown, country=country)
    settled(lambda: room.create(fields | days(), json=json))


@projects.command(name="change")
def change_project(  # noqa: PLR0913 - the options of a command
    name: Name,
    *,
    new_name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Its new name.")] = None,
    description: Description = None,
    period: Annotated[
        str | None, typer.Option("--period", metavar="day|week|DAYS", help="What throughput is counted by.")
    ] = None,
    period_start: PeriodStart = None,
    zone: Annotated[str | None, typer.Option("--time-zone", metavar="ZONE", help="Whose days count.")] = None,
    team_size: TeamSize = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="All its tags from now on; repeat.")
    ] = None,
    weekdays: Weekdays = None,
    day_off: DayOff = None,
    shutdown: Shutdown = None,
    country: Country = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", metavar="FIELD", help="What it has no longer: calendar; repeat.")
    ] = None,
    json: Json = False,
) -> None:
    """Change a project; what is not named stays."""
    from flow_forecaster.cli import projects as room

    given = {"name": new_name, "description": description, "period": period, "period_start": period_start}
    fields = _named({**given, "time_zone": zone, "team_size": team_size, "tags": tag})
    days = partial(calendar, weekdays=weekdays, day_off=day_off, shutdown=shutdown, country=country)
    settled(lambda: room.change(name, fields | days(), without or [], json=json))


@projects.command(name="list")
def list_projects(json: Json = False) -> None:
    """List projects, newest first."""
    from flow_forecaster.cli import projects as room

    settled(lambda: room.show(json=json))


@projects.command(name="throughput")
def show_throughput(
    name: Name,
    select: Annotated[
        list[str] | None, typer.Option("--select", metavar="KEY=VALUE", help="What of the past to count; repeat.")
    ] = None,
    json: Json = False,
) -> None:
    """Print what a forecast would take from a project: date,completed for each whole period."""
    from flow_forecaster.cli import projects as room

    settled(lambda: room.throughput(name, select or [], json=json))


@projects.command(name="work-items")
def show_work_items(name: Name) -> None:
    """Print the work items of a project as CSV, in the order of their ids."""
    from flow_forecaster.cli import moving as room

    settled(lambda: room.work_items(name))


@projects.command(name="item")
def work_item(  # noqa: PLR0913 - the options of a command
    name: Name,
    item: Annotated[str, typer.Argument(metavar="ID", help="The id that its tracker gave it.")],
    *,
    title: Annotated[str | None, typer.Option("--title", metavar="TEXT", help="What it is about.")] = None,
    type_: Annotated[str | None, typer.Option("--type", metavar="NAME", help="Such as bug.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="All its tags from now on; repeat.")
    ] = None,
    created: Annotated[str | None, typer.Option("--created", metavar="YYYY-MM-DD", help="When it came.")] = None,
    started: Annotated[str | None, typer.Option("--started", metavar="YYYY-MM-DD", help="When work began.")] = None,
    finished: Annotated[str | None, typer.Option("--finished", metavar="YYYY-MM-DD", help="When it ended.")] = None,
    size: Annotated[float | None, typer.Option("--size", metavar="N", help="Story points, for example.")] = None,
    blocked_days: Annotated[
        float | None, typer.Option("--blocked-days", metavar="N", help="Work could not go on.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", metavar="FIELD", help="What it has no longer: finished; repeat.")
    ] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Forget it.")] = False,
    json: Json = False,
) -> None:
    """Look at a work item of a project; write what is named of it, and what is not named stays; or delete it."""
    from flow_forecaster.cli import single_items as room

    days = {"created": created, "started": started, "finished": finished}
    fields = _named({"title": title, "type": type_, "tags": tag, **days, "size": size, "blocked_days": blocked_days})
    settled(
        lambda: room.settle(name, item, room.Change(fields=fields, without=without or [], delete=delete), json=json)
    )


@projects.command(name="delete")
def delete_project(name: Name, json: Json = False) -> None:
    """Delete a project with its data, and say what went with it."""
    from flow_forecaster.cli import projects as room

    settled(lambda: room.delete(name, json=json))


def import_file(  # noqa: PLR0913, PLR0917 - the options of a command
    file: Annotated[str, typer.Argument(metavar="FILE", help="A tracker's export: CSV, TSV or JSON. - reads stdin.")],
    project: Annotated[str, typer.Option("--project", metavar="NAME", help="Made if there is none of this name.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would come of it, and change nothing.")] = False,
    date_format: Annotated[
        str | None, typer.Option("--date-format", metavar="day_first|month_first", help="Where a file does not tell.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option("--column", metavar="ROLE:NAME", help="Which column has what; repeat.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="YYYY-MM-DD", help="The day up to which the file tells all.")
    ] = None,
    period: Period = "week",
    zone: Zone = "UTC",
    json: Json = False,
) -> None:
    """Take an export of a tracker into a project; the same file again changes nothing."""
    from flow_forecaster.cli import importing as room

    options = {"dry_run": dry_run, "date_format": date_format, "column": column, "as_of": as_of}
    settled(lambda: room.take(file, project, options | {"period": period, "time_zone": zone}, json=json))


def _named(fields: Fields) -> Fields:
    """Leave out what is not named."""
    return {key: value for key, value in fields.items() if value is not None}
