"""When a webhook is tried again: the schedule, what may move it, and where it ends."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_forecaster.services.retries import (
    DELAYS,
    JITTER,
    MOST_ATTEMPTS,
    MOST_RETRY_AFTER_SECONDS,
    decide,
    is_failing_for_long,
    retry_after_seconds,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
A_DAY = 86_400.0
CHANCES = st.floats(0, 1, exclude_max=True)
FAILURES = st.one_of(st.none(), st.integers(300, 599).filter(lambda status: status != 410))


def test_the_schedule_is_that_of_the_standard() -> None:
    assert DELAYS == (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
    assert sum(DELAYS) == pytest.approx(3.15 * A_DAY, rel=0.01)


@given(attempt=st.integers(1, MOST_ATTEMPTS), status=st.integers(200, 299), chance=CHANCES)
def test_any_success_is_a_delivery(attempt: int, status: int, chance: float) -> None:
    assert decide(attempt=attempt, status=status, retry_after=60.0, chance=chance).verdict == "delivered"


@given(attempt=st.integers(1, MOST_ATTEMPTS - 1), status=FAILURES, chance=CHANCES)
def test_a_failure_is_tried_again_at_the_next_delay_and_a_little_later(
    attempt: int, status: int | None, chance: float
) -> None:
    decision = decide(attempt=attempt, status=status, retry_after=None, chance=chance)
    assert decision.verdict == "again"
    assert DELAYS[attempt] <= decision.seconds <= DELAYS[attempt] * (1 + JITTER)


@given(status=FAILURES, attempt=st.integers(MOST_ATTEMPTS, MOST_ATTEMPTS + 5), chance=CHANCES)
def test_after_the_last_attempt_it_is_given_up(status: int | None, attempt: int, chance: float) -> None:
    assert decide(attempt=attempt, status=status, retry_after=5.0, chance=chance).verdict == "given_up"


@given(attempt=st.integers(1, MOST_ATTEMPTS), chance=CHANCES)
def test_gone_is_gone_at_any_attempt(attempt: int, chance: float) -> None:
    assert decide(attempt=attempt, status=410, retry_after=None, chance=chance).verdict == "gone"


@pytest.mark.parametrize("status", [301, 302, 307, 308, 304])
def test_a_redirect_is_a_failure(status: int) -> None:
    assert decide(attempt=1, status=status, retry_after=None, chance=0.0).verdict == "again"


def test_retry_after_may_delay_but_not_hasten_and_not_for_ever() -> None:
    assert decide(attempt=1, status=429, retry_after=60.0, chance=0.5).seconds == 60.0
    assert decide(attempt=2, status=429, retry_after=60.0, chance=0.0).seconds == 300.0
    assert decide(attempt=1, status=503, retry_after=1e9, chance=0.5).seconds == MOST_RETRY_AFTER_SECONDS


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("99999999999999999999999", MOST_RETRY_AFTER_SECONDS),
        (format_datetime(NOW + timedelta(minutes=2), usegmt=True), 120.0),
        (format_datetime(NOW - timedelta(minutes=2), usegmt=True), 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MOST_RETRY_AFTER_SECONDS),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str, seconds: float) -> None:
    assert retry_after_seconds(header, now=NOW) == seconds


@pytest.mark.parametrize("header", [None, "", "-1", "1.5", "soon", "٣", "Sun, 22 Nov 2026 12:00:00", "1e3", "\x00"])
def test_what_says_nothing_is_no_retry_after(header: str | None) -> None:
    assert retry_after_seconds(header, now=NOW) is None


@given(st.text(max_size=64))
def test_no_header_breaks_the_reading(header: str) -> None:
    seconds = retry_after_seconds(header, now=NOW)
    assert seconds is None or 0 <= seconds <= MOST_RETRY_AFTER_SECONDS


def test_five_days_without_a_success_are_long() -> None:
    assert not is_failing_for_long(since=None, now=NOW)
    assert not is_failing_for_long(since=NOW - timedelta(days=4, hours=23), now=NOW)
    assert is_failing_for_long(since=NOW - timedelta(days=5), now=NOW)
