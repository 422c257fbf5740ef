"""The manners that all requests share."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

Confidence = Annotated[
    float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False, description="How sure the answer is to hold.")
]
Count = Annotated[int, Field(strict=True)]


class Request(BaseModel):
    """Refuses unknown fields and takes null for absent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {name: value for name, value in data.items() if value is not None}
        return data


class Response(BaseModel):
    """Is built by the service from its own values."""

    model_config = ConfigDict(frozen=True)
