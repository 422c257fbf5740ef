"""Imports on the command line: from an export to a forecast in two commands."""

import json
from pathlib import Path

from cli.running import Line
from imports import exports


def test_from_an_export_to_a_date_in_two_commands(line: Line, tmp_path: Path) -> None:
    file = tmp_path / "jira.csv"
    file.write_text(exports.JIRA, encoding="utf-8")
    told = line.here("import", str(file), "--project", "Checkout", "--as-of", "2026-02-01").answer()
    assert told.startswith("8 rows read, 3 taken into Checkout: 3 new, 0 changed, 0 as they were\nform jira, utf-8,")
    assert "1 rows skipped: wrong_width" in told
    assert "  row 6: " in told
    assert told.endswith("the data is known up to 2026-02-01\n")
    answer = line.here("when", "--project", "Checkout", "--items", "3", "--start", "2026-02-02", "--json").answer()
    assert json.loads(answer)["answers"][0]["date"] > "2026-02-02"
    shown = line.here("projects", "throughput", "Checkout", "--select", "last=2026-01-25").answer()
    assert shown == "date,completed\n2026-01-12,2\n2026-01-19,0\n"
    request = {"kind": "backtest", "history": None, "horizons": [1], "minimum": 1, "seed": 1}
    project = json.loads(line.here("projects", "list", "--json").answer())[0]["id"]
    asked = json.dumps(request | {"project_id": project}).encode()
    assert json.loads(line.here("forecast", "-", "--json", stdin=asked).answer())["kind"] == "backtest"
    again = json.loads(line.here("import", "-", "--project", project, "--json", stdin=exports.JIRA.encode()).answer())
    assert (again["created"], again["unchanged"]) == (0, 3)


def test_a_large_file_shows_on_a_terminal_how_far_it_is(line: Line, tmp_path: Path) -> None:
    file, title = tmp_path / "large.csv", "x" * 900
    file.write_text("id,finished,title\n" + "".join(f"{number},2026-01-05,{title}\n" for number in range(1_200)))
    shown = line.here("import", str(file), "--project", "Large", FORCE_COLOR="1", COLUMNS="80")
    assert shown.answer().startswith("1,200 rows read, 1,200 taken into Large")
    assert "Importing" in shown.err
    assert "100%" in shown.err
    quiet = line.here("import", str(file), "--project", "Large")
    assert (quiet.code, quiet.err) == (0, "")


def test_what_is_not_taken_is_told_in_a_line(line: Line, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("id,finished\n1,01/02/2026\n", encoding="utf-8")
    for arguments, said in (
        ([str(file), "--project", "x"], f"{file}: All dates could begin"),
        ([str(file), "--project", "new", "--dry-run"], "no project 'new'"),
        ([str(file), "--project", "y", "--date-format", "us"], "--date-format"),
        ([str(file), "--project", "y", "--column", "x"], "--column"),
        ([str(file), "--project", "y", "--time-zone", "Mars"], "--time-zone"),
        ([str(tmp_path / "none"), "--project", "y"], "cannot be read"),
    ):
        assert said in line.here("import", *arguments).refusal()
    limited = line.here("import", str(file), "--project", "y", FLOW_FORECASTER_MAX_IMPORT_BYTES="1024")
    assert "date_format" in limited.refusal()
    file.write_bytes(b"x" * 1_025)
    larger = line.here("import", str(file), "--project", "y", FLOW_FORECASTER_MAX_IMPORT_BYTES="1024")
    assert "larger than 1,024 bytes" in larger.refusal()
