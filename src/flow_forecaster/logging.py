"""Structured logs: one event a line, for people or for machines, to standard error."""

import logging
import sys
from typing import Literal

import structlog

# These tell of every request and statement what our own log already says once.
_QUIET = ("uvicorn.access", "uvicorn.error", "sqlalchemy.engine", "arq.worker", "numba", "alembic")


def set_up_logging(*, level: str, form: Literal["console", "json"]) -> None:
    """Send structlog's and the libraries' events through one formatter."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_rendering(form)))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _rendering(form: Literal["console", "json"]) -> list[structlog.typing.Processor]:
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if form == "json":
        return [strip, structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    return [strip, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
