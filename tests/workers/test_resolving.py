"""A name server that does not answer holds up nobody but those who ask it."""

import asyncio
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from flow_forecaster.workers.delivery import MOST_AT_ONCE
from flow_forecaster.workers.dialing import MOST_LOOK_UPS, SystemResolver

HANGING = """
import asyncio, time
from flow_forecaster.workers.dialing import SystemResolver
async def main():
    resolver = SystemResolver(look_up=lambda host, port: time.sleep(60))
    try:
        await asyncio.wait_for(resolver.addresses("dead.example", 443), 0.2)
    except TimeoutError:
        resolver.close()
asyncio.run(main())
"""


async def test_names_that_hang_keep_no_thread_from_another() -> None:
    ended, asked = threading.Event(), Counter[str]()

    def look_up(host: str, _port: int) -> list[str]:
        asked[host] += 1
        if host.startswith("dead"):
            ended.wait()
            raise OSError
        return ["192.0.2.1"]

    resolver = SystemResolver(look_up=look_up)
    for attempt in range(2):
        for number in range(MOST_AT_ONCE):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(resolver.addresses(f"dead{attempt}{number}.example", 443), 0.001)
    assert await asyncio.wait_for(resolver.addresses("alive.example", 443), 5.0) == ["192.0.2.1"]
    assert len(asked) == 2 * MOST_AT_ONCE + 1 < MOST_LOOK_UPS
    ended.set()
    resolver.close()


async def test_a_name_is_looked_up_once_at_a_time() -> None:
    ended, asked = threading.Event(), Counter[str]()

    def look_up(host: str, _port: int) -> list[str]:
        asked[host] += 1
        ended.wait()
        return ["192.0.2.1"]

    resolver = SystemResolver(look_up=look_up)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(resolver.addresses("slow.example", 443), 0.05)
    waiting = [asyncio.create_task(resolver.addresses("slow.example", 443)) for _ in range(3)]
    await asyncio.sleep(0.05)
    ended.set()
    assert await asyncio.gather(*waiting) == [["192.0.2.1"]] * 3
    assert asked["slow.example"] == 1
    await resolver.addresses("slow.example", 443)
    assert asked["slow.example"] == 2
    resolver.close()


def test_a_process_ends_though_a_name_server_does_not_answer() -> None:
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", HANGING], check=True, timeout=50)
    assert time.monotonic() - started < 30
