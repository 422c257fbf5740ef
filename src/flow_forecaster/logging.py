"""Structured logs: one event a line, for people or for machines, to standard error."""

import logging
import sys
from typing import Literal, TypeAlias

import structlog

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Form: TypeAlias = Literal["console", "json"]
# These tell of every request and statement what our own log already says once.
_QUIET = ("uvicorn.access", "uvicorn.error", "sqlalchemy.engine", "arq.worker", "numba", "alembic")


def set_up_logging(*, level: Level, form: Form) -> None:
    """Write our own events straight out, and bring the libraries' into the same form."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers = _rendering(form)
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name], processors=[strip, *renderers]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _rendering(form: Form) -> list[structlog.typing.Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # Plain tracebacks: the richer ones print local variables, and those hold what teams sent.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0, exception_formatter=plain)]
