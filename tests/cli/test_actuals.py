"""What really happened, on the command line."""

import asyncio
import json

from cli.running import Line
from cli.test_movements import store
from flow_forecaster.persistence.identifiers import new_id


def test_what_happened_is_told_forgotten_and_found(line: Line) -> None:
    project = json.loads(line.here("projects", "create", "Checkout", "--json").answer())["id"]
    first, second = asyncio.run(store(line.environment["FLOW_FORECASTER_DATABASE_URL"], project, year=2025))
    told = line.here("actual", str(first), "--finished-on", "2025-12-25").answer()
    assert "50%  2026-01-" in told
    assert "85%  2026-0" in told
    assert "against the median, in periods" in told
    assert "CRPS" in told
    found = json.loads(line.here("actual", str(second), "--not-finished-by", "2026-11-01", "--json").answer())
    assert [promise["kept"] for promise in found["promises"]] == [False] * 4
    assert "2 forecasts of dates" in line.here("accuracy", "--project", "Checkout").answer()
    assert line.here("actual", str(second), "--forget").answer() == "What was told of it is forgotten.\n"
    looked = line.here("actual", "--project", "Checkout").answer()
    assert looked.startswith(f"0 forecasts have ended, 0 are open, 1 not told\n  {second}: ")
    resolved = json.loads(line.here("actual", "--project", "Checkout", "--json").answer())
    assert [one["code"] for one in resolved["unresolved"]] == ["told_by_hand"]


def test_what_cannot_have_happened_is_told_in_a_line(line: Line) -> None:
    unknown = str(new_id())
    for arguments, said in (
        ([], "either"),
        (["x", "--items", "3"], "UUID"),
        ([unknown, "--items", "3"], "no forecast"),
        ([unknown, "--forget"], "no forecast"),
        ([unknown, "--forget", "--items", "3"], "either"),
        ([unknown, "--finished-on", "soon"], "--finished-on"),
        (["--project", "none"], "no project 'none'"),
        (["--project", "none", "--items", "3"], "--project"),
    ):
        assert said in line.here("actual", *arguments).refusal()
