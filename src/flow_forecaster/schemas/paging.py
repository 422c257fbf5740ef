"""Lists come page by page."""

from typing import Annotated

from pydantic import Field

from flow_forecaster.schemas.base import Request

NextCursor = Annotated[str | None, Field(description="Pass it as `cursor` for the next page; null on the last.")]


class PageQuery(Request):
    """Which page of a list."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=64, description="`next_cursor` of the page before.")
