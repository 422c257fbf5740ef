"""Many small forecasts: as many as can be answered, ten times as many by the clock, and a long while of them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import httpx2
from benchmarks.load import CONNECTIONS, Offered, UnexpectedAnswerError, offer, rate

from chaos.ground import Ground, prepared
from chaos.ledger import ASYNC, FORECASTS, Asker, Ledger, Questions
from chaos.planning import Plan
from chaos.sockets import resident
from chaos.verdicts import Verdict, quantile
from flow_forecaster.persistence.database import Database
from persistence.rows import count
from workers.processes import ServiceProcess

OVERLOAD, LEAST_SHARE, MOST_MEBIBYTES_AN_HOUR = 10, 0.8, 1.0
MOST_CONNECTIONS = 1_000
PEAK_SECONDS, OVERLOAD_SECONDS, STEADY_SECONDS = 30, 300, 30
LONG_SECONDS = 600
"""A soak that is shorter says nothing about hours: caches still fill."""
_LOOKS = 60


async def offered(plan: Plan) -> Verdict:
    """Measure the peak, offer ten times as much by the clock for five minutes, and soak for `size` seconds.

    In a smaller size all is shorter. Meanwhile a worker has a forecast to compute now and then.
    """
    verdict, ledger = Verdict(fault="load"), Ledger(questions=Questions.of(0))
    async with prepared(plan) as ground:
        service, client = await ground.serve()
        worker = ground.crew.hire()
        await worker.has_told("worker_ready")
        port = urlsplit(str(client.base_url)).port or 0
        bodies = [json.dumps(body).encode() for body in ledger.questions.bodies]
        async with _queueing(ledger, client):
            try:
                await _loaded(verdict, plan, port, bodies)
                slope, soaked = await _soaked([service, worker], plan, port, bodies)
            except UnexpectedAnswerError as error:
                verdict.nothing("answers other than 201 at the peak and in the soak", [str(error)])
                return verdict
        found = await ledger.settle(client, patience_seconds=plan.patience_seconds)
        ledger.audit(verdict, found)
        stored = await _stored(ground)
    verdict.did += f"; soak of {plan.size} s with {soaked:,.0f} forecasts; {stored:,} stored in all"
    known = plan.size >= LONG_SECONDS
    verdict.check(
        "MiB an hour that API and worker grow by in the second half of the soak",
        f"{slope:.1f}{'' if known else ' (too short to judge)'}",
        holds=slope < MOST_MEBIBYTES_AN_HOUR or not known,
    )
    verdict.nothing("answers other than 201 at the peak and in the soak", [])
    return verdict


@asynccontextmanager
async def _queueing(ledger: Ledger, client: Asker) -> AsyncIterator[None]:
    """Ask for a forecast that a worker computes every second, for the length of a block."""

    async def ask() -> None:
        while True:
            with suppress(httpx2.TransportError):
                await ledger.post(client, **ASYNC)
            await asyncio.sleep(1.0)

    task = asyncio.create_task(ask())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _loaded(verdict: Verdict, plan: Plan, port: int, bodies: list[bytes]) -> None:
    seconds = max(1.0, min(PEAK_SECONDS, plan.size / 6))
    await asyncio.to_thread(rate, port, FORECASTS, bodies, seconds=min(5.0, seconds))
    peak = await asyncio.to_thread(rate, port, FORECASTS, bodies, seconds=seconds)
    plan.say(f"{verdict.fault}: {peak:.0f} a second from {CONNECTIONS} callers")
    pressed = await asyncio.to_thread(
        offer,
        port,
        FORECASTS,
        bodies,
        seconds=max(1.0, min(OVERLOAD_SECONDS, plan.size / 2)),
        a_second=peak * OVERLOAD,
        connections=MOST_CONNECTIONS,
    )
    plan.say(f"{verdict.fault}: {pressed.a_second:.0f} a second when {peak * OVERLOAD:.0f} are offered")
    told = (
        f"small forecasts computed, stored on PostgreSQL and answered: {peak:.0f}/s from {CONNECTIONS} callers; of "
        f"{peak * OVERLOAD:,.0f}/s offered by the clock for {pressed.seconds:.0f} s, {pressed.a_second:.0f}/s"
    )
    verdict.did = (
        f"{told}, after {quantile(pressed.waited, 0.5):.1f} s (99 of 100: {quantile(pressed.waited, 0.99):.1f} s)"
    )
    judge(verdict, pressed, peak)


def judge(verdict: Verdict, pressed: Offered, peak: float) -> None:
    """Hold what was answered under too much load against the peak."""
    share, known = pressed.a_second / peak, pressed.seconds >= STEADY_SECONDS
    found = f"{share:.0%}{'' if known else ' (too short to judge)'}"
    holds = share >= LEAST_SHARE or not known
    verdict.check("goodput under ten times the peak, of the peak", found, holds=holds)
    refused = pressed.answers[429] + pressed.answers[503]
    verdict.check("refused with 429 or 503 and Retry-After", refused - pressed.bare_refusals, holds=True)
    verdict.check(f"not sent, as all {MOST_CONNECTIONS:,} connections waited", pressed.unsent, holds=True)
    odd = {status: number for status, number in pressed.answers.items() if status not in {201, 429, 503}}
    odd |= {"refused without Retry-After": pressed.bare_refusals} if pressed.bare_refusals else {}
    odd |= {"connections broken": pressed.broken} if pressed.broken else {}
    verdict.nothing("other answers under overload", sorted(f"{number:,} of {name}" for name, number in odd.items()))


async def _soaked(processes: list[ServiceProcess], plan: Plan, port: int, bodies: list[bytes]) -> tuple[float, float]:
    """Keep on asking; return by how many MiB an hour memory grows in the second half, and how many were answered."""
    pieces = min(_LOOKS, max(4, plan.size // 5))
    length, answered = plan.size / pieces, 0.0
    seen: list[tuple[float, float]] = []
    started = time.monotonic()
    for number in range(pieces):
        answered += length * await asyncio.to_thread(rate, port, FORECASTS, bodies, seconds=length)
        held = [resident(process) for process in processes]
        seen.append(((time.monotonic() - started) / 3600, sum(held)))
        if number % 10 == 0:
            told = " and ".join(f"{mebibytes:.1f}" for mebibytes in held)
            plan.say(f"load: soaked for {time.monotonic() - started:.0f} of {plan.size} s, {told} MiB")
    return slope_of(seen[len(seen) // 2 :]), answered


def slope_of(points: list[tuple[float, float]]) -> float:
    """Fit a line by least squares; return how much it rises for each unit."""
    middle = [sum(values) / len(points) for values in zip(*points, strict=True)]
    spread = sum((x - middle[0]) ** 2 for x, _ in points)
    return sum((x - middle[0]) * (y - middle[1]) for x, y in points) / spread if spread else 0.0


async def _stored(ground: Ground) -> int:
    """Count the forecasts in the database."""
    database = Database(ground.postgres.url(ground.name))
    try:
        return await count(database)
    finally:
        await database.close()
