"""What the document calls a number or a truth is one: in a body no text, and in an address none but the plain one."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

import flow_forecaster.app  # noqa: F401 - so that all requests are known
from flow_forecaster.schemas.base import Request

PLAIN = {"integer", "number", "boolean"}
ODD = ["1_0", " 7", "7\n", "+7", "yes", "on", "True", "1,5", "0x7", "\u0667"]


def requests(of: type[Request] = Request) -> Iterator[type[Request]]:
    for each in of.__subclasses__():
        yield each
        yield from requests(each)


def types_of(schema: dict[str, Any]) -> set[str]:
    return {one.get("type", "other") for one in schema.get("anyOf", [schema])}


def fields() -> dict[str, tuple[bool, Any]]:
    """Find by its name each field that is plain: whether it is in an address, and its type."""
    found = dict[str, tuple[bool, Any]]()
    for model in requests():
        for name, field in model.model_fields.items():
            kind = Annotated[field.annotation, FieldInfo.from_annotation(Any), *field.metadata]
            if types_of(TypeAdapter(kind).json_schema()) - {"null"} <= PLAIN:
                found[f"{model.__name__}.{name}"] = is_query(model), kind
    return found


def is_query(model: type[Request]) -> bool:
    return any(each.__name__.endswith("Query") for each in [model, *requests(model)])


FIELDS = fields()


def test_there_are_fields_of_both() -> None:
    assert {is_in_address for is_in_address, _ in FIELDS.values()} == {True, False}
    assert {"WhenRequest.fan", "PageQuery.limit", "RestoreQuery.dry_run"} <= FIELDS.keys()


@pytest.mark.parametrize("name", FIELDS)
def test_what_is_plain_is_taken_as_such_alone(name: str) -> None:
    is_in_address, kind = FIELDS[name]
    adapter = TypeAdapter(kind)
    for text in ODD if is_in_address else [*ODD, "7", "0.5", "true"]:
        with pytest.raises(ValidationError):
            adapter.validate_python(text) if is_in_address else adapter.validate_json(json.dumps(text))
