"""Who is let in, for what, and for how long after the key has ended."""

import re
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from flow_forecaster.errors import (
    ApiKeyInvalid,
    ApiKeyMissing,
    DatabaseUnavailable,
    ScopeMissing,
    TooManyWrongKeys,
)
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.schemas.api_keys import SCOPES, ApiKeyRequest, Scope
from flow_forecaster.services import admission
from flow_forecaster.services.admission import REMEMBERED_SECONDS, Gate
from flow_forecaster.services.api_keys import ApiKeys, MadeKey, digest_of, id_of, recognised
from flow_forecaster.services.callers import ANYBODY, Caller
from persistence.rows import see_all, unreachable

ALICE = Caller(tenant_id=OPEN_TENANT, key_id=None, scopes=frozenset(SCOPES))
READ: Scope = "forecasts:read"


@dataclass(slots=True)
class Watch:
    """A clock that is set by hand."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def gate(database: Database, watch: Watch) -> Gate:
    return Gate(database=database, clock=watch)


@pytest.fixture
def keys(database: Database) -> ApiKeys:
    return ApiKeys(database=database, environment="test")


async def a_key(keys: ApiKeys, **changes: object) -> MadeKey:
    fields = {"name": "k", "scopes": [READ, "forecasts:write"]} | changes
    return await keys.create(ALICE, ApiKeyRequest.model_validate(fields))


async def asks(gate: Gate, sent: str | None, scope: Scope | None = READ, *, nearby: bool = False) -> Caller:
    return await gate.admit(None if sent is None else f"Bearer {sent}", scope, nearby=nearby)


async def _sql(database: Database, statement: str) -> None:
    async with database.engine.begin() as connection:
        await see_all(connection)
        await connection.execute(text(statement))


# Keys as they are


async def test_a_key_says_what_it_is_where_it_belongs_and_has_256_bits_of_chance(keys: ApiKeys) -> None:
    made = await a_key(keys)
    assert re.fullmatch(r"ff_test_[0-9a-f]{32}_[0-9a-f]{64}", made.text)
    assert id_of(made.text) == made.record.id
    assert (await a_key(keys)).text.rpartition("_")[2] != made.text.rpartition("_")[2]


async def test_what_is_stored_of_a_key_is_a_digest(keys: ApiKeys, database: Database) -> None:
    made = await a_key(keys)
    secret = made.text.rpartition("_")[2]
    async with database.engine.connect() as connection:
        await see_all(connection)
        (row,) = (await connection.execute(text("SELECT * FROM api_keys"))).mappings().all()
    assert row["digest"] == digest_of(made.text)
    assert not any(secret in str(value) for value in row.values())


async def test_a_key_lets_in_whom_it_was_made_for(gate: Gate, keys: ApiKeys) -> None:
    made = await a_key(keys)
    caller = await asks(gate, made.text)
    assert caller == Caller(tenant_id=OPEN_TENANT, key_id=made.record.id, scopes=frozenset({READ, "forecasts:write"}))
    assert await gate.admit(f"bEARER {made.text}", READ, nearby=False) == caller


async def test_what_is_no_key_is_refused(gate: Gate, keys: ApiKeys) -> None:
    good = (await a_key(keys)).text
    unknown = f"ff_test_{new_id().hex}_{good.rpartition('_')[2]}"
    wrong = good[:-1] + ("0" if good[-1] != "0" else "1")
    other_environment = good.replace("ff_test_", "ff_live_")
    for sent in (unknown, wrong, other_environment, good.upper(), good + " ", " " + good, good[:-1], "", "x", "ff___"):
        with pytest.raises(ApiKeyInvalid):
            await asks(gate, sent)
    for header in (good, f"Basic {good}", "Bearer", "", f"Bearer{good}", f"Bearer {good}, Bearer {good}"):
        with pytest.raises(ApiKeyInvalid):
            await gate.admit(header, READ, nearby=True)


async def test_a_scope_that_a_key_has_not_is_refused_and_so_is_what_has_no_scope(gate: Gate, keys: ApiKeys) -> None:
    made = await a_key(keys, scopes=[READ])
    others: list[Scope | None] = [*(scope for scope in SCOPES if scope != READ), None]
    for scope in others:
        with pytest.raises(ScopeMissing):
            await asks(gate, made.text, scope)


async def test_a_revoked_key_ends_within_five_seconds(gate: Gate, keys: ApiKeys, watch: Watch) -> None:
    made = await a_key(keys)
    await asks(gate, made.text)
    await keys.revoke(ALICE, made.record.id)
    with pytest.raises(ApiKeyInvalid):
        await asks(Gate(database=keys.database, clock=watch), made.text)  # at once, where it was not remembered
    watch.now += 5
    with pytest.raises(ApiKeyInvalid):
        await asks(gate, made.text)
    assert REMEMBERED_SECONDS < 5


async def test_a_key_is_looked_up_once_in_a_while(gate: Gate, keys: ApiKeys, watch: Watch, tmp_path: Path) -> None:
    made = await a_key(keys)
    await asks(gate, made.text)
    async with unreachable(tmp_path) as away:
        gate.database = away
        watch.now += REMEMBERED_SECONDS * 0.99
        await asks(gate, made.text)
        watch.now += REMEMBERED_SECONDS * 0.02
        with pytest.raises(DatabaseUnavailable):
            await asks(gate, made.text)


async def test_wrong_keys_from_its_address_do_not_shut_out_a_key_that_is_in_use(
    gate: Gate, keys: ApiKeys, watch: Watch
) -> None:
    gate._guesses.quota = 3.0
    used, ended = await a_key(keys), await a_key(keys)
    for made in (used, ended):
        await asks(gate, made.text)
    await keys.revoke(ALICE, ended.record.id)
    for _ in range(3):
        with pytest.raises(ApiKeyInvalid):
            await asks(gate, "wrong")
    watch.now += REMEMBERED_SECONDS
    with pytest.raises(ApiKeyInvalid):
        await asks(gate, ended.text)
    for sent in ("wrong", ended.text):
        with pytest.raises(TooManyWrongKeys):
            await asks(gate, sent)
    for _ in range(3):
        assert (await asks(gate, used.text)).key_id == used.record.id
        watch.now += REMEMBERED_SECONDS


async def test_a_key_that_expires_does_so_though_it_is_remembered(gate: Gate, keys: ApiKeys, watch: Watch) -> None:
    brief = await a_key(keys, expires_in_days=2.0 / 86_400)
    await asks(gate, brief.text)
    watch.now += 2
    assert all(known.until <= watch.now for known in gate._known.values())
    await _sql(keys.database, "UPDATE api_keys SET expires_at = created_at")
    with pytest.raises(ApiKeyInvalid):
        await asks(gate, brief.text)


async def test_after_a_rotation_both_secrets_are_good_until_the_overlap_ends(
    gate: Gate, keys: ApiKeys, watch: Watch
) -> None:
    made = await a_key(keys)
    rotated = await keys.rotate(ALICE, made.record.id, overlap_hours=1.0)
    assert rotated.record.id == made.record.id
    assert rotated.text != made.text
    assert await asks(gate, made.text) == await asks(gate, rotated.text)
    await _sql(keys.database, "UPDATE api_keys SET previous_expires_at = created_at")
    watch.now += 5
    assert await asks(gate, rotated.text)
    with pytest.raises(ApiKeyInvalid):
        await asks(gate, made.text)


async def test_a_rotation_without_overlap_ends_the_secret_before_at_once(gate: Gate, keys: ApiKeys) -> None:
    made = await a_key(keys)
    rotated = await keys.rotate(ALICE, made.record.id, overlap_hours=0.0)
    assert await asks(gate, rotated.text)
    with pytest.raises(ApiKeyInvalid):
        await asks(gate, made.text)


async def test_only_so_many_keys_are_remembered(gate: Gate, keys: ApiKeys) -> None:
    made = await a_key(keys)
    await asks(gate, made.text)
    (known,) = gate._known.values()
    gate._known.update({str(number): known for number in range(admission.MOST_REMEMBERED)})
    await asks(gate, (await a_key(keys)).text)
    assert len(gate._known) <= admission.MOST_REMEMBERED
    assert await asks(gate, made.text)


async def test_when_a_key_was_used_is_written_now_and_then(gate: Gate, keys: ApiKeys) -> None:
    made, idle = await a_key(keys), await a_key(keys)
    for _ in range(3):
        await asks(gate, made.text)
    assert (await keys.get(ALICE, made.record.id)).last_used_at is None
    await gate.note_uses()
    used = (await keys.get(ALICE, made.record.id)).last_used_at
    assert used is not None
    assert (await keys.get(ALICE, idle.record.id)).last_used_at is None
    await gate.note_uses()
    assert (await keys.get(ALICE, made.record.id)).last_used_at == used


# Without keys


async def test_without_keys_whoever_is_near_is_let_in(gate: Gate) -> None:
    assert await asks(gate, None, nearby=True) == ANYBODY
    with pytest.raises(ApiKeyMissing):
        await asks(gate, None, nearby=False)


async def test_without_keys_nobody_makes_one_over_the_network(gate: Gate) -> None:
    with pytest.raises(ScopeMissing):
        await asks(gate, None, "keys:admin", nearby=True)


async def test_a_service_that_is_open_to_everyone_is_so_until_there_is_a_key(
    gate: Gate, keys: ApiKeys, watch: Watch
) -> None:
    gate.open_to_everyone = True
    assert await asks(gate, None, nearby=False) == ANYBODY
    made = await a_key(keys)
    watch.now += 5
    for nearby in (True, False):
        with pytest.raises(ApiKeyMissing):
            await asks(gate, None, nearby=nearby)
    await keys.revoke(ALICE, made.record.id)
    watch.now += 5
    with pytest.raises(ApiKeyMissing):
        await asks(gate, None, nearby=True)


async def test_while_nobody_knows_whether_there_are_keys_nobody_is_let_in(tmp_path: Path, watch: Watch) -> None:
    async with unreachable(tmp_path) as away:
        with pytest.raises(DatabaseUnavailable):
            await asks(Gate(database=away, clock=watch), None, nearby=True)


# An unknown id costs what a wrong secret costs


async def test_an_unknown_id_is_compared_like_a_wrong_secret(keys: ApiKeys) -> None:
    made = await a_key(keys)
    async with keys.database.admitting() as admitted:
        known = await admitted.keys.find(made.record.id)
        assert await admitted.keys.find(UUID(int=1)) is None
    assert known is not None
    wrong = digest_of("wrong")
    assert recognised(wrong, known) == recognised(wrong, None) == 0.0
    assert recognised("0" * 64, None) == 0.0
    assert recognised(digest_of(made.text), known) is None
    longer = replace(known, digests=(*known.digests, ("f" * 64, 3.0)))
    assert recognised("f" * 64, longer) == 3.0


async def test_an_unknown_id_takes_as_long_as_a_wrong_secret(gate: Gate, keys: ApiKeys) -> None:
    good = (await a_key(keys)).text
    head, _, secret = good.rpartition("_")
    times: dict[str, list[float]] = {"wrong": [], "unknown": []}
    for number in range(60):
        attempts = {"wrong": f"{head}_{number:064x}", "unknown": f"ff_test_{new_id().hex}_{secret}"}
        for kind, sent in attempts.items():
            started = time.perf_counter()
            with pytest.raises(ApiKeyInvalid):
                await asks(gate, sent)
            times[kind].append(time.perf_counter() - started)
    ratio = statistics.median(times["wrong"]) / statistics.median(times["unknown"])
    assert 0.5 < ratio < 2.0  # both are one look-up and one comparison; a machine under load is not exact
