"""The forms in which trackers export: by the names of their columns, never by their place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.imports.values import Role, plain

ROLES: tuple[Role, ...] = (
    *("id", "title", "type", "tags", "created", "started", "finished", "size", "blocked_days"),
    *("status", "resolution", "canceled", "date", "completed"),
)
DATES: tuple[Role, ...] = ("created", "started", "finished", "canceled", "date")
_SIZES = ("story points", "story point estimate", "size", "points", "estimate", "effort", "original estimate")
_DONE = (
    *("finished", "finished at", "finish", "finish date", "done", "done date", "completed", "completed at"),
    *("completed date", "complete", "closed", "closed at", "closedat", "closed date", "resolved", "resolved at"),
    *("resolved date", "resolution date", "resolutiondate", "end", "end date", "delivered", "deployed", "released"),
    *("live", "accepted"),
)
_BEGUN = (
    *("started", "started at", "startedat", "start", "start date", "started date", "in progress", "doing", "active"),
    *("activated date", "in development", "development", "implementation", "work in progress", "in process", "begin"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form: what names tell it, and which column has what; of several names the first that is there."""

    name: str
    told_by: tuple[str, ...]
    columns: Mapping[Role, tuple[str, ...]]
    separators: str = ",;"
    """What stands between tags within a cell."""


_GENERIC: Mapping[Role, tuple[str, ...]] = MappingProxyType(
    {
        "id": ("id", "key", "item id", "issue key", "number", "ticket", "item", "url"),
        "title": ("title", "summary", "name", "subject"),
        "type": ("type", "item type", "issue type", "work item type", "kind"),
        "tags": ("tags", "labels", "tag", "label"),
        "created": ("created", "created at", "createdat", "created date", "opened", "opened at"),
        "started": _BEGUN,
        "finished": _DONE,
        "size": _SIZES,
        "blocked_days": ("blocked days", "days blocked", "blocked time"),
        "status": ("status", "state"),
        "resolution": ("resolution", "statereason", "state reason"),
        "canceled": ("canceled", "cancelled", "canceled at", "cancelled at"),
    }
)
FORMS: tuple[Form, ...] = (
    Form(
        name="jira",
        told_by=("issue key", "summary"),
        columns={
            "id": ("issue key",),
            "title": ("summary",),
            "type": ("issue type",),
            "tags": ("labels",),
            "created": ("created",),
            "started": ("custom field (actual start)", "actual start", "in progress", "started"),
            "finished": ("resolved", "resolution date", "custom field (actual end)"),
            "size": (
                "custom field (story points)",
                "custom field (story point estimate)",
                "story points",
                "story point estimate",
            ),
            "blocked_days": ("blocked days",),
            "status": ("status",),
            "resolution": ("resolution",),
        },
        separators="",  # a label of Jira has no blanks, and each stands in a column of its own
    ),
    Form(
        name="linear",
        told_by=("id", "team", "completed", "canceled"),
        columns={
            "id": ("id",),
            "title": ("title",),
            "tags": ("labels",),
            "created": ("created",),
            "started": ("started",),
            "finished": ("completed",),
            "size": ("estimate",),
            "status": ("status",),
            "canceled": ("canceled",),
        },
        separators=",",
    ),
    Form(
        name="azure_devops",
        told_by=("id", "work item type"),
        columns={
            "id": ("id",),
            "title": ("title", "title 1"),
            "type": ("work item type",),
            "tags": ("tags",),
            "created": ("created date",),
            "started": ("activated date",),
            "finished": ("closed date", "resolved date"),
            "size": ("story points", "effort", "size"),
            "status": ("state",),
            "resolution": ("reason", "resolved reason"),
        },
        separators=";",
    ),
    Form(
        name="github",
        told_by=("number", "closedat"),
        columns={**_GENERIC, "id": ("number",)},
        separators="",
    ),
    Form(
        name="github_project",
        told_by=("title", "url", "status"),
        columns={**_GENERIC, "id": ("url",)},
        separators=",",
    ),
    Form(
        name="history",
        told_by=("date", "completed"),
        columns={"date": ("date",), "completed": ("completed",)},
    ),
    Form(name="items", told_by=(), columns=_GENERIC, separators=",;|"),  # ActionableAgile has bars between values
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns of a file have what, by their place in its header; several where they have one name."""

    form: Form
    places: Mapping[Role, tuple[int, ...]]

    def names(self, header: Sequence[str]) -> dict[Role, str]:
        """Name the column of each role, as the file does."""
        return {role: header[places[0]] for role, places in self.places.items()}

    @property
    def doubled(self) -> tuple[tuple[int, ...], ...]:
        """The places of those that have one name and one role; tags are meant to stand in several."""
        return tuple(places for role, places in self.places.items() if role != "tags" and len(places) > 1)


def mapping_of(header: Sequence[str], chosen: Mapping[Role, str]) -> Columns:
    """Find the form of a header, and its columns; those that were `chosen` go before what the form says.

    Raises:
        InvalidInput: a chosen column is not there, or nothing says what an item is or when it ended.
    """
    names = [plain(name) for name in header]
    form = next(each for each in FORMS if set(each.told_by) <= set(names))
    if form.name == "history" and {"id", "finished"} & chosen.keys():
        form = FORMS[-1]
    places = {role: _places(names, wanted) for role, wanted in form.columns.items()}
    for role, name in chosen.items():
        places[role] = tuple(at for at, each in enumerate(names) if each == plain(name))
        if not places[role]:
            raise InvalidInput("column", code="no_such_column", detail=f"No column has the name given for {role}.")
    found = {role: at for role, at in places.items() if at}
    _check(form, found)
    return Columns(form=form, places=found)


def _places(names: Sequence[str], wanted: Sequence[str]) -> tuple[int, ...]:
    name = next((name for name in wanted if name in names), None)
    return tuple(at for at, each in enumerate(names) if each == name)


def _check(form: Form, found: Mapping[Role, tuple[int, ...]]) -> None:
    needed: tuple[Role, ...] = ("date", "completed") if form.name == "history" else ("id", "finished")
    for role in needed:
        if role not in found:
            detail = (
                f"No column is known to have what is {role}; name it with column={role}:NAME. "
                "An item has an id and the day it was finished; a plain history has date and completed."
            )
            raise InvalidInput("column", code="unknown_form", detail=detail)
