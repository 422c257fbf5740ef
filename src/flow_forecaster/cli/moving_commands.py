"""The commands that take all data of a tenant along, with their options; the room that does the work is moving.py."""

from typing import Annotated

import typer

from flow_forecaster.cli.endings import settled

Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose data.")]


def export_all(
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Write there; to standard output if absent.")
    ] = None,
    tenant: Tenant = "default",
) -> None:
    """Write all projects, their data and all forecasts as JSON Lines, as they are at one moment."""
    from flow_forecaster.cli import moving as room

    settled(lambda: room.export(output, tenant=tenant))


def restore_all(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `export` wrote. - reads stdin.")],
    tenant: Tenant = "default",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would come of it, and change nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Take an export in under the ids that it has; what is there stays, and the same file again changes nothing."""
    from flow_forecaster.cli import moving as room

    settled(lambda: room.restore(file, tenant=tenant, dry_run=dry_run, json=json))
