"""Forecasts that are canceled while a worker computes them."""

import asyncio
import time
from functools import partial

import httpx2

from chaos.ground import prepared, under_way
from chaos.ledger import ASYNC, FORECASTS, Questions
from chaos.planning import Plan
from chaos.verdicts import Verdict
from persistence.rows import until
from workers.processes import ServiceProcess

WITHIN_SECONDS = 1.0
_LONG_TRIALS = 200_000_000
_PATIENCE_SECONDS = 5.0


async def heard(plan: Plan) -> Verdict:
    """Cancel `size` forecasts at any moment of their computation; see how soon their worker has let go of them."""
    verdict, dice, seconds, wrong = Verdict(fault="cancel"), plan.dice(), list[float](), list[str]()
    async with prepared(plan, inline_draws=0) as ground:
        _, client = await ground.serve()
        worker, bodies = ground.crew.hire(), Questions.of(0).bodies
        await worker.has_told("worker_ready")  # on a busy machine it is not before the patience ends
        for number in range(plan.size):
            body = bodies[number % len(bodies)] | {"method": "monte_carlo", "trials": _LONG_TRIALS}
            asked = await client.post(FORECASTS, json=body, headers=ASYNC)
            location = asked.headers["Location"]
            await until(partial(_held, worker, asked.json()["id"]), seconds=plan.patience_seconds)
            await asyncio.sleep(dice.uniform(0.0, 1.0))
            seconds.append(await _canceled(client, location, worker))
            if seconds[-1] >= _PATIENCE_SECONDS:
                wrong.append(location)
            if number % 10 == 0:
                plan.say(f"{verdict.fault}: {number + 1} of {plan.size}, let go of after {seconds[-1]:.1f} s")
    verdict.did = f"{plan.size} cancels of forecasts that a worker was computing"
    verdict.nothing("forecasts that were computed on", wrong)
    verdict.recovered("cancel to canceled, and the worker free", seconds, within=WITHIN_SECONDS)
    return verdict


async def _canceled(client: httpx2.AsyncClient, location: str, worker: ServiceProcess) -> float:
    started = time.monotonic()
    await client.post(f"{location}/cancel")
    while (waited := time.monotonic() - started) < _PATIENCE_SECONDS:
        if (await client.get(location)).json()["status"] == "canceled" and not under_way(worker):
            break
        await asyncio.sleep(0.01)
    return waited


async def _held(worker: ServiceProcess, forecast_id: str) -> bool:
    return forecast_id in under_way(worker)
