"""Text from a file or standard input, of a size that can be held, or one line that says why not."""

import json
from pathlib import Path
from typing import IO, Any

LARGEST_INPUT = 10 * 2**20  # bytes


class Refused(Exception):
    """A command that cannot do what was asked; its text is the line to print."""


class InputError(Refused):
    """Say what is wrong with an input: `source`, `line` (from 1, or None) and `detail`; str() is one printable line."""

    def __init__(self, detail: str, *, source: str = "", line: int | None = None) -> None:
        super().__init__(detail)
        self.source, self.line, self.detail = source, line, detail

    def __str__(self) -> str:
        text = f"{self.source}{'' if self.line is None else f', line {self.line}'}: {self.detail}"
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def read_text(source: str, stdin: IO[str] | IO[bytes] | None) -> str:
    """Read the file `source`, or `stdin` when it is "-", with lines that end in a line feed; raises InputError."""
    return _decoded(_contents(source, stdin))


def read_json(source: str, stdin: IO[str] | IO[bytes] | None) -> Any:
    """Read JSON from the file `source`, or from `stdin` when it is "-"; raises InputError."""
    name = "standard input" if source == "-" else source
    try:
        return json.loads(read_text(source, stdin))
    except json.JSONDecodeError as error:
        raise InputError(f"is not well-formed JSON: {error.msg.lower()}", source=name, line=error.lineno) from None
    except (RecursionError, ValueError) as error:
        detail = (
            "is JSON nested too deeply" if isinstance(error, RecursionError) else "holds a number of too many digits"
        )
        raise InputError(detail, source=name) from None
    except InputError as error:
        raise InputError(error.detail, source=name, line=error.line) from None


def _contents(source: str, stdin: IO[str] | IO[bytes] | None) -> bytes:
    try:
        if source != "-":
            with Path(source).open("rb") as file:
                return _limited(file)
        if stdin is None:
            raise InputError("is closed")
        return _limited(getattr(stdin, "buffer", stdin))
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL, a stream that is closed
        raise InputError(f"cannot be read: {str(getattr(error, 'strerror', None) or error).lower()}") from None


def _limited(stream: IO[str] | IO[bytes]) -> bytes:
    read = bytearray()
    while len(read) <= LARGEST_INPUT:
        chunk = stream.read(LARGEST_INPUT + 1 - len(read))
        if not chunk:
            return bytes(read)
        read += chunk.encode("utf-8", "surrogatepass") if isinstance(chunk, str) else chunk
    raise InputError(f"is larger than {LARGEST_INPUT // 2**20} MiB")


def _decoded(data: bytes) -> str:
    """Turn bytes into text whose lines end in a line feed."""
    if not data:
        raise InputError("is empty")
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = None if wide else data.count(b"\n", 0, error.start) + 1
        raise InputError("is not text in UTF-8, nor in UTF-16 with a byte order mark", line=line) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError("holds a NUL character: this is no text, or UTF-16 without a byte order mark", line=line)
    return text
