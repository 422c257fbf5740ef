"""Every error that the service can tell of has a status, a code and a place in the documents."""

import inspect
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from flow_forecaster import errors
from flow_forecaster.errors import ServiceError
from flow_forecaster.routers.problems import POINTERS, STATUSES

ERRORS = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


def told() -> list[type[ServiceError]]:
    """List the errors of the service, whatever module they are in."""
    found, waiting = [], [ServiceError]
    while waiting:
        below = waiting.pop().__subclasses__()
        found += below
        waiting += below
    return found


def without_a_row(kinds: Iterable[type[ServiceError]], rows: Mapping[type[ServiceError], int]) -> list[str]:
    return [kind.__name__ for kind in kinds if kind not in rows]


def test_every_error_of_the_service_has_a_status() -> None:
    assert len(told()) >= 6
    assert without_a_row(told(), STATUSES) == []


def test_an_error_without_a_status_is_found() -> None:
    forgotten = told()[0]
    assert without_a_row(told(), {kind: 500 for kind in told() if kind is not forgotten}) == [forgotten.__name__]


def test_no_row_is_left_of_an_error_that_is_gone() -> None:
    assert set(STATUSES) | set(POINTERS) <= set(told())


def test_every_status_is_one_of_an_error() -> None:
    assert all(400 <= status < 600 and status != 500 for status in STATUSES.values())


def test_every_code_is_a_name_of_its_own_and_every_detail_a_sentence() -> None:
    codes = [kind.code for kind in told()]
    assert len(set(codes)) == len(codes)
    for kind in told():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)
        assert re.fullmatch(r"[A-Z].*\.", kind.detail)
        assert str(kind()) == kind.detail


def test_the_picture_of_the_errors_shows_them_all() -> None:
    picture = inspect.getdoc(errors) or ""
    drawn = set(re.findall(r"[├└]── (\w+)", picture))
    assert drawn == {kind.__name__ for kind in told()}


@pytest.mark.parametrize("kind", told(), ids=lambda kind: kind.__name__)
def test_every_error_is_documented_with_its_status(kind: type[ServiceError]) -> None:
    assert f"| `{kind.code}` | {int(STATUSES[kind])} |" in ERRORS.read_text(encoding="utf-8")


def test_every_code_that_the_engine_and_the_schemas_use_is_documented() -> None:
    source = Path(errors.__file__).parent
    page = ERRORS.read_text(encoding="utf-8")
    modules = [path for folder in ("engine", "schemas") for path in (source / folder).rglob("*.py")]
    codes = {code for path in modules for code in re.findall(r"code=\"(\w+)\"", path.read_text(encoding="utf-8"))}
    assert len(codes) > 15
    assert sorted(code for code in codes if f"| `{code}` |" not in page) == []


def test_every_code_of_a_field_is_documented() -> None:
    pointers = (Path(errors.__file__).parent / "routers" / "pointers.py").read_text(encoding="utf-8")
    page = ERRORS.read_text(encoding="utf-8")
    table = pointers[pointers.index("_CODES") : pointers.index("_DETAILS")]
    codes = set(re.findall(r": \"(\w+)\",", table)) | {"invalid_type", "invalid_value"}
    assert len(codes) > 8
    assert sorted(code for code in codes if f"| `{code}` |" not in page) == []
