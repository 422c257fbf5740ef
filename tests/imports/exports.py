"""Exports as trackers write them, by hand from the names of their columns, with their oddities."""

import json
from typing import Any

_JIRA_HEADER = "Summary,Issue key,Issue id,Issue Type,Status,Resolution,Created,Resolved,Labels,Labels,"
JIRA = f"""{_JIRA_HEADER}Custom field (Story Points)
Pay by card,PAY-1,10001,Story,Done,Done,05/Jan/26 9:12 AM,14/Jan/26 4:40 PM,web,card,3.0
"Refund, in
two lines",PAY-2,10002,Story,Done,Done,06/Jan/26 8:00 AM,13/Jan/26 11:59 PM,web,,5.0
Receipt by mail,PAY-3,10003,Bug,In Progress,,07/Jan/26 10:00 AM,,,,
Old idea,PAY-4,10004,Story,Done,Won't Do,07/Jan/26 10:00 AM,08/Jan/26 10:00 AM,,,
Half a row,PAY-5
No such day,PAY-6,10006,Bug,Done,Done,31/Feb/26 9:00 AM,01/Mar/26 9:00 AM,,,
Again,PAY-1,10001,Story,Done,Done,05/Jan/26 9:12 AM,14/Jan/26 4:40 PM,web,card,3.0
From tomorrow,PAY-7,10007,Story,Done,Done,05/Jan/26 9:12 AM,14/Jan/69 4:40 PM,,,
"""
GITHUB: list[dict[str, Any]] = [
    {
        "number": 7,
        "title": '=HYPERLINK("evil") 👩‍💻',
        "labels": [{"id": "x", "name": "bug", "color": "d73a4a"}, {"name": "good first issue"}],
        "createdAt": "2026-01-05T23:30:00Z",
        "closedAt": "2026-01-14T23:30:00Z",
        "state": "CLOSED",
        "stateReason": "COMPLETED",
    },
    {
        "number": 8,
        "title": "Open",
        "labels": [],
        "createdAt": "2026-01-06T00:00:00Z",
        "closedAt": None,
        "state": "OPEN",
    },
    {
        "number": 9,
        "title": "Not planned",
        "labels": [],
        "createdAt": "2026-01-06T00:00:00Z",
        "closedAt": "2026-01-07T00:00:00Z",
        "state": "CLOSED",
        "stateReason": "NOT_PLANNED",
    },
]
GITHUB_PROJECT = (
    "Title\tURL\tAssignees\tStatus\tLabels\tStart date\tEnd date\n"
    "First\thttps://github.com/o/r/issues/1\tann\tDone\tbug, web\tJan 5, 2026\tJan 14, 2026\n"
    "A draft\t\t\tTodo\t\t\t\n"
)
LINEAR = (
    "ID,Team,Title,Description,Status,Estimate,Priority,Labels,Created,Updated,Started,Completed,Canceled,Due Date\n"
    'APP-1,App,First,"Text, with a comma",Done,2,High,"bug, web",2026-01-05T10:00:00.000Z,2026-01-14T10:00:00.000Z,'
    "2026-01-08T10:00:00.000Z,2026-01-14T10:00:00.000Z,,\n"
    "APP-2,App,Second,,Canceled,,,,2026-01-05T10:00:00.000Z,2026-01-06T10:00:00.000Z,,,2026-01-06T10:00:00.000Z,\n"
    "APP-3,App,Third,,Done,1,,,Mon Jan 05 2026 10:00:00 GMT+0000 (GMT),,Thu Jan 08 2026 23:30:00 GMT+0000 (GMT),"
    "Wed Jan 14 2026 23:30:00 GMT+0000 (GMT),,\n"
)
AZURE = (
    '"ID","Work Item Type","Title 1","Title 2","State","Tags","Created Date","Activated Date","Closed Date","Effort"\n'
    '"11","User Story","First","","Closed","web; card","1/5/2026 9:00:00 AM","1/8/2026 9:00:00 AM",'
    '"1/14/2026 9:00:00 AM","3"\n'
    '"12","Bug","Second","","Removed","","1/5/2026 9:00:00 AM","","1/6/2026 9:00:00 AM",""\n'
)
STAGES = (
    "ID;Link;Title;Backlog;In Progress;Review;Done;Type;Blocked Days\n"
    "K-1;https://example.org/1;First;05.01.2026;08.01.2026;12.01.2026;14.01.2026;Story;1,5\n"
    "K-2;https://example.org/2;Zweitens für Jörg;06.01.2026;09.01.2026;;;Bug;\n"
)
HISTORY = "date,completed\n2026-01-05,4\n2026-01-12,0\n2026-01-19,7\n"


def jira_document(count: int = 1) -> str:
    """Write issues as Jira's REST interface gives them with `expand=changelog`: reopened, and blocked for a while."""
    return json.dumps({"startAt": 0, "total": count, "issues": [_issue(number) for number in range(1, count + 1)]})


def _issue(number: int) -> dict[str, Any]:
    def change(at: str, field: str, to: str) -> dict[str, Any]:
        return {"id": "1", "created": f"2026-01-{at}+0000", "items": [{"field": field, "toString": to}]}

    return {
        "key": f"PAY-{number}",
        "fields": {
            "summary": "Reopened",
            "issuetype": {"name": "Story"},
            "labels": ["web"],
            "created": "2026-01-05T09:00:00.000+0000",
            "resolutiondate": "2026-01-14T16:00:00.000+0000",
            "resolution": {"name": "Done"},
            "status": {"name": "Done", "statusCategory": {"key": "done"}},
            "description": {"type": "doc", "content": [{"text": '[{"key": "no issue"}]'}]},
        },
        "changelog": {
            "histories": [
                change("14T16:00:00.000", "status", "Done"),
                change("08T09:00:00.000", "status", "In Progress"),
                change("10T09:00:00.000", "status", "Done"),
                change("11T09:00:00.000", "status", "In Progress"),
                change("12T00:00:00.000", "Flagged", "Impediment"),
                change("13T12:00:00.000", "Flagged", ""),
                change("13T18:00:00.000", "Flagged", "Impediment"),
                change("13T18:00:00.000", "Flagged", ""),
            ]
        },
    }
