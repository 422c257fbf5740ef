"""From bytes to text: what a file is not, and how its characters are written."""

import codecs
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeAlias

from flow_forecaster.engine.invalid import InvalidInput

Opened: TypeAlias = Callable[[], BinaryIO]
"""Gives the file from its beginning, as often as it is called."""

_CHUNK = 2**20
_NO_TEXT: dict[bytes, str] = {
    b"PK\x03\x04": "a zip archive or a workbook",
    b"PK\x05\x06": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"\xd0\xcf\x11\xe0": "an old workbook",
    b"%PDF": "a PDF",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"GIF8": "an image",
    b"RIFF": "an image",
    b"SQLite format 3\x00": "a database",
}
_STRAY, _FOREIGN = re.compile("[\udc80-\udcff]"), re.compile("[\x80-\ud7ff\ue000-\U0010ffff]")
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def encoding_of(opened: Opened) -> str:
    """Find out how the text of a file is written: UTF-8, UTF-16 or, where it is no UTF-8, cp1252.

    Raises:
        InvalidInput: it is empty, no text, text in none of these, or UTF-8 that is broken.
    """
    head = opened().read(4096)
    if not head.strip():
        raise InvalidInput(code="empty_file", detail="The file is empty.")
    for magic, name in _NO_TEXT.items():
        if head.startswith(magic):
            raise InvalidInput(code="not_text", detail=f"This is {name}; send the export as text, CSV or JSON.")
    marked = next((name for bom, name in _BOMS.items() if head.startswith(bom)), None)
    return _proved(opened, [marked] if marked else [*_without_a_mark(head), "utf-8", "cp1252"])


def _without_a_mark(head: bytes) -> list[str]:
    """Tell UTF-16 by the zeros of its Latin letters."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) * 4 < len(head):
        return []
    return ["utf-16-le"] if odd > even else ["utf-16-be"]


def _proved(opened: Opened, encodings: list[str]) -> str:
    for encoding in encodings:
        if _is_written_in(opened(), encoding):
            return encoding
        if encoding.startswith("utf-8"):
            _check_whole(opened())
    detail = "The file is no text in UTF-8, UTF-16 or Windows-1252, or it holds characters that no text has."
    raise InvalidInput(code="not_text", detail=detail)


def _is_written_in(stream: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while chunk := stream.read(_CHUNK):
            if "\0" in decoder.decode(chunk):
                return False
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _check_whole(stream: BinaryIO) -> None:
    """Check that what is no UTF-8 is not UTF-8 for the most part: as Windows-1252 all of it would be read wrongly.

    Raises:
        InvalidInput: more characters are written in UTF-8 than bytes are not.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
    characters = strays = lines = at = 0
    while chunk := stream.read(_CHUNK):
        text = decoder.decode(chunk)
        if not strays and (found := _STRAY.search(text)) is not None:
            at = lines + text.count("\n", 0, found.start()) + 1
        characters += len(_FOREIGN.findall(text))
        strays += len(_STRAY.findall(text))
        lines += text.count("\n")
    if decoder.decode(b"", final=True):
        strays, at = strays + 1, at or lines + 1
    if characters > strays:
        detail = f"The file is written in UTF-8, but line {at:,} of it is not, or was cut; export it again."
        raise InvalidInput(code="broken_text", detail=detail)


@contextmanager
def text_of(opened: Opened, encoding: str) -> Iterator[io.TextIOWrapper]:
    """Read a file as text, its ends of lines as they are; the file stays open for the next reader."""
    wrapped = io.TextIOWrapper(opened(), encoding=encoding, newline="")
    try:
        yield wrapped
    finally:
        wrapped.detach()
