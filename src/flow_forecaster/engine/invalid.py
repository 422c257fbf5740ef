"""The one error that the engine raises for an input it cannot compute with."""

from collections.abc import Iterator
from contextlib import contextmanager


class InvalidInput(ValueError):
    """Refuse an input, naming the field that is wrong.

    `path` leads to the field in the words of the request (`("history", "throughput", 3)`), `code` is stable,
    `detail` is a sentence for a person.
    """

    def __init__(self, *path: str | int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.path = path
        self.code = code
        self.detail = detail


@contextmanager
def inside(*path: str | int) -> Iterator[None]:
    """Lead what is refused to where it stands: what is wrong in a part is wrong in the part at `path`."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(*path, *error.path, code=error.code, detail=error.detail) from error
