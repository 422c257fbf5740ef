"""Token buckets: what a key may spend, when it must wait, and that nobody else pays for it."""

from dataclasses import dataclass
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_forecaster.errors import RateLimited
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.services import rates
from flow_forecaster.services.callers import ANYBODY, Caller
from flow_forecaster.services.rates import LocalBuckets, Meter, Rate

TEN = Rate(name="requests", quota=10.0, window_seconds=5.0)
AMOUNTS = st.floats(0.01, 40.0)


@dataclass(slots=True)
class Watch:
    """A clock that is set by hand."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def a_caller() -> Caller:
    return Caller(tenant_id=OPEN_TENANT, key_id=uuid4(), scopes=frozenset())


async def test_a_full_bucket_gives_its_quota_at_once_and_then_makes_one_wait() -> None:
    watch, key = Watch(), uuid4()
    buckets = LocalBuckets(clock=watch)
    for number in range(10):
        standing = await buckets.spend(key, TEN, 1.0)
        assert (standing.tokens, standing.wait_seconds) == (9.0 - number, 0.0)
    refused = await buckets.spend(key, TEN, 1.0)
    assert (refused.tokens, refused.wait_seconds) == (0.0, 0.5)
    watch.now += 0.5
    assert (await buckets.spend(key, TEN, 1.0)).wait_seconds == 0.0
    assert (await buckets.spend(key, TEN, 1.0)).wait_seconds == 0.5


async def test_a_bucket_never_holds_more_than_its_quota() -> None:
    watch, key = Watch(), uuid4()
    buckets = LocalBuckets(clock=watch)
    await buckets.spend(key, TEN, 1.0)
    watch.now += 1_000.0
    assert (await buckets.spend(key, TEN, 1.0)).tokens == 9.0


async def test_what_costs_more_than_the_quota_is_had_from_a_full_bucket_and_owed() -> None:
    watch, key = Watch(), uuid4()
    buckets = LocalBuckets(clock=watch)
    assert (await buckets.spend(key, TEN, 30.0)).tokens == -20.0
    refused = await buckets.spend(key, TEN, 1.0)
    assert refused.wait_seconds == 10.5
    watch.now += 10.5
    assert (await buckets.spend(key, TEN, 1.0)).wait_seconds == 0.0
    assert (await buckets.spend(key, TEN, 30.0)).wait_seconds == 5.0


async def test_keys_and_rates_have_buckets_of_their_own() -> None:
    buckets, key = LocalBuckets(clock=Watch()), uuid4()
    other = Rate(name="draws", quota=10.0, window_seconds=5.0)
    await buckets.spend(key, TEN, 10.0)
    assert (await buckets.spend(key, other, 10.0)).wait_seconds == 0.0
    assert (await buckets.spend(uuid4(), TEN, 10.0)).wait_seconds == 0.0


@given(spent=st.lists(st.tuples(st.floats(0.0, 3.0), AMOUNTS), max_size=60))
async def test_nobody_gets_more_than_the_quota_and_what_refilled(spent: list[tuple[float, float]]) -> None:
    watch, key = Watch(), uuid4()
    buckets = LocalBuckets(clock=watch)
    total, largest = 0.0, 0.0
    for pause, amount in spent:
        watch.now += pause
        if not (await buckets.spend(key, TEN, amount)).wait_seconds:
            total += amount
            largest = max(largest, amount)
    assert total <= TEN.quota + watch.now * TEN.per_second + max(0.0, largest - TEN.quota) + 1e-6


@given(before=st.lists(AMOUNTS, max_size=20), amount=AMOUNTS)
async def test_who_waits_as_long_as_told_is_served(before: list[float], amount: float) -> None:
    watch, key = Watch(), uuid4()
    buckets = LocalBuckets(clock=watch)
    for each in before:
        await buckets.spend(key, TEN, each)
    watch.now += (await buckets.spend(key, TEN, amount)).wait_seconds + 1e-6
    assert (await buckets.spend(key, TEN, amount)).wait_seconds <= rates.WINDOW_SECONDS + sum(before) + amount
    if amount <= TEN.quota:
        watch.now += (await buckets.spend(key, TEN, amount)).wait_seconds + 1e-6
        assert (await buckets.spend(key, TEN, 0.0)).tokens > -40.0


async def test_only_so_many_buckets_are_kept() -> None:
    buckets = LocalBuckets(clock=Watch())
    for _ in range(rates.MOST_KEPT + 5):
        await buckets.spend(uuid4(), TEN, 1.0)
    assert len(buckets._levels) <= rates.MOST_KEPT


async def test_a_meter_charges_keys_and_nobody_else() -> None:
    meter = Meter(buckets=LocalBuckets(clock=Watch()), requests=TEN, draws=Rate(name="draws", quota=0.0))
    caller = a_caller()
    for _ in range(10):
        assert await meter.charge_request(caller) is not None
    with pytest.raises(RateLimited) as refused:
        await meter.charge_request(caller)
    assert (refused.value.rate, refused.value.wait_seconds) == ("requests", 0.5)
    for _ in range(20):
        assert await meter.charge_request(ANYBODY) is None
        await meter.charge_draws(caller, 1e30)
    assert meter.rates == [TEN]
