"""The faults, each with the size in which the service promises to bear it."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from chaos import (
    cancels,
    disks,
    duplicates,
    embedded,
    fuzzing,
    hostile,
    load,
    migrations,
    outages,
    receivers,
    rolling,
    sockets,
    suites,
    workers,
)
from chaos.planning import Plan
from chaos.verdicts import Verdict

SECRETS = ("tests/routers/test_secrets.py", "tests/services/test_webhook_secrets.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault: its name, what happens, how it is run, its full size and what that counts."""

    what: str
    run: Callable[[Plan], Coroutine[Any, Any, Verdict]]
    full: int
    counts: str


FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        "worker-kill": Fault(
            what="SIGKILL of a random worker every 2 to 5 s", run=workers.killed, full=1_000, counts="forecasts"
        ),
        "cancel": Fault(
            what="a forecast that a worker computes is canceled", run=cancels.heard, full=100, counts="cancels"
        ),
        "worker-freeze": Fault(
            what="SIGSTOP past the lease, then SIGCONT", run=workers.frozen, full=100, counts="claims"
        ),
        "redis-loss": Fault(
            what="Redis killed and emptied under load", run=outages.redis_lost, full=20, counts="losses"
        ),
        "postgres-loss": Fault(
            what="PostgreSQL's backends terminated 5/s for a minute, then immediate restarts",
            run=outages.postgres_lost,
            full=10,
            counts="restarts",
        ),
        "embedded-kill": Fault(what="SIGKILL of the process on SQLite", run=embedded.killed, full=200, counts="kills"),
        "rolling-restart": Fault(
            what="rolling SIGTERM of API processes and workers under load",
            run=rolling.restarted,
            full=50,
            counts="SIGTERMs",
        ),
        "duplicates": Fault(
            what="100 keys, each with 100 duplicates at once", run=duplicates.sent, full=10_000, counts="posts"
        ),
        "full-disk": Fault(what="no room on the disk of SQLite", run=disks.full, full=20, counts="times"),
        "read-only": Fault(what="PostgreSQL may only be read", run=disks.read_only, full=20, counts="times"),
        "migration-race": Fault(
            what="8 processes migrate at once, the first 3 killed in the midst of it",
            run=migrations.raced,
            full=20,
            counts="databases",
        ),
        "bad-receivers": Fault(
            what="receivers that answer 500, 429, 410, redirect, reset, drip, hang, fail at TLS, send 1 GB or a bomb",
            run=receivers.misbehaving,
            full=10_000,
            counts="events",
        ),
        "raw-sockets": Fault(
            what="a header of 64 MiB, smuggled requests, slow loris", run=sockets.sent, full=1_000, counts="connections"
        ),
        "ssrf": Fault(
            what="every notation of an address that webhooks may not reach, a canary on all of them",
            run=suites.tests("ssrf", "tests/workers/test_dialing.py", "tests/services/test_addresses.py"),
            full=150,
            counts="tests",
        ),
        "access": Fault(
            what="no key, bad, revoked, expired, wrong scope, other tenant, at every operation",
            run=suites.tests("access", "tests/routers/test_access.py", "tests/persistence/test_tenants.py"),
            full=450,
            counts="tests",
        ),
        "hostile-input": Fault(
            what="hostile bodies, queries, headers and ids by hand, at every operation",
            run=hostile.sent,
            full=300,
            counts="requests",
        ),
        "schemathesis": Fault(
            what="requests that schemathesis makes of the OpenAPI document",
            run=fuzzing.tried,
            full=100_000,
            counts="test cases",
        ),
        "canary-secrets": Fault(
            what="keys and secrets looked for in logs, answers, Redis and every row after a run",
            run=suites.tests(
                "canary-secrets", "tests/routers/test_secrets.py", "tests/services/test_webhook_secrets.py"
            ),
            full=5,
            counts="tests",
        ),
        "load": Fault(
            what="small forecasts at the peak, ten times as many by the clock, and for long",
            run=load.offered,
            full=1_800,
            counts="seconds",
        ),
    }
)
