"""The one error that the engine raises for an input it cannot compute with."""


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
