"""Processes that serve or work take as many open files as the machine allows them."""

import resource
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from persistence.rows import until
from workers.processes import ServiceProcess, api_process, worker_process

FEW = 256


@pytest.mark.parametrize("started", [api_process, worker_process])
async def test_a_process_raises_its_soft_limit_of_open_files_to_the_hard_one(
    started: Callable[..., AbstractContextManager[ServiceProcess]], tmp_path: Path, sqlite_url: str, kernel_cache: Path
) -> None:
    files, (soft, hard) = resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(files, (FEW, hard))
    try:
        ground = {"database_url": sqlite_url, "kernel_cache_dir": kernel_cache, "redis_url": "redis://127.0.0.1:1"}
        with started(tmp_path, **ground) as process:

            async def raised() -> bool:
                return resource.prlimit(process.process.pid, files) == (hard, hard)

            await until(raised)
    finally:
        resource.setrlimit(files, (soft, hard))
