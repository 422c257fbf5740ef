"""Redis and PostgreSQL that go away under load, and come back."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx2

from chaos.ground import Ground, instant, prepared
from chaos.ledger import ASYNC, Ledger, Questions
from chaos.planning import Plan
from chaos.verdicts import Verdict
from persistence.rows import until

RESUMES_SECONDS = 10.0
TERMINATIONS_A_SECOND = 5
_PAUSE_SECONDS = 0.1
_LARGE = 1_000_000


async def redis_lost(plan: Plan) -> Verdict:
    """Kill Redis under load with all that it holds, and start it empty; `size` counts how often."""
    verdict, seconds = Verdict(fault="redis-loss"), list[float]()
    async with prepared(plan, inline_draws=0) as ground:
        _, client = await ground.serve()
        workers = [ground.crew.hire(), ground.crew.hire()]
        for worker in workers:
            await worker.has_told("worker_ready")
        ledger = Ledger(questions=Questions.of(_LARGE))
        async with _under_load(ledger, client, **ASYNC):
            for number in range(plan.size):
                seconds.append(await _lose_redis(ground))
                plan.say(f"{verdict.fault}: {number + 1} of {plan.size}, work resumed after {seconds[-1]:.1f} s")
        ledger.audit(verdict, await ledger.settle(client, patience_seconds=plan.patience_seconds))
        verdict.check("workers that live", len(ground.crew.living), holds=len(ground.crew.living) == len(workers))
    verdict.did = f"{plan.size} losses, {len(ledger.accepted):,} forecasts"
    verdict.nothing("answers other than 202", _other_than(ledger, 202))
    verdict.recovered("Redis back to the next claim", seconds, within=RESUMES_SECONDS)
    return verdict


async def postgres_lost(plan: Plan) -> Verdict:
    """Terminate backends five times a second, then restart the server at once, `size` times."""
    verdict, seconds = Verdict(fault="postgres-loss"), list[float]()
    rounds = plan.size * (1 if plan.hurried else 6 * TERMINATIONS_A_SECOND)
    async with prepared(plan, max_attempts=100) as ground:
        _, client = await ground.serve()
        await ground.crew.hire().has_told("worker_ready")
        ledger, queued = (Ledger(questions=Questions.of(trials)) for trials in (0, _LARGE))
        async with _under_load(ledger, client), _under_load(queued, client, **ASYNC):
            for number in range(rounds):
                await asyncio.to_thread(ground.postgres.terminate_backends)
                await asyncio.sleep(1 / TERMINATIONS_A_SECOND)
                if number % 25 == 0:
                    plan.say(f"{verdict.fault}: {number + 1} of {rounds} terminations")
            for number in range(plan.size):
                await asyncio.to_thread(ground.postgres.restart)
                seconds.append(await _until_answered(ledger))
                plan.say(f"{verdict.fault}: restart {number + 1} of {plan.size}, back after {seconds[-1]:.1f} s")
                await asyncio.sleep(1.0)
        both = Ledger(questions=queued.questions, accepted=queued.accepted)
        both.audit(verdict, await both.settle(client, patience_seconds=plan.patience_seconds))
        kept = await ledger.settle(client, patience_seconds=plan.patience_seconds)
        verdict.nothing("acknowledged answers that are gone", sorted(ledger.accepted.keys() - kept.keys()))
        verdict.check("workers that live", len(ground.crew.living), holds=len(ground.crew.living) == 1)
    answered = len(ledger.accepted) + len(queued.accepted)
    refused = ledger.statuses[503] + queued.statuses[503]
    verdict.did = f"{rounds} terminations, {plan.size} restarts, {answered:,} answers, {refused:,} refused with 503"
    verdict.nothing("other answers than 201, 202 and 503 with Retry-After", ledger.odd + queued.odd)
    verdict.recovered("PostgreSQL back to the next answer", seconds, within=RESUMES_SECONDS)
    return verdict


@asynccontextmanager
async def _under_load(ledger: Ledger, client: httpx2.AsyncClient, **headers: str) -> AsyncIterator[None]:
    """Ask ten times a second beside the block."""

    async def ask() -> None:
        while True:
            await ledger.post(client, **headers)
            await asyncio.sleep(_PAUSE_SECONDS)

    task = asyncio.create_task(ask())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _lose_redis(ground: Ground) -> float:
    """Kill and start it again; return how long after that the next forecast was claimed."""
    await asyncio.to_thread(ground.valkey.kill)
    await asyncio.sleep(ground.plan.dice().uniform(0.5, 2.0))
    await asyncio.to_thread(ground.valkey.start)
    back = time.time()

    async def claimed() -> list[float]:
        claims = (instant(event) for event in ground.crew.events() if event["event"] == "forecast_claimed")
        return [at - back for at in claims if at > back]

    with suppress(TimeoutError):
        return min(await until(claimed, seconds=ground.plan.patience_seconds))
    return float("inf")


async def _until_answered(ledger: Ledger) -> float:
    back, before = time.monotonic(), ledger.statuses[201]

    async def answered() -> bool:
        return ledger.statuses[201] > before

    with suppress(TimeoutError):
        await until(answered, seconds=RESUMES_SECONDS * 3)
    return time.monotonic() - back


def _other_than(ledger: Ledger, status: int) -> list[str]:
    return [f"{other}, {times} times" for other, times in ledger.statuses.items() if other != status]
