"""import: a tracker's export as the data of a project, which is made if there is none."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from rich.console import Console
from rich.progress import Progress

from flow_forecaster.app import SystemClock
from flow_forecaster.cli.projects import as_period, find, parsed, run
from flow_forecaster.cli.texts import InputError, Refused
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.projects import ProjectRecord
from flow_forecaster.schemas.imports import ImportQuery, ImportReport
from flow_forecaster.schemas.projects import ProjectRequest
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.importing import Watch, unwatched
from flow_forecaster.services.imports import Imports
from flow_forecaster.services.projects import Projects
from flow_forecaster.settings import Settings

_MOST_ROWS_SHOWN = 10
_WORTH_A_BAR = 2**20
"""Bytes that take half a second."""


def take(source: str, project: str, options: Mapping[str, Any], *, json: bool) -> None:
    """Take a file into a project, and say what came of it.

    Raises:
        Refused: the file cannot be read or is of no known form, or a dry run was to make a project.
    """
    query = parsed(ImportQuery, {name: options[name] for name in ("dry_run", "date_format", "column", "as_of")})

    async def work(database: Database) -> ImportReport:
        imports = Imports(database=database, clock=SystemClock())
        try:
            with _opened(source) as file:

                def opened() -> BinaryIO:
                    file.seek(0)
                    return file

                record = await _project(database, project, options, make=not query.dry_run)
                with _watched(file.seek(0, 2)) as watch:
                    return await imports.run(ANYBODY, record, opened, query, watch)
        except InvalidInput as error:
            raise InputError(error.detail, source=_name(source)) from error
        finally:
            imports.close()

    report = run(work)
    sys.stdout.write(report.model_dump_json() + "\n" if json else _told(report, project))


@contextmanager
def _watched(size: int) -> Iterator[Watch]:
    """Show on a terminal how far the import of a large file is."""
    console = Console(stderr=True)
    if size < _WORTH_A_BAR or not console.is_terminal:
        yield unwatched
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Importing", total=1.0)
        yield lambda share: progress.update(task, completed=share)


async def _project(database: Database, name: str, options: Mapping[str, Any], *, make: bool) -> ProjectRecord:
    try:
        return await find(database, name)
    except Refused:
        if not make:
            raise
    fields = {"name": name, "time_zone": options["time_zone"], "period": as_period(options["period"])}
    request = parsed(ProjectRequest, fields)
    return await Projects(database=database, clock=SystemClock()).create(ANYBODY, request)


@contextmanager
def _opened(source: str) -> Iterator[BinaryIO]:
    """Open a file; standard input is kept in a file of its own, because it is read twice."""
    with ExitStack() as stack:
        try:
            if source == "-":
                file: Any = stack.enter_context(TemporaryFile())
                copyfileobj(sys.stdin.buffer, file)
            else:
                file = stack.enter_context(Path(source).open("rb"))
        except (OSError, ValueError) as error:  # ValueError: a path with a NUL, a stream that is closed
            detail = f"cannot be read: {str(getattr(error, 'strerror', None) or error).lower()}"
            raise InputError(detail, source=_name(source)) from None
        yield _bounded(file, source, Settings().max_import_bytes)


def _bounded(file: Any, source: str, most: int) -> BinaryIO:
    if file.seek(0, 2) > most:
        raise InputError(f"is larger than {most:,} bytes", source=_name(source))
    opened: BinaryIO = file
    return opened


def _name(source: str) -> str:
    return "standard input" if source == "-" else source


def _told(report: ImportReport, project: str) -> str:
    happened = "would be taken" if report.dry_run else "taken"
    came = f"{report.created:,} new, {report.updated:,} changed, {report.unchanged:,} as they were"
    lines = [
        f"{report.rows:,} rows read, {report.taken:,} {happened} into {project}: {came}",
        f"form {report.form}, {report.encoding}, dates {', '.join(report.date_formats) or 'none'}",
        "columns " + ", ".join(f"{column.role}: {column.name}" for column in report.columns),
    ]
    if report.abandoned:
        lines.append(f"{report.abandoned:,} closed without being done are left out, {report.removed:,} of them removed")
    lines += [f"{reason.rows:,} rows skipped: {reason.code}" for reason in report.reasons]
    lines += [f"  row {row.row}: {row.detail}" for row in report.skipped_rows[:_MOST_ROWS_SHOWN]]
    if report.known_until is not None:
        lines.append(f"the data is known up to {report.known_until}")
    return "".join(f"{_printable(line)}\n" for line in lines)


def _printable(line: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in line)
