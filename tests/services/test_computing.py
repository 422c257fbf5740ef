"""Computations leave the event loop alone, end when they are no longer wanted, and do not depend on their threads."""

import asyncio
import threading
from collections.abc import Awaitable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from flow_forecaster.engine.simulation import Stopped
from flow_forecaster.errors import TooManyAtOnce
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.schemas.base import Response
from flow_forecaster.services.catalogue import Job
from flow_forecaster.services.computing import (
    QUESTIONS_TOGETHER,
    SLIGHT_DRAWS,
    TINY_DRAWS,
    Computer,
    TookTooLong,
    Vigil,
)
from flow_forecaster.services.metrics import Metrics
from persistence.rows import until
from services.asking import BRIEF, ENDLESS, a_job, answer_of

pytestmark = pytest.mark.usefixtures("kernel_cache")


async def test_a_small_computation_never_blocks_the_loop(computer: Computer) -> None:
    job = a_job(trials=BRIEF)
    assert await _ticks_during(computer.small(OPEN_TENANT, job)) >= 5


async def test_a_large_computation_never_blocks_the_loop(computer: Computer) -> None:
    job = a_job(trials=BRIEF)
    assert await _ticks_during(computer.large(job, Vigil())) >= 5


async def test_large_and_small_give_the_same_bytes_on_any_number_of_threads() -> None:
    job = a_job(trials=BRIEF)
    answers = [answer_of(job)]
    for threads in (1, 2, 3):
        computer = Computer(threads=threads, slots=1, most_waiting=32, patience_seconds=60.0)
        answers += [await computer.large(job, Vigil()), await computer.small(OPEN_TENANT, a_job(trials=BRIEF))]
        computer.close()
    assert set(answers) == {answers[0]}


async def test_the_share_done_grows_until_all_is_done(computer: Computer) -> None:
    vigil = Vigil()
    computing = asyncio.create_task(computer.large(a_job(trials=BRIEF), vigil))
    shares = [vigil.share]
    while not computing.done():
        await asyncio.sleep(0.005)
        shares.append(vigil.share)
    await computing
    assert shares == sorted(shares)
    assert len(set(shares)) > 2
    assert (shares[0], vigil.share) == (0.0, 1.0)


@pytest.mark.parametrize("threads", [1, 2])
async def test_a_computation_that_is_no_longer_wanted_ends_within_a_chunk(threads: int) -> None:
    computer, vigil = Computer(threads=threads, slots=1, most_waiting=32, patience_seconds=60.0), Vigil()
    computing = asyncio.create_task(computer.large(a_job(trials=ENDLESS), vigil))
    await until(partial(_under_way, vigil))
    vigil.stop.set()
    with pytest.raises(Stopped):
        await asyncio.wait_for(computing, 20)
    assert vigil.share < 0.5
    computer.close()


async def test_a_small_computation_that_is_not_small_ends_within_a_chunk() -> None:
    computer = Computer(threads=1, slots=1, most_waiting=32, patience_seconds=0.01)
    with pytest.raises(TookTooLong):
        await asyncio.wait_for(computer.small(OPEN_TENANT, a_job(trials=ENDLESS)), 20)
    assert await computer.large(a_job(trials=BRIEF), Vigil()) == answer_of(a_job(trials=BRIEF))
    computer.close()


async def test_small_computations_wait_for_no_large_one() -> None:
    computer, vigil = Computer(threads=1, slots=1, most_waiting=32, patience_seconds=60.0), Vigil()
    large = asyncio.create_task(computer.large(a_job(trials=ENDLESS), vigil))
    await until(partial(_under_way, vigil))
    assert await asyncio.wait_for(computer.small(OPEN_TENANT, a_job(trials=100)), 20) == answer_of(a_job(trials=100))
    assert not large.done()
    vigil.stop.set()
    with pytest.raises(Stopped):
        await large
    computer.close()


async def test_tiny_computations_go_together_and_each_gets_its_own_answer(computer: Computer) -> None:
    jobs = [a_tiny_job(seed=seed) for seed in range(20)]
    assert all(SLIGHT_DRAWS < job.cost <= TINY_DRAWS for job in jobs)
    assert await asyncio.gather(*map(partial(computer.small, OPEN_TENANT), jobs)) == [answer_of(job) for job in jobs]
    assert await computer.small(OPEN_TENANT, jobs[0]) == answer_of(jobs[0])


async def test_a_slight_computation_wakes_no_thread(computer: Computer) -> None:
    job, before = a_job(trials=10), set(threading.enumerate())
    assert job.cost <= SLIGHT_DRAWS
    assert await computer.small(OPEN_TENANT, job) == answer_of(job)
    assert set(threading.enumerate()) <= before


async def test_what_is_not_plain_goes_to_a_thread_however_few_its_draws(computer: Computer) -> None:
    scope = {"items": {"low": 1, "high": 3}}
    job, before = a_job(trials=1, scope=scope), set(threading.enumerate())
    assert job.cost <= SLIGHT_DRAWS
    assert await computer.small(OPEN_TENANT, job) == answer_of(job)
    assert set(threading.enumerate()) - before


async def test_a_tiny_computation_that_fails_leaves_those_beside_it_alone(computer: Computer) -> None:
    job = a_tiny_job()
    broken = replace(job, kind=replace(job.kind, present=_fail))
    good, bad, last = await asyncio.gather(
        *map(partial(computer.small, OPEN_TENANT), (job, broken, job)), return_exceptions=True
    )
    assert (good, str(bad), last) == (answer_of(job), "broken", answer_of(job))


async def test_a_tiny_computation_whose_asker_left_leaves_those_beside_it_alone(computer: Computer) -> None:
    asked = [asyncio.create_task(computer.small(OPEN_TENANT, a_tiny_job(seed=seed))) for seed in range(3)]
    await asyncio.sleep(0)
    asked[1].cancel()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(answers[1], asyncio.CancelledError)
    assert [answers[0], answers[2]] == [answer_of(a_tiny_job(seed=seed)) for seed in (0, 2)]


@pytest.mark.parametrize(("way", "most"), [("aside", QUESTIONS_TOGETHER), ("lengthy", 1)])
async def test_what_is_no_job_waits_in_a_bounded_line_of_its_tenant_and_is_counted(way: str, most: int) -> None:
    line = {"aside": "questions", "lengthy": "looks"}[way]
    metrics, may = Metrics(), threading.Event()
    computer = Computer(threads=1, slots=1, most_waiting=1, patience_seconds=60.0, metrics=metrics)
    do = getattr(computer, way)
    asked = [asyncio.create_task(do(OPEN_TENANT, lambda: may.wait(20))) for _ in range(1 + most)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyAtOnce):
        await do(OPEN_TENANT, lambda: True)
    assert metrics.registry.get_sample_value("flow_forecaster_small_waiting", {"line": line}) == most
    other = asyncio.create_task(do(new_id(), lambda: "other"))
    may.set()
    assert await asyncio.wait_for(other, 20) == "other"
    assert await asyncio.wait_for(asyncio.gather(*asked), 20) == [True] * (1 + most)
    computer.close()


async def test_brief_work_waits_for_no_lengthy_work(computer: Computer) -> None:
    may = threading.Event()
    lengthy = asyncio.create_task(computer.lengthy(OPEN_TENANT, lambda: may.wait(20)))
    await asyncio.sleep(0)
    assert await asyncio.wait_for(computer.aside(OPEN_TENANT, lambda: "brief"), 20) == "brief"
    assert not lengthy.done()
    may.set()
    assert await lengthy


async def test_nobody_waits_for_a_computer_that_was_closed() -> None:
    computer = Computer(threads=1, slots=1, most_waiting=32, patience_seconds=60.0)
    busy = asyncio.create_task(computer.small(OPEN_TENANT, a_job(trials=BRIEF)))
    tiny = asyncio.create_task(computer.small(OPEN_TENANT, a_tiny_job()))
    await asyncio.sleep(0.01)
    late = asyncio.create_task(computer.small(OPEN_TENANT, a_tiny_job()))
    await asyncio.sleep(0)
    computer.close()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(tiny, 20)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(late, 20)
    assert await busy == answer_of(a_job(trials=BRIEF))


async def test_as_many_computations_run_at_once_as_there_are_slots() -> None:
    computer = Computer(threads=1, slots=2, most_waiting=32, patience_seconds=60.0)
    vigils = [Vigil() for _ in range(3)]
    running = [asyncio.create_task(computer.large(a_job(trials=ENDLESS), vigil)) for vigil in vigils]
    await until(partial(_under_way, vigils[0], vigils[1]))
    assert vigils[2].share == 0.0
    vigils[0].stop.set()
    await until(partial(_under_way, vigils[2]))
    for vigil in vigils:
        vigil.stop.set()
    ends = await asyncio.gather(*running, return_exceptions=True)
    assert [type(end) for end in ends] == [Stopped] * 3
    computer.close()


async def test_computations_run_on_threads_of_their_own_and_leave_none_behind() -> None:
    before = set(threading.enumerate())
    computer = Computer(threads=2, slots=2, most_waiting=32, patience_seconds=60.0)
    await computer.large(a_job(trials=BRIEF), Vigil())
    started = set(threading.enumerate()) - before
    assert started
    assert all(thread.name.startswith(("small", "large", "trials")) for thread in started)
    computer.close()
    for thread in started:
        await asyncio.to_thread(thread.join, 10)
    assert not any(thread.is_alive() for thread in started)


def a_tiny_job(**changes: Any) -> Job:
    return a_job(trials=100, **changes)


def _fail(*_: object) -> Response:
    raise RuntimeError("broken")


async def _under_way(*vigils: Vigil) -> bool:
    return all(vigil.share for vigil in vigils)


async def _ticks_during(computing: Awaitable[str]) -> int:
    """Count how often something else gets its turn."""
    task = asyncio.ensure_future(computing)
    ticks = 0
    while not task.done():
        await asyncio.sleep(0.005)
        ticks += 1
    await task
    return ticks
