"""The manners that all requests share."""

import re
from datetime import date
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from flow_forecaster.engine.work_items import has_control

Confidence = Annotated[
    float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False, description="How sure the answer is to hold.")
]


def _distinct(confidence: list[float]) -> list[float]:
    if len(set(confidence)) < len(confidence):
        raise ValueError("Each confidence is asked for once.")
    return confidence


Confidences = Annotated[list[Confidence], Field(min_length=1, max_length=20), AfterValidator(_distinct)]
Count = Annotated[int, Field(strict=True)]

_WHOLE = re.compile(r"-?\d+", re.ASCII)
_DECIMAL = re.compile(r"-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def _whole(text: Any) -> Any:
    if isinstance(text, str) and not _WHOLE.fullmatch(text):
        raise PydanticKnownError("int_parsing")
    return text


def _decimal(text: Any) -> Any:
    if isinstance(text, str) and not _DECIMAL.fullmatch(text):
        raise PydanticKnownError("float_parsing")
    return text


def _flag(text: Any) -> Any:
    if isinstance(text, str) and text not in {"true", "false"}:
        raise PydanticKnownError("bool_parsing")
    return text


WHOLE, DECIMAL, FLAG = BeforeValidator(_whole), BeforeValidator(_decimal), BeforeValidator(_flag)
"""As it is written in an address: pydantic alone takes `1_000`, ` 7` and `7.0` for whole, and `yes` for true."""


def without_control(text: str) -> str:
    """Refuse control characters: nothing that is stored has one, and PostgreSQL takes no NUL."""
    if has_control(text):
        raise PydanticCustomError("control_characters", "One line without control characters is needed")
    return text


Filter = Annotated[str, Field(strict=True, min_length=1, max_length=100), AfterValidator(without_control)]
"""A text that what is asked for has."""
MOST_FIELDS = 100


class Request(BaseModel):
    """Refuses unknown fields and takes null for absent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        if isinstance(data, dict):
            if len(data) > MOST_FIELDS:
                raise PydanticCustomError(
                    "too_many_fields", "An object has at most {most} fields here", {"most": MOST_FIELDS}
                )
            known = {field.alias or name for name, field in cls.model_fields.items()}
            return {name: value for name, value in data.items() if value is not None or name not in known}
        return data


class Asking(Request):
    """A request that puts a question: what is open is settled, and what the question chose is kept beside it."""

    def asked(self, *, today: date, seed: int) -> tuple[Self, Any]:
        """Resolve the request, so that nothing is left to default and it can be repeated; give it and its question.

        Raises:
            InvalidInput: it cannot be answered, with the field that is to blame.
        """
        settled = self.settled(today=today, seed=seed)
        question = settled.question()
        return settled.completed(question), question

    def settled(self, *, today: date, seed: int) -> Self:  # noqa: ARG002 - what the kinds need
        """Fill in what the request leaves open; nothing, unless its kind does."""
        return self

    def question(self) -> Any:
        """Map a settled request to the engine; each kind does."""

    def completed(self, _question: Any) -> Self:
        """Fill in what the question has chosen."""
        return self


class Response(BaseModel):
    """Is built by the service from its own values."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)
