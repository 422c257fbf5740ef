"""Requests that schemathesis makes of openapi.json, to every operation and from answer to request, with its checks."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

from chaos.ground import a_database, embedded
from chaos.hostile import key_for_all
from chaos.planning import Plan
from chaos.sockets import resident
from chaos.verdicts import Verdict
from routers.operations import DOCUMENT, OPERATIONS, PROJECTS

PHASES = ("examples", "coverage", "fuzzing", "stateful")
BY_HAND = 14_000
"""About so many cases follow from the document alone, in the phase `coverage`."""
MOST_MEBIBYTES = 200.0
_FEW = (f"POST {PROJECTS}", f"GET {PROJECTS}", f"GET {PROJECTS}/{{project_id}}")
"""Operations for a hurry: each phase has something to do at them. At all of them, the coverage alone takes minutes."""
_COMMAND = (sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run")
UNCHECKED = "positive_data_acceptance"
"""The one check that is left out: no schema can say that a deadline comes after its start."""


async def tried(plan: Plan) -> Verdict:
    """Let it make about `size` cases, at least, against a process on PostgreSQL, which refuses what SQLite takes."""
    verdict, document, report = Verdict(fault="schemathesis"), plan.folder / "openapi.json", plan.folder / "report.json"
    document.write_text(json.dumps(lenient(DOCUMENT)), encoding="utf-8")
    with ExitStack() as stack:
        postgres, name = await a_database(plan, stack)
        url = postgres.url(name)
        service = stack.enter_context(embedded(plan, rate_failures=0, database_url=url))
        address = await service.address()
        key, before = await key_for_all(url), resident(service)
        code, said = await _run(plan, [str(document), "--url", address, *_options(plan, key, report)])
        grown = resident(service) - before
        lives = service.lives
    if not report.exists():
        verdict.nothing("reports that were not written", [f"exit code {code}: {said[-300:]}"])
        return verdict
    read(verdict, json.loads(report.read_text(encoding="utf-8")), at_least=plan.size)
    verdict.check("mebibytes that it grew by", f"{grown:.0f}", holds=grown <= MOST_MEBIBYTES)
    verdict.check("it lives", lives, holds=lives)
    return verdict


def read(verdict: Verdict, report: Mapping[str, Any], *, at_least: int) -> None:
    """Read what schemathesis found."""
    made, tested = report["test_cases"]["generated"], report["operations"]["tested"]
    verdict.did = f"schemathesis {report['schemathesis_version']}: {tested} operations of {len(OPERATIONS)}"
    verdict.check("test cases", made, holds=made >= at_least)
    broken_off = [name for name in PHASES if report["phases"].get(name, {"skip_reason": "absent"})["skip_reason"]]
    verdict.nothing("phases that did not run", broken_off if report["complete"] else [report["stop_reason"]])
    failures = [f"{one['title']}: {one['count']} at {', '.join(one['operations'][:3])}" for one in report["failures"]]
    verdict.nothing("failures of its checks", failures)
    verdict.nothing("errors", report["errors"])


def lenient(document: Mapping[str, Any]) -> dict[str, Any]:
    """Say in the document's schemas what it says in words: null is absent; and events have no schema in OpenAPI 3.1."""
    copy = deepcopy(dict(document))
    for schema in _schemas(copy):
        if "text/event-stream" in schema:
            schema["text/event-stream"] = {}
        if isinstance(schema.get("properties"), dict):
            optional = schema["properties"].keys() - set(schema.get("required", ()))
            for name in optional:
                schema["properties"][name] = {"anyOf": [schema["properties"][name], {"type": "null"}]}
    return copy


def _schemas(value: Any) -> Iterator[dict[str, Any]]:
    """List every object of a document, the inner ones first."""
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _schemas(inner)
    if isinstance(value, dict):
        yield value


def _options(plan: Plan, key: str, report: Path) -> Sequence[str]:
    examples = 5 if plan.hurried else max(10, (plan.size - BY_HAND) // len(OPERATIONS))
    return (
        *("--header", f"Authorization: Bearer {key}", "--checks", "all", "--exclude-checks", UNCHECKED),
        *("--phases", ",".join(PHASES), "--max-examples", str(examples), "--seed", str(plan.seed)),
        *("--continue-on-failure", "--no-shrink", "--request-timeout", "20", "--no-color", "--warnings", "off"),
        *("--generation-database", "none", "--suppress-health-check", "all"),
        *("--report", "json", "--report-json-path", str(report)),
        *(part for name in (_FEW if plan.hurried else ()) for part in ("--include-name", name)),
    )


async def _run(plan: Plan, arguments: Sequence[str]) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, *arguments, cwd=plan.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        said = (await process.communicate())[0].decode(errors="replace")
    finally:
        if process.returncode is None:
            process.kill()
    (plan.folder / "schemathesis.log").write_text(said, encoding="utf-8")
    return process.returncode, said
