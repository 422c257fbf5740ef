"""RFC 9457 problems: the one form of every error."""

from pydantic import Field

from flow_forecaster.schemas.base import Response

PROBLEM_TYPE = "application/problem+json"


class FieldError(Response):
    """One thing wrong with the input, and where."""

    pointer: str = Field(description="JSON Pointer (RFC 6901) into the request.", examples=["/scope/items"])
    code: str = Field(description="Stable; the list of codes may grow.", examples=["out_of_range"])
    detail: str


class Problem(Response):
    """Why a request was not served (RFC 9457)."""

    type: str = Field(description="Identifies the kind of problem: `about:blank` or a URN.")
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable; the list of codes may grow.", examples=["invalid_request"])
    request_id: str
    errors: list[FieldError] = Field(default=[], max_length=20)
