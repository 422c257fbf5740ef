"""Tables as CSV on the command line."""

import json
from pathlib import Path

import pytest

from cli.running import Line
from imports import exports

HISTORY = "date,completed\n2026-01-05,5\n2026-01-12,6\n2026-01-19,7\n2026-01-26,4\n2026-02-02,8\n2026-02-09,6\n"


@pytest.fixture
def history(tmp_path: Path) -> str:
    file = tmp_path / "history.csv"
    file.write_text(HISTORY, encoding="utf-8")
    return str(file)


def test_a_forecast_a_chart_and_accuracy_are_printed_as_tables(line: Line, history: str) -> None:
    asked = ("when", history, "--items", "20", "--start", "2026-02-16", "--seed", "1", "--sampler", "bootstrap")
    header, first, *_ = line.here(*asked, "--csv").answer().splitlines()
    told = json.loads(line.here(*asked, "--json").answer())["distribution"][0]
    assert header.split(",") == ["of", *told]
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert {name: row[name] for name in ("of", "periods", "date")} == {
        "of": "",
        "periods": str(told["periods"]),
        "date": told["date"],
    }
    points = line.here("chart", history, "--csv").answer().splitlines()
    assert points[0].startswith("number,date,completed,moving_range,center,")
    assert len(points) == 7
    assert line.here("accuracy", "--csv").answer().startswith("of,confidence,settled,stated,kept,")
    assert "either --json or --csv" in line.here(*asked, "--json", "--csv").refusal()


def test_work_items_and_flow_are_printed_as_tables(line: Line, tmp_path: Path) -> None:
    file = tmp_path / "jira.csv"
    file.write_text(exports.JIRA, encoding="utf-8")
    line.here("import", str(file), "--project", "Checkout").answer()
    rows = line.here("projects", "work-items", "Checkout").answer().splitlines()
    assert rows[0] == "id,title,type,tags,created,started,finished,size,blocked_days"
    assert [row.partition(",")[0] for row in rows[1:]] == ["PAY-1", "PAY-2", "PAY-3"]
    flow = line.here("flow-metrics", "--project", "Checkout", "--csv").answer()
    assert flow.startswith("date,arrivals,starts,completed,")
    assert "no project 'none'" in line.here("projects", "work-items", "none").refusal()
