"""All of a tenant's data as one file on the command line, and back."""

import json
from pathlib import Path

from cli.running import Line
from imports import exports


def _filled(line: Line, tmp_path: Path) -> Path:
    file = tmp_path / "jira.csv"
    file.write_text(exports.JIRA, encoding="utf-8")
    line.here("import", str(file), "--project", "Checkout").answer()
    written = tmp_path / "all.jsonl"
    assert line.here("export", "--output", str(written)).answer() == ""
    return written


def test_what_was_exported_is_restored_under_its_ids_on_another_database(line: Line, tmp_path: Path) -> None:
    written = _filled(line, tmp_path)
    assert written.stat().st_mode & 0o077 == 0, "it is nobody else's"
    assert [path.name for path in tmp_path.glob("tmp*")] == []
    elsewhere = {"FLOW_FORECASTER_DATABASE_URL": f"sqlite:///{tmp_path / 'other.db'}"}
    dry = line.here("restore", str(written), "--dry-run", **elsewhere).answer()
    assert dry.startswith(
        "projects: 1 would be added, 0 there already\nwork items: 3 would be added, 0 there already\n"
    )
    told = json.loads(line.here("restore", "-", "--json", stdin=written.read_bytes(), **elsewhere).answer())
    assert (told["work_items"]["added"], told["ids_kept"]) == (3, True)
    again = line.here("restore", str(written), **elsewhere).answer()
    assert again.startswith("projects: 0 added, 1 there already\n")
    back = line.here("export", **elsewhere).answer()
    assert back.splitlines()[1:] == written.read_text(encoding="utf-8").splitlines()[1:]


def test_an_operator_keeps_ids_and_is_told_of_those_that_another_has(line: Line, tmp_path: Path) -> None:
    written = _filled(line, tmp_path)
    assert "another tenant" in line.here("restore", str(written), "--tenant", "other").refusal()
    assert "no tenant 'none'" in line.here("export", "--tenant", "none").refusal()
    assert "no tenant 'other'" not in line.here("export", "--tenant", "other").answer()


def test_what_is_no_export_is_told_with_its_line(line: Line, tmp_path: Path) -> None:
    written = _filled(line, tmp_path)
    told = written.read_text(encoding="utf-8").splitlines()
    torn = tmp_path / "torn.jsonl"
    torn.write_text("\n".join(told[:-1]), encoding="utf-8")
    assert f"{torn}, line {len(told)}: " in line.here("restore", str(torn)).refusal()
    torn.write_text("\n".join([told[0], told[1].replace("Checkout", "a\\nb"), *told[2:]]), encoding="utf-8")
    assert f"{torn}, line 2: name: " in line.here("restore", str(torn)).refusal()
    assert "cannot be read" in line.here("restore", str(tmp_path / "none")).refusal()
    assert "cannot be written" in line.here("export", "--output", str(tmp_path / "none" / "file")).refusal()
