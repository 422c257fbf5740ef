"""Many small forecasts: as many as can be answered, ten times as many callers, and a long while of both."""

import asyncio
import json
import time
from urllib.parse import urlsplit

from benchmarks.load import CONNECTIONS, UnexpectedAnswerError, rate

from chaos.ground import Ground, prepared
from chaos.ledger import FORECASTS, Questions
from chaos.planning import Plan
from chaos.sockets import resident
from chaos.verdicts import Verdict
from flow_forecaster.persistence.database import Database
from persistence.rows import count
from workers.processes import ServiceProcess

OVERLOAD, LEAST_SHARE, MOST_MEBIBYTES_AN_HOUR = 10, 0.8, 1.0
LONG_SECONDS = 600
"""A soak that is shorter says nothing about hours: caches still fill."""
_LOOKS = 60


async def offered(plan: Plan) -> Verdict:
    """Offer load for `size` seconds of soak, and a sixth of it each at the peak and from ten times as many callers."""
    verdict = Verdict(fault="load")
    async with prepared(plan) as ground:
        service, client = await ground.serve()
        port = urlsplit(str(client.base_url)).port or 0
        bodies = [json.dumps(body).encode() for body in Questions.of(0).bodies]
        try:
            await _loaded(verdict, plan, port, bodies)
            slope, soaked = await _soaked(service, plan, port, bodies)
        except UnexpectedAnswerError as error:
            verdict.nothing("answers other than 201", [str(error)])
            return verdict
        stored = await _stored(ground)
    verdict.did += f"; soak of {plan.size} s with {soaked:,.0f} forecasts; {stored:,} stored in all"
    known = plan.size >= LONG_SECONDS
    verdict.check(
        "MiB an hour that memory grows by in the second half of the soak",
        f"{slope:.1f}{'' if known else ' (too short to judge)'}",
        holds=slope < MOST_MEBIBYTES_AN_HOUR or not known,
    )
    verdict.nothing("answers other than 201", [])
    return verdict


async def _loaded(verdict: Verdict, plan: Plan, port: int, bodies: list[bytes]) -> None:
    seconds = max(1.0, plan.size / 6)
    await asyncio.to_thread(rate, port, FORECASTS, bodies, seconds=min(5.0, seconds))
    peak = await asyncio.to_thread(rate, port, FORECASTS, bodies, seconds=seconds)
    plan.say(f"{verdict.fault}: {peak:.0f} a second from {CONNECTIONS} callers")
    crowd = CONNECTIONS * OVERLOAD
    pressed = await asyncio.to_thread(rate, port, FORECASTS, bodies, seconds=seconds, connections=crowd)
    plan.say(f"{verdict.fault}: {pressed:.0f} a second from {crowd} callers")
    verdict.did = (
        f"small forecasts computed, stored on PostgreSQL and answered: {peak:.0f}/s from {CONNECTIONS} callers, "
        f"{pressed:.0f}/s from {crowd}"
    )
    verdict.check(
        f"goodput from {crowd} callers of the peak", f"{pressed / peak:.0%}", holds=pressed >= LEAST_SHARE * peak
    )


async def _soaked(service: ServiceProcess, plan: Plan, port: int, bodies: list[bytes]) -> tuple[float, float]:
    """Keep on asking; return by how many MiB an hour memory grows in the second half, and how many were answered."""
    pieces = min(_LOOKS, max(4, plan.size // 5))
    length, answered = plan.size / pieces, 0.0
    seen: list[tuple[float, float]] = []
    started = time.monotonic()
    for number in range(pieces):
        answered += length * await asyncio.to_thread(rate, port, FORECASTS, bodies, seconds=length)
        seen.append(((time.monotonic() - started) / 3600, resident(service)))
        if number % 10 == 0:
            plan.say(f"load: soaked for {time.monotonic() - started:.0f} of {plan.size} s, {seen[-1][1]:.0f} MiB")
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
