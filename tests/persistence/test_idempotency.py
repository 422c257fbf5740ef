"""Idempotency keys: taken once, kept with the forecast or not at all, forgotten after a day."""

import asyncio
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text, update

from flow_forecaster.persistence.clock import Later
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.idempotency import (
    KEPT_SECONDS,
    RESERVED_SECONDS,
    IdempotencyRepository,
    KeptAnswer,
    Reservation,
    old_keys,
)
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.tables import IdempotencyRow
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.services.retention import AT_ONCE, Retention
from persistence.rows import see_all


def a_reservation(key: str = "k", body: str = "b") -> Reservation:
    return Reservation(key_digest=key, body_digest=body, token=new_id())


async def reserve(database: Database, wanted: Reservation, tenant_id: UUID = OPEN_TENANT) -> bool:
    async with database.writing(tenant_id) as transaction:
        return await transaction.idempotency.reserve(wanted)


async def keep(database: Database, held: Reservation, forecast_id: UUID) -> bool:
    async with database.writing(OPEN_TENANT) as transaction:
        return await transaction.idempotency.keep(held, forecast_id=forecast_id, status_code=201)


async def let_go(database: Database, held: Reservation) -> None:
    async with database.writing(OPEN_TENANT) as transaction:
        await transaction.idempotency.let_go(held)


async def found(database: Database, key: str = "k", tenant_id: UUID = OPEN_TENANT) -> KeptAnswer | None:
    async with database.reading(tenant_id) as transaction:
        return await transaction.idempotency.find(key)


async def forget(database: Database, most: int = 100) -> int:
    async with database.working() as work:
        return await work.old_keys.forget(most=most)


async def put_back(database: Database, **moments: float) -> None:
    """Let the columns of every key lie so many seconds from now."""
    async with database.engine.begin() as connection:
        await see_all(connection)
        values: dict[str, Any] = {name: Later(seconds) for name, seconds in moments.items()}
        await connection.execute(update(IdempotencyRow).values(**values))


async def test_a_key_is_taken_once(database: Database) -> None:
    first = a_reservation()
    assert await reserve(database, first) is True
    assert await reserve(database, a_reservation()) is False
    assert await reserve(database, first) is False
    assert await reserve(database, a_reservation("other")) is True


async def test_of_many_at_once_one_takes_it(database: Database) -> None:
    taken = await asyncio.gather(*(reserve(database, a_reservation()) for _ in range(20)))
    assert sorted(taken) == [False] * 19 + [True]


async def test_each_tenant_has_keys_of_its_own(database: Database) -> None:
    other = new_id()
    assert await reserve(database, a_reservation()) is True
    assert await found(database, tenant_id=other) is None
    assert await reserve(database, a_reservation(), other) is True


async def test_an_answer_is_kept_and_the_key_then_stays_taken(database: Database) -> None:
    held, forecast_id = a_reservation(), new_id()
    await reserve(database, held)
    assert await found(database) == KeptAnswer(body_digest="b", forecast_id=None, status_code=None)
    assert await keep(database, held, forecast_id) is True
    await put_back(database, lease_expires_at=-1.0)
    await let_go(database, held)
    assert await reserve(database, a_reservation()) is False
    assert await found(database) == KeptAnswer(body_digest="b", forecast_id=forecast_id, status_code=201)


async def test_a_key_that_was_let_go_is_free(database: Database) -> None:
    held = a_reservation()
    await reserve(database, held)
    await let_go(database, a_reservation())
    assert await reserve(database, a_reservation()) is False
    await let_go(database, held)
    assert await found(database) is None
    assert await reserve(database, a_reservation(body="another")) is True


async def test_a_holder_that_never_came_back_loses_the_key_and_can_keep_nothing(database: Database) -> None:
    lost, late = a_reservation(), a_reservation()
    await reserve(database, lost)
    await put_back(database, lease_expires_at=1.0)
    assert await reserve(database, late) is False
    await put_back(database, lease_expires_at=-0.1)
    assert await reserve(database, late) is True
    assert await keep(database, lost, new_id()) is False
    await let_go(database, lost)
    assert await keep(database, late, new_id()) is True
    assert await keep(database, late, new_id()) is False
    assert RESERVED_SECONDS >= 30


async def test_a_key_is_kept_for_a_day(database: Database) -> None:
    held = a_reservation()
    await reserve(database, held)
    await keep(database, held, new_id())
    await put_back(database, created_at=-KEPT_SECONDS + 60)
    assert await forget(database) == 0
    assert await reserve(database, a_reservation()) is False
    await put_back(database, created_at=-KEPT_SECONDS - 1)
    assert await reserve(database, a_reservation(body="new")) is True
    assert await found(database) == KeptAnswer(body_digest="new", forecast_id=None, status_code=None)


async def test_old_keys_of_all_tenants_are_forgotten(database: Database) -> None:
    for tenant in (OPEN_TENANT, new_id()):
        await reserve(database, a_reservation(), tenant)
    await put_back(database, created_at=-KEPT_SECONDS - 1)
    await reserve(database, a_reservation("young"))
    assert await forget(database) == 2
    assert await found(database, "young") is not None
    assert await found(database) is None


async def test_so_many_old_keys_are_forgotten_at_once_and_no_more(database: Database) -> None:
    for name in "abc":
        await reserve(database, a_reservation(name))
    await put_back(database, created_at=-KEPT_SECONDS - 1)
    assert [await forget(database, most=2) for _ in range(3)] == [2, 1, 0]


async def test_an_old_key_that_somebody_just_takes_anew_is_left_to_them(postgres_url: str) -> None:
    database = Database(postgres_url, statement_timeout_seconds=3.0)
    for name in "ab":
        await reserve(database, a_reservation(name))
    await put_back(database, created_at=-KEPT_SECONDS - 1)
    async with database.writing(OPEN_TENANT) as transaction:
        assert await transaction.idempotency.reserve(a_reservation("a"))
        assert await forget(database) == 1
    assert await forget(database) == 0
    assert await found(database, "a") is not None
    await database.close()


async def test_young_keys_make_the_search_for_old_ones_no_longer(postgres_url: str) -> None:
    database = Database(postgres_url)
    async with database.engine.connect() as connection:
        await see_all(connection)
        young = {"tenant_id": OPEN_TENANT, "body_digest": "b", "lease_expires_at": Later(0), "created_at": Later(0)}
        rows = [{"key_digest": str(number), "token": new_id()} for number in range(2_000)]
        await connection.execute(insert(IdempotencyRow).values(**young), rows)
        await connection.execute(text("ANALYZE idempotency_keys"))
        written = str(old_keys(500).compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
        plan = "".join((await connection.exec_driver_sql(f"EXPLAIN (ANALYZE) {written}")).scalars())
        await connection.rollback()
    await database.close()
    assert "Index Cond" in plan
    assert "Rows Removed" not in plan


async def test_old_keys_are_forgotten_though_forecasts_are_kept_for_ever(database: Database) -> None:
    for number in range(AT_ONCE + 1):
        await reserve(database, a_reservation(str(number)))
    await put_back(database, created_at=-KEPT_SECONDS - 1)
    assert [await Retention(database=database).forget_keys() for _ in range(2)] == [True, False]
    assert await forget(database) == 0


async def test_keys_are_behind_the_second_lock(postgres_url: str) -> None:
    database = Database(postgres_url)
    hers, his = new_id(), new_id()
    await reserve(database, a_reservation(), hers)
    async with database.writing(his) as transaction:
        broken = IdempotencyRepository(transaction.idempotency._connection, hers)
        assert await broken.find("k") is None
        everything = await transaction.idempotency._connection.execute(select(IdempotencyRow.token))
        assert everything.all() == []
    await database.close()
