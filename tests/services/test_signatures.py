"""Signatures, held against the packages `standardwebhooks` of PyPI (called here) and npm (whose vectors are kept)."""

import base64
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from flow_forecaster.services.signatures import (
    Secret,
    derived_secret,
    fingerprint,
    parse_secret,
    signature,
    signed_headers,
)

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "webhook_vectors.json").read_text(encoding="utf-8")
)["vectors"]
KEYS = st.binary(min_size=24, max_size=64)
IDS = st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters="_-"), min_size=1, max_size=60)
BODIES = st.text(max_size=300)
A_SECRET = Secret(key=bytes(range(32)))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_a_signature_is_that_of_the_package_of_npm(vector: dict[str, Any]) -> None:
    secret = parse_secret(vector["secret"])
    assert secret.text == vector["secret"]
    made = signature(secret, vector["id"], vector["timestamp"], vector["body"].encode())
    assert made == vector["signature"]


@given(key=KEYS, message_id=IDS, timestamp=st.integers(0, 4_000_000_000), body=BODIES)
def test_a_signature_is_that_of_the_package_of_pypi(key: bytes, message_id: str, timestamp: int, body: str) -> None:
    secret = Secret(key=key)
    moment = datetime.fromtimestamp(timestamp, UTC)
    expected = Webhook(secret.text).sign(message_id, moment, body)
    assert signature(secret, message_id, timestamp, body.encode()) == expected


def test_a_message_of_today_is_verified_by_the_package() -> None:
    body = b'{"type": "forecast.succeeded"}'
    headers = signed_headers([A_SECRET], "evt_1", int(time.time()), body)
    assert Webhook(A_SECRET.text).verify(body, headers) == {"type": "forecast.succeeded"}


@pytest.mark.parametrize("changed", ["body", "webhook-id", "webhook-timestamp", "webhook-signature", "secret"])
def test_a_message_that_was_changed_is_refused_by_the_package(changed: str) -> None:
    body, now = b"{}", int(time.time())
    headers = signed_headers([A_SECRET], "evt_1", now, body)
    other = {"webhook-id": "evt_2", "webhook-timestamp": str(now + 1)}
    other["webhook-signature"] = signed_headers([Secret(key=b"y" * 32)], "evt_1", now, body)["webhook-signature"]
    if changed in headers:
        headers[changed] = other[changed]
    secret = Secret(key=b"x" * 32) if changed == "secret" else A_SECRET
    with pytest.raises(WebhookVerificationError):
        Webhook(secret.text).verify(b"[]" if changed == "body" else body, headers)


def test_a_message_of_yesterday_is_refused_by_the_package() -> None:
    headers = signed_headers([A_SECRET], "evt_1", int(time.time()) - 86_400, b"{}")
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(A_SECRET.text).verify(b"{}", headers)


def test_while_a_secret_is_rotated_both_verify() -> None:
    old, new = Secret(key=b"o" * 32), Secret(key=b"n" * 32)
    headers = signed_headers([new, old], "evt_1", int(time.time()), b"{}")
    assert headers["webhook-signature"].count("v1,") == 2
    for secret in (old, new):
        assert Webhook(secret.text).verify(b"{}", headers) == {}
    with pytest.raises(WebhookVerificationError):
        Webhook(Secret(key=b"z" * 32).text).verify(b"{}", headers)


def test_a_message_without_a_secret_or_with_a_stop_in_its_id_is_not_signed() -> None:
    with pytest.raises(ValueError, match="at least one"):
        signed_headers([], "evt_1", 0, b"")
    with pytest.raises(ValueError, match="full stop"):
        signed_headers([A_SECRET], "evt.1", 0, b"")


@pytest.mark.parametrize("length", [0, 23, 65])
def test_a_secret_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="24 to 64"):
        parse_secret("whsec_" + base64.b64encode(bytes(length)).decode())


@pytest.mark.parametrize("text", ["whsec_!", "whsec_YQ", "whsec_ä", "whsec_" + "A" * 43])
def test_what_is_no_secret_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"whsec_|ASCII"):
        parse_secret(text)


def test_a_secret_is_not_shown_where_values_are() -> None:
    assert "key" not in repr(A_SECRET)
    assert A_SECRET.text not in repr([A_SECRET])


@given(key=KEYS, other=KEYS, salt=KEYS)
def test_a_secret_follows_from_key_and_salt_together(key: bytes, other: bytes, salt: bytes) -> None:
    assert derived_secret(key, salt) == derived_secret(key, salt)
    assert derived_secret(key, salt) != derived_secret(key, salt + b"\x00")
    assert (derived_secret(key, salt) == derived_secret(other, salt)) == (key == other)


def test_the_name_of_a_key_does_not_tell_it() -> None:
    key = b"a key of the operator, 32 bytes."
    assert fingerprint(key) == fingerprint(key) != fingerprint(key + b"!")
    assert len(fingerprint(key)) == 16
    assert key.hex()[:16] != fingerprint(key)
