"""The manners that all requests share."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Confidence = Annotated[
    float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False, description="How sure the answer is to hold.")
]
Count = Annotated[int, Field(strict=True)]


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
            return {name: value for name, value in data.items() if value is not None}
        return data


class Response(BaseModel):
    """Is built by the service from its own values."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)
