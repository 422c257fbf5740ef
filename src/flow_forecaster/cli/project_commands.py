"""The commands on projects, with their options; the room that does the work is projects.py."""

from typing import Annotated

import typer

from flow_forecaster.cli.endings import settled

projects = typer.Typer(no_args_is_help=True, help="Make, list, look at, change and delete projects: a team's data.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the project, or its id.")]
Period = Annotated[str, typer.Option("--period", metavar="day|week|DAYS", help="What throughput is counted by.")]
Zone = Annotated[str, typer.Option("--time-zone", metavar="ZONE", help="Whose days count, such as Europe/Berlin.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@projects.command(name="create")
def create_project(
    name: Annotated[str, typer.Argument(metavar="NAME", help="No other project has it.")],
    period: Period = "week",
    zone: Zone = "UTC",
    team_size: Annotated[int | None, typer.Option("--team-size", help="Contributors.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="May be given several times.")] = None,
    json: Json = False,
) -> None:
    """Make a project."""
    from flow_forecaster.cli import projects as room

    fields = {"name": name, "time_zone": zone, "team_size": team_size, "tags": tag or []}
    settled(lambda: room.create(fields, period=period, json=json))


@projects.command(name="change")
def change_project(  # noqa: PLR0913 - the options of a command
    name: Name,
    *,
    new_name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Its new name.")] = None,
    description: Annotated[str | None, typer.Option("--description", help="What it is about.")] = None,
    period: Annotated[
        str | None, typer.Option("--period", metavar="day|week|DAYS", help="What throughput is counted by.")
    ] = None,
    zone: Annotated[str | None, typer.Option("--time-zone", metavar="ZONE", help="Whose days count.")] = None,
    team_size: Annotated[int | None, typer.Option("--team-size", help="Contributors.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="All its tags from now on; repeat.")] = None,
    json: Json = False,
) -> None:
    """Change a project; what is not named stays."""
    from flow_forecaster.cli import projects as room

    given = {"name": new_name, "description": description, "period": period, "time_zone": zone}
    fields = {**given, "team_size": team_size, "tags": tag}
    settled(lambda: room.change(name, {key: value for key, value in fields.items() if value is not None}, json=json))


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
