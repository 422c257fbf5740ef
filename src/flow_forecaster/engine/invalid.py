"""The one error that the engine raises for an input it cannot compute with."""

from types import TracebackType


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


class inside:  # noqa: N801 - it reads as the word it is: with inside("scope", "growth")
    """Lead what is refused to where it stands: what is wrong in a part is wrong in the part at `path`."""

    __slots__ = ("_path",)

    def __init__(self, *path: str | int) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing is refused yet."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Refuse anew what was refused, at the whole path."""
        if isinstance(error, InvalidInput):
            raise InvalidInput(*self._path, *error.path, code=error.code, detail=error.detail) from error
