"""What can go wrong with a request, in the service's own words. HTTP's words for it are in routers/problems.py.

ServiceError
├── ApiKeyMissing
├── ApiKeyInvalid
├── ScopeMissing
├── ApiKeyNotFound
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


class ApiKeyMissing(ServiceError):
    """Nobody may ask without a key here."""

    code = "api_key_missing"
    detail = "An API key is needed, sent as Authorization: Bearer."


class ApiKeyInvalid(ServiceError):
    """What was sent is no key, an unknown one, or one that has ended: nobody is told which."""

    code = "api_key_invalid"
    detail = "This API key is not accepted."


class ScopeMissing(ServiceError):
    """The key is good, but not for this."""

    code = "scope_missing"
    detail = "This API key does not allow that."


class ApiKeyNotFound(ServiceError):
    """No key has this id, or it is revoked and was to be rotated."""

    code = "api_key_not_found"
    detail = "There is no API key with this id."


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
