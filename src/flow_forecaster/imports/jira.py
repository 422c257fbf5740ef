"""Issues of Jira's REST interface, with their changelog: when work began, ended, and was blocked.

A reopened issue was started when it was started first, and finished when it was finished last.
"""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from flow_forecaster.imports.values import Value

_DONE = "done"


def issue_of(one: dict[str, Any]) -> dict[str, Value] | None:
    """Write an issue as the columns of Jira's CSV; None if it is none."""
    fields = one.get("fields")
    if not isinstance(fields, dict) or not isinstance(one.get("key"), str):
        return None
    changes = _changes(one.get("changelog"))
    moves = [change for change in changes if change["field"] == "status"]
    labels = fields.get("labels")
    return {
        "issue key": one["key"],
        "summary": _text(fields.get("summary")),
        "issue type": _name(fields.get("issuetype")),
        "labels": tuple(label for label in labels if isinstance(label, str)) if isinstance(labels, list) else "",
        "created": _text(fields.get("created")),
        "started": moves[0]["at"] if moves else "",
        "resolved": _finished(fields, moves),
        "story points": _number(fields),
        "status": _name(fields.get("status")),
        "resolution": _name(fields.get("resolution")),
        "blocked days": _blocked([change for change in changes if change["field"] == "Flagged"]),
    }


def _changes(changelog: Any) -> list[dict[str, str]]:
    """List the changes of an issue, oldest first."""
    histories = changelog.get("histories") if isinstance(changelog, dict) else None
    found = [
        {"at": _text(history.get("created")), "field": _text(item.get("field")), "to": _text(item.get("toString"))}
        for history in histories or []
        if isinstance(history, dict) and isinstance(history.get("items"), list)
        for item in history["items"]
        if isinstance(item, dict)
    ]
    return sorted((change for change in found if _moment(change["at"])), key=lambda change: _stamp(change["at"]))


def _finished(fields: dict[str, Any], moves: list[dict[str, str]]) -> str:
    """Find when an issue that is done was done last: resolved, or else moved to the status in which it is."""
    status = fields.get("status")
    category = status.get("statusCategory") if isinstance(status, dict) else None
    is_done = category.get("key") == _DONE if isinstance(category, dict) else bool(fields.get("resolutiondate"))
    if not is_done:
        return ""
    here = [move["at"] for move in moves if move["to"] == _name(status)]
    return _text(fields.get("resolutiondate")) or (here[-1] if here else "")


def _blocked(flags: list[dict[str, str]]) -> str:
    """Add up the days between a flag and the next change of it; one that is still up says nothing."""
    days = 0.0
    for up, down in pairwise(flags):
        if up["to"] and not down["to"]:
            days += (_stamp(down["at"]) - _stamp(up["at"])) / 86_400
    return repr(round(days, 2)) if flags else ""


def _number(fields: dict[str, Any]) -> str:
    found = next((fields[name] for name in ("story points", "Story Points", "storyPoints") if name in fields), None)
    return repr(found) if isinstance(found, int | float) and not isinstance(found, bool) else ""


def _name(value: Any) -> str:
    return _text(value.get("name")) if isinstance(value, dict) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _stamp(text: str) -> float:
    moment = _moment(text)
    if moment is None:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
