"""The idempotency keys that callers send, as they are reserved: by digests, never by what was sent."""

from hashlib import sha256

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.persistence.idempotency import Reservation
from flow_forecaster.persistence.identifiers import new_id

MOST_KEY = 255


def reservation(key: str, asked: bytes) -> Reservation:
    """Take digests of a key and of what is asked under it.

    Raises:
        InvalidInput: the key is empty or too long.
    """
    if not key:
        raise InvalidInput("idempotency-key", code="too_short", detail="The key is empty.")
    if len(key) > MOST_KEY:
        raise InvalidInput("idempotency-key", code="too_long", detail=f"A key has at most {MOST_KEY} characters.")
    digest = sha256(key.encode()).hexdigest()
    return Reservation(key_digest=digest, body_digest=sha256(asked).hexdigest(), token=new_id())
