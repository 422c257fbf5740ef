"""What can go wrong with a request, in the service's own words. HTTP's words for it are in routers/problems.py.

ServiceError
├── ApiKeyMissing
├── ApiKeyInvalid
├── ScopeMissing
├── TooManyWrongKeys
├── ApiKeyNotFound
├── TooManyApiKeys
├── RateLimited
├── QueueFull
├── TooManyAtOnce
├── EndpointNotFound
├── DeliveryNotFound
├── EndpointDisabled
├── TooManyEndpoints
├── SecretsOverlap
├── ForecastNotFound
├── KeyInFlight
├── KeyReused
├── KeptForecastDeleted
├── AnswerNotKept
├── TooManyWatches
├── ProjectNotFound
├── ProjectExists
├── TimeZoneFixed
├── TimeZoneChanged
├── WorkItemNotFound
├── ImportNotFound
├── TooManyImports
├── TooManyWorkItems
├── ImportTypeNotSupported
├── TooManyExports
├── ExportTypeNotSupported
├── IdTaken
├── PreconditionRequired
├── PreconditionFailed
├── InvalidCursor
├── TextNotStorable
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


class TooManyWrongKeys(ServiceError):
    """From one address came too many keys that were not accepted; when the next may come."""

    code = "too_many_wrong_keys"
    detail = "Too many keys from this address were not accepted; try again after Retry-After."

    def __init__(self, *, wait_seconds: float = 1.0) -> None:
        super().__init__()
        self.wait_seconds = wait_seconds


class ApiKeyNotFound(ServiceError):
    """No key has this id, or it is revoked and was to be rotated."""

    code = "api_key_not_found"
    detail = "There is no API key with this id."


class TooManyApiKeys(ServiceError):
    """There are as many keys as one tenant may have at a time; those that have ended do not count."""

    code = "too_many_api_keys"
    detail = "The tenant has 100 API keys that have not ended; revoke one first."


class RateLimited(ServiceError):
    """A key has asked for more than its rate: of what (`rate`), what is left, and when to come again."""

    code = "rate_limited"
    detail = "This API key has used up its rate; try again after Retry-After."

    def __init__(self, rate: str = "", *, tokens: float = 0.0, wait_seconds: float = 1.0) -> None:
        super().__init__()
        self.rate, self.tokens, self.wait_seconds = rate, tokens, wait_seconds


class QueueFull(ServiceError):
    """A tenant has as many unfinished forecasts as it may have."""

    code = "queue_full"
    detail = "Too many forecasts wait or run already; nothing was stored. Try again when some have finished."


class TooManyAtOnce(ServiceError):
    """As many computations of a tenant wait for a thread as may."""

    code = "too_many_at_once"
    detail = "Too much is being computed for you already; try again when some of it is done."


class ForecastNotFound(ServiceError):
    """No forecast has this id."""

    code = "forecast_not_found"
    detail = "There is no forecast with this id."


class EndpointNotFound(ServiceError):
    """No endpoint has this id."""

    code = "endpoint_not_found"
    detail = "There is no webhook endpoint with this id."


class DeliveryNotFound(ServiceError):
    """No delivery to this endpoint has this id."""

    code = "delivery_not_found"
    detail = "There is no delivery with this id to this endpoint."


class EndpointDisabled(ServiceError):
    """Nothing is sent to an endpoint that is disabled."""

    code = "endpoint_disabled"
    detail = "This webhook endpoint is disabled; enable it first."


class TooManyEndpoints(ServiceError):
    """There are as many endpoints as one tenant may have."""

    code = "too_many_endpoints"
    detail = "There are 20 webhook endpoints already; delete one first."


class SecretsOverlap(ServiceError):
    """A secret that was rotated signs for a while yet, as its owner was promised."""

    code = "secrets_overlap"
    detail = (
        "The secret before this one signs until previous_secret_expires_at of the endpoint; "
        "rotate after that, or with overlap_hours 0, which ends both."
    )


class KeyInFlight(ServiceError):
    """The first request with this idempotency key is not answered yet."""

    code = "idempotency_key_in_flight"
    detail = "The first request with this Idempotency-Key is still being answered; repeat it shortly."


class KeyReused(ServiceError):
    """An idempotency key came with another body before."""

    code = "idempotency_key_reused"
    detail = "This Idempotency-Key was sent with another body in the last 24 hours; take a new one."


class KeptForecastDeleted(ServiceError):
    """What an idempotency key made is deleted, and a repetition makes nothing."""

    code = "idempotent_forecast_deleted"
    detail = "The forecast that was made with this Idempotency-Key is deleted; take a new key to ask again."


class AnswerNotKept(ServiceError):
    """What was asked under an idempotency key is done; its answer held a secret, which is shown once."""

    code = "idempotent_answer_not_kept"
    detail = "This was done under this Idempotency-Key; its answer held a secret, which is shown once and not kept."


class TooManyWatches(ServiceError):
    """As many wait for forecasts as a process, or a tenant in it, may have."""

    code = "too_many_streams"
    detail = "Too many event streams are open already; try again when some have ended."


class ProjectNotFound(ServiceError):
    """No project has this id."""

    code = "project_not_found"
    detail = "There is no project with this id."


class ProjectExists(ServiceError):
    """Another project of the tenant has this name."""

    code = "project_exists"
    detail = "There is another project of this name; names of projects are told apart."


class TimeZoneFixed(ServiceError):
    """The days of stored work items are days in the project's time zone."""

    code = "time_zone_fixed"
    detail = "The project has work items, whose days are those of its time zone; delete them first, and import again."


class TimeZoneChanged(ServiceError):
    """Moments of a file were read as days in a time zone that is the project's no more."""

    code = "time_zone_changed"
    detail = "The project's time zone was changed while the file waited, and nothing was taken; send it again."


class WorkItemNotFound(ServiceError):
    """No work item of this project has this id."""

    code = "work_item_not_found"
    detail = "The project has no work item with this id."


class ImportNotFound(ServiceError):
    """No import has this id, or it is one of a small file, which leaves no trace but its data."""

    code = "import_not_found"
    detail = "There is no import with this id."


class TooManyImports(ServiceError):
    """As many files wait to be imported as may."""

    code = "too_many_imports"
    detail = "Other files are being imported and wait already; try again when some are done."


class TooManyWorkItems(ServiceError):
    """A project would have more work items than any may have."""

    code = "too_many_work_items"
    detail = "A project has at most 1,000,000 work items; nothing was stored."


class ImportTypeNotSupported(ServiceError):
    """A file in a form that no tracker exports."""

    code = "unsupported_import_type"
    detail = "Send the file itself as text/csv, text/tab-separated-values, text/plain or application/json."


class TooManyExports(ServiceError):
    """As many exports are written or restored, or wait for it, as may."""

    code = "too_many_exports"
    detail = "Other exports are being written or restored and wait already; try again when some are done."


class ExportTypeNotSupported(ServiceError):
    """Something else than JSON Lines was sent to be restored."""

    code = "unsupported_export_type"
    detail = "Send the export as application/x-ndjson."


class IdTaken(ServiceError):
    """An id that was to be kept is another tenant's: only the operator, who serves them all, is told."""

    code = "id_taken"
    detail = "Something of another tenant has an id of this export; nothing was stored."


class PreconditionRequired(ServiceError):
    """Nobody changes what they have not seen."""

    code = "precondition_required"
    detail = "Send If-Match with the ETag of what you are changing, so that nobody else's change is lost."


class PreconditionFailed(ServiceError):
    """It was changed since the caller saw it."""

    code = "precondition_failed"
    detail = "It has been changed since; look at it again, and send If-Match with its ETag of now."


class InvalidCursor(ServiceError):
    """A cursor that no page gave out."""

    code = "invalid_cursor"
    detail = "The cursor was not given out by this list."


class TextNotStorable(ServiceError):
    """The database takes no such text; where it is known which one, that is told instead."""

    code = "text_not_storable"
    detail = "A text of the request has a character that the database cannot hold, such as NUL."


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
