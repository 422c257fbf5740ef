"""export and restore: all that a tenant has as one file, and such a file taken in by an operator, who keeps the ids."""

import sys
from pathlib import Path
from shutil import copyfileobj
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import Any, BinaryIO, cast

from flow_forecaster import __version__
from flow_forecaster.app import SystemClock
from flow_forecaster.cli.databases import on_database
from flow_forecaster.cli.projects import find
from flow_forecaster.cli.texts import InputError, Refused
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.errors import TooManyExports
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.tenants import Tenant
from flow_forecaster.persistence.work_items import ItemFilter
from flow_forecaster.schemas.api_keys import SCOPES
from flow_forecaster.schemas.exports import RestoreQuery, RestoreReport
from flow_forecaster.services.callers import ANYBODY, Caller
from flow_forecaster.services.exports import Exports
from flow_forecaster.services.ports import OwnDesk
from flow_forecaster.services.restoring import Restoring
from flow_forecaster.services.tables import Tables
from flow_forecaster.services.turnstiles import Turnstile
from flow_forecaster.settings import Settings
from flow_forecaster.workers.delivery import keyring_of, policy_of


def export(output: str | None, *, tenant: str) -> None:
    """Write an export to a file, which is there as a whole or not at all, or to standard output.

    Raises:
        Refused: there is no such tenant, or the file cannot be written.
    """
    if output is None:
        with TemporaryFile() as whole:
            on_database(lambda database, _: _write(database, tenant, cast("BinaryIO", whole)))
            _print(whole)
        return
    try:
        file = NamedTemporaryFile(dir=Path(output).resolve().parent, delete=False)  # noqa: SIM115 - closed below
    except OSError as error:
        raise Refused(f"{output}: cannot be written: {(error.strerror or str(error)).lower()}") from None
    try:
        with file:
            on_database(lambda database, _: _write(database, tenant, cast("BinaryIO", file)))
        Path(file.name).replace(output)
    except BaseException:
        Path(file.name).unlink(missing_ok=True)
        raise


def restore(source: str, *, tenant: str, dry_run: bool, json: bool) -> None:
    """Take an export in, and say what came of it.

    Raises:
        Refused: the file cannot be read, or is no whole export, or something is in its way.
    """
    name = "standard input" if source == "-" else source

    async def work(database: Database, settings: Settings) -> RestoreReport:
        restoring = Restoring(
            database=database,
            clock=SystemClock(),
            turnstile=Turnstile(TooManyExports),
            policy=policy_of(settings),
            keyring=keyring_of(settings),
        )
        async with database.admitting(read_only=False) as admission:
            owner = await admission.tenants.add(tenant)
        with _opened(source, name) as file:
            return await restoring.run(_caller(owner), file, RestoreQuery(dry_run=dry_run), keep_ids=True)

    try:
        report = on_database(work)
    except InvalidInput as error:
        line, where = (*error.path[1:2], None)[0], "/".join(map(str, error.path[2:]))
        detail = f"{where}: {error.detail}" if where else error.detail
        raise InputError(detail, source=name, line=line if isinstance(line, int) else None) from error
    sys.stdout.write(report.model_dump_json() + "\n" if json else _told(report))


def work_items(name: str) -> None:
    """Print the work items of a project as CSV.

    Raises:
        Refused: there is no such project.
    """

    async def work(database: Database, _: Settings) -> None:
        record = await find(database, name)
        tables = Tables(database=database, turnstile=Turnstile(TooManyExports), desk=OwnDesk())
        await tables.work_items(ANYBODY, record.id, ItemFilter(), cast("BinaryIO", whole), "csv")

    with TemporaryFile() as whole:
        on_database(work)
        _print(whole)


async def _write(database: Database, tenant: str, file: BinaryIO) -> None:
    async with database.admitting() as admission:
        owner = await admission.tenants.named(tenant)
    if owner is None:
        raise Refused(f"there is no tenant '{tenant}'")
    exports = Exports(database=database, turnstile=Turnstile(TooManyExports), service_version=__version__)
    await exports.write(_caller(owner), file)


def _caller(owner: Tenant) -> Caller:
    return Caller(tenant_id=owner.id, key_id=None, scopes=frozenset(SCOPES))


def _print(file: Any) -> None:
    """Write a file to standard output to the byte; one that takes only text gets it line by line."""
    file.seek(0)
    binary = getattr(sys.stdout, "buffer", None)
    if binary is not None:
        copyfileobj(file, binary)
        return
    for line in file:
        sys.stdout.write(line.decode())


def _opened(source: str, name: str) -> BinaryIO:
    """Open a file; standard input is kept in a file of its own."""
    try:
        if source != "-":
            return Path(source).open("rb")
        kept = TemporaryFile()  # noqa: SIM115 - closed by who asked for it
        copyfileobj(sys.stdin.buffer, kept)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL, a stream that is closed
        detail = f"cannot be read: {str(getattr(error, 'strerror', None) or error).lower()}"
        raise InputError(detail, source=name) from None
    return cast("BinaryIO", kept)


def _told(report: RestoreReport) -> str:
    happened = "would be added" if report.dry_run else "added"
    kinds = {
        "projects": report.projects,
        "work items": report.work_items,
        "rows of history": report.history_rows,
        "forecasts": report.forecasts,
        "webhook endpoints": report.webhook_endpoints,
    }
    lines = [f"{name}: {one.added:,} {happened}, {one.there:,} there already" for name, one in kinds.items()]
    if report.webhook_endpoints.added:
        lines.append("the endpoints are disabled: give each a secret by rotate-secret, then enable it")
    if report.webhook_endpoints.left_out:
        lines.append(f"{report.webhook_endpoints.left_out} endpoints left out: this service may not send there")
    return "".join(f"{line}\n" for line in lines)
