"""Wrong keys from one address: so many within a minute, and no more memory than for so many addresses."""

from dataclasses import dataclass

import pytest

from flow_forecaster.errors import TooManyWrongKeys
from flow_forecaster.services import guesses
from flow_forecaster.services.guesses import Guesses


@dataclass(slots=True)
class Watch:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def is_let(counted: Guesses, address: str) -> bool:
    try:
        counted.check(address)
    except TooManyWrongKeys:
        return False
    return True


def test_an_address_may_try_its_quota_and_then_waits_for_the_next() -> None:
    watch = Watch()
    counted = Guesses(quota=3, clock=watch)
    for _ in range(3):
        assert is_let(counted, "192.0.2.1")
        counted.note("192.0.2.1")
    with pytest.raises(TooManyWrongKeys) as told:
        counted.check("192.0.2.1")
    assert told.value.wait_seconds == pytest.approx(20.0)
    assert is_let(counted, "192.0.2.2")
    watch.now += 20.001
    assert is_let(counted, "192.0.2.1")
    counted.note("192.0.2.1")
    assert not is_let(counted, "192.0.2.1")
    watch.now += 3_600
    for _ in range(3):
        assert is_let(counted, "192.0.2.1")
        counted.note("192.0.2.1")
    assert not is_let(counted, "192.0.2.1")


def test_a_quota_of_nought_lets_everybody_try() -> None:
    counted = Guesses(quota=0, clock=Watch())
    for _ in range(1_000):
        counted.note("192.0.2.1")
    assert is_let(counted, "192.0.2.1")


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("", "", True),
        ("testclient", "192.0.2.1", False),
    ],
)
def test_who_has_one_address_of_a_network_has_all(first: str, second: str, same: bool) -> None:
    counted = Guesses(quota=1, clock=Watch())
    counted.note(first)
    assert is_let(counted, second) is not same


def test_the_addresses_that_were_quiet_longest_are_forgotten() -> None:
    counted = Guesses(quota=1, clock=Watch())
    for number in range(guesses.MOST_KEPT + 10):
        counted.note(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(counted._levels) == guesses.MOST_KEPT
    assert is_let(counted, "10.0.0.0")
    assert not is_let(counted, "10.0.0.10")
