"""One request sent over and over at the same moment under one key: it is done once."""

import asyncio
from collections import Counter

import httpx2

from chaos.ground import prepared
from chaos.ledger import FORECASTS, Questions
from chaos.planning import Plan
from chaos.verdicts import Verdict

AT_ONCE = 100
_PATIENCE = 200


async def sent(plan: Plan) -> Verdict:
    """Send `size` posts: a hundred at once under each key, half of the keys for a worker."""
    verdict, statuses = Verdict(fault="duplicates"), Counter[int]()
    times = min(AT_ONCE, plan.size // 2)
    async with prepared(plan) as ground:
        _, client = await ground.serve()
        body = Questions.of(0).bodies[0]
        keys: dict[str, set[str]] = {}
        for number in range(plan.size // times):
            headers = {"Idempotency-Key": f"key-{number}"} | ({"Prefer": "respond-async"} if number % 2 else {})
            answers = await asyncio.gather(*(_once(client, body, headers, statuses) for _ in range(times)))
            keys[headers["Idempotency-Key"]] = set(answers)
            if number % 10 == 0:
                plan.say(f"{verdict.fault}: {number + 1} of {plan.size // times} keys")
        stored = await _stored(client)
    told = {forecast_id for ids in keys.values() for forecast_id in ids}
    verdict.did = f"{len(keys)} keys, {times} posts at once under each; {dict(sorted(statuses.items()))}"
    verdict.nothing("keys with more than one forecast", [key for key, ids in keys.items() if len(ids) != 1])
    verdict.check("forecasts stored", len(stored), holds=len(stored) == len(keys) and stored == told)
    verdict.nothing("answers other than 201, 202 and 409", sorted(statuses.keys() - {201, 202, 409}))
    return verdict


async def _once(client: httpx2.AsyncClient, body: object, headers: dict[str, str], statuses: Counter[int]) -> str:
    """Post until there is an answer other than that the first one is still under way."""
    for _ in range(_PATIENCE):
        response = await client.post(FORECASTS, json=body, headers=headers)
        statuses[response.status_code] += 1
        if response.status_code != 409:
            return str(response.json().get("id", response.text))
        await asyncio.sleep(0.05)
    return "never answered"


async def _stored(client: httpx2.AsyncClient) -> set[str]:
    found: set[str] = set()
    cursor: str | None = None
    while True:
        page = (await client.get(FORECASTS, params={"limit": 100} | ({"cursor": cursor} if cursor else {}))).json()
        found |= {item["id"] for item in page["items"]}
        cursor = page["next_cursor"]
        if cursor is None:
            return found
