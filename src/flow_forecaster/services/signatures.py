"""Signatures of webhooks after Standard Webhooks 1.0, and the secrets that make them.

A message is signed as `{id}.{timestamp}.{body}` by HMAC-SHA256. While a secret is rotated each message carries the
signatures of both, so that a receiver may change over whenever it likes. The secret that a receiver is given is
derived: HMAC-SHA256 of a key of the operator over a salt. Only the salt is stored, so that the database alone signs
nothing (docs/adr/0014-webhook-secrets.md).
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

PREFIX = "whsec_"
VERSION = "v1"
SALT_BYTES = 32
LEAST_SECRET_BYTES, MOST_SECRET_BYTES = 24, 64
_PURPOSE = b"flow-forecaster webhook secret 1\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """What a sender and a receiver share."""

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse lengths that the standard does not have."""
        if not LEAST_SECRET_BYTES <= len(self.key) <= MOST_SECRET_BYTES:
            raise ValueError(f"A secret has {LEAST_SECRET_BYTES} to {MOST_SECRET_BYTES} bytes.")

    @property
    def text(self) -> str:
        """The secret as a receiver is told: `whsec_` and base64."""
        return PREFIX + base64.b64encode(self.key).decode()


def parse_secret(text: str) -> Secret:
    """Read a secret as a receiver is told.

    Raises:
        ValueError: it is none.
    """
    try:
        return Secret(key=base64.b64decode(text.removeprefix(PREFIX), validate=True))
    except binascii.Error:
        raise ValueError("A secret is `whsec_` and base64.") from None


def derived_secret(key: bytes, salt: bytes) -> Secret:
    """Make the secret that belongs to a salt, under a key of the operator."""
    return Secret(key=hmac.digest(key, _PURPOSE + salt, hashlib.sha256))


def fingerprint(key: bytes) -> str:
    """Name a key of the operator without telling it: 16 hexadecimal digits."""
    return hmac.digest(key, b"flow-forecaster webhook key name", hashlib.sha256).hex()[:16]


def signature(secret: Secret, message_id: str, timestamp: int, body: bytes) -> str:
    """Sign a message under one secret: `v1,` and base64."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return f"{VERSION}," + base64.b64encode(hmac.digest(secret.key, signed, hashlib.sha256)).decode()


def signed_headers(secrets: Sequence[Secret], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Make the headers of a message sent at `timestamp` (seconds since 1970), signed under each secret.

    Raises:
        ValueError: no secret, or an id with a full stop, which would let two messages have one signature.
    """
    if not secrets:
        raise ValueError("A message is signed under at least one secret.")
    if "." in message_id:
        raise ValueError("The id of a message has no full stop.")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(secret, message_id, timestamp, body) for secret in secrets),
    }
