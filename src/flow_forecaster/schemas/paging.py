"""Lists come page by page."""

from typing import Annotated

from pydantic import Field

from flow_forecaster.schemas.base import WHOLE, Request

NextCursor = Annotated[str | None, Field(description="Pass it as `cursor` for the next page; null on the last.")]


class PageQuery(Request):
    """Which page of a list."""

    limit: Annotated[int, Field(ge=1, le=200), WHOLE] = 50
    cursor: str | None = Field(default=None, max_length=64, description="`next_cursor` of the page before.")
