"""What can go wrong with a request, in the service's own words. HTTP's words for it are in routers/problems.py.

ServiceError
├── ForecastNotFound
├── ProjectNotFound
├── InvalidCursor
├── NotReady
├── DatabaseUnavailable
└── MediaTypeNotSupported
"""

from typing import ClassVar


class ServiceError(Exception):
    """Something that a caller is told, by a stable `code`."""

    code: ClassVar[str]
    detail: ClassVar[str]

    def __str__(self) -> str:
        return self.detail


class ForecastNotFound(ServiceError):
    """No forecast has this id."""

    code = "forecast_not_found"
    detail = "There is no forecast with this id."


class ProjectNotFound(ServiceError):
    """No project has this id."""

    code = "project_not_found"
    detail = "There is no project with this id."


class InvalidCursor(ServiceError):
    """A cursor that no page gave out."""

    code = "invalid_cursor"
    detail = "The cursor was not given out by this list."


class NotReady(ServiceError):
    """The service has just started."""

    code = "not_ready"
    detail = "The service is still getting ready; nothing was stored. Try again shortly."


class DatabaseUnavailable(ServiceError):
    """The database cannot be reached, or does not answer in time. Nothing was stored."""

    code = "database_unavailable"
    detail = "The database cannot be reached; nothing was stored. Try again shortly."


class MediaTypeNotSupported(ServiceError):
    """A body in a form other than JSON."""

    code = "unsupported_media_type"
    detail = "Send the body as application/json."
