"""What an answer says about its own limits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Caveat:
    """One remark on an answer: a stable `code` and a sentence for a person."""

    code: str
    detail: str
