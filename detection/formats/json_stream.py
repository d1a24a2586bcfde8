"""JSON files read one array element at a time, so that their size does not matter.

The standard decoder does the parsing, piece by piece. It takes ``NaN`` and ``Infinity``, which
pandas writes and which no other streaming parser takes: they reach the readers, who refuse the
number and not the file. Errors name the line.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO

from detection.archive import ArchiveError
from detection.formats.drawn import AnnotationError

MAX_ELEMENT = 64 * 1024 * 1024
_PIECE = 256 * 1024
_SPACE = " \t\r\n"


class _MoreNeeded(Exception):
    """The text that is here ends within a value."""


class JsonStream:
    """A JSON text, read once from its start. ``file`` is its name, for messages.

    ``line`` is the line at which the element that was given last begins.
    """

    def __init__(self, stream: BinaryIO, file: str) -> None:
        self._stream, self.file = stream, file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()
        self._decoder = json.JSONDecoder()
        self._text, self._at, self._ended = "", 0, False
        # The line at which the text's position `_counted` stands.
        self._counted, self._line = 0, 1
        self.line = 1

    def opening(self) -> str:
        """The first character that is no space: ``{``, ``[`` or another. It stays to be read."""
        return self._peek()

    def members(self, arrays: Collection[str]) -> Iterator[tuple[str, Any]]:
        """Members of the object that starts here: ``(key, element)`` for each element of the
        arrays under a key of ``arrays``, ``(key, value)`` for all else, whole.

        Raises AnnotationError where the text is no JSON or an element is too large.
        """
        self._expect("{")
        while (at := self._peek()) != "}":
            if at != '"':
                raise self._error('a key in "quotation marks"')
            key = str(self._value())
            self._expect(":")
            if key in arrays and self._peek() == "[":
                for element in self.elements():
                    yield key, element
            else:
                yield key, self._value()
            self._separator("}")
        self._expect("}")

    def elements(self) -> Iterator[Any]:
        """Elements of the array that starts here. Raises AnnotationError."""
        self._expect("[")
        while self._peek() != "]":
            yield self._value()
            self._separator("]")
        self._expect("]")

    def values(self) -> Iterator[Any]:
        """Values that stand one after another, as in JSON lines. Raises AnnotationError."""
        while self._peek():
            yield self._value()

    def _separator(self, end: str) -> None:
        at = self._peek()
        if at == ",":
            self._at += 1
            if self._peek() == end:
                raise self._error("another value after the comma")
        elif at != end:
            raise self._error(f"',' or {end!r}")

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            raise self._error(repr(character))
        self._at += 1

    def _peek(self) -> str:
        """The next character that is no space, or an empty string at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def _value(self) -> Any:
        self._peek()
        self.line = self._line_at(self._at)
        while True:
            try:
                return self._decoded()
            except _MoreNeeded:
                wanted = max(_PIECE, len(self._text) - self._at)
                if wanted > MAX_ELEMENT:
                    limit = f"{MAX_ELEMENT // 2**20} MB"
                    raise AnnotationError(
                        self.file, f"One value in it is larger than {limit}.", self.line
                    ) from None
                # At the end the next try says what is wrong.
                self._more(wanted)

    def _decoded(self) -> Any:
        try:
            value, end = self._decoder.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            # What is wrong may only be that the rest has not been read.
            if not self._ended:
                raise _MoreNeeded from None
            if error.pos >= len(self._text) or "Unterminated" in error.msg:
                raise self._cut_short() from None
            line = self._line_at(error.pos)
            words = f"It is not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}."
            raise AnnotationError(self.file, words, line) from None
        except RecursionError:
            words = "It is nested too deeply to be an annotation file."
            raise AnnotationError(self.file, words, self.line) from None
        except ValueError:
            words = "It holds a whole number of thousands of digits."
            raise AnnotationError(self.file, words, self.line) from None
        if end == len(self._text) and not self._ended:
            raise _MoreNeeded  # a number may go on
        self._at = end
        return value

    def _more(self, size: int = _PIECE) -> bool:
        """Read on; False at the end."""
        if self._ended:
            return False
        try:
            data = self._stream.read(size)
            text = self._decode.decode(data, final=not data)
        except UnicodeDecodeError:
            line = self._line_at(len(self._text))
            raise AnnotationError(self.file, "It is not UTF-8 text.", line) from None
        except (ArchiveError, OSError) as error:
            raise AnnotationError(self.file, str(error)) from None
        self._line = self._line_at(self._at)
        self._text, self._at, self._counted = self._text[self._at :] + text, 0, 0
        self._ended = not data
        return not self._ended

    def _line_at(self, position: int) -> int:
        # Counted on from the last time: from the start it would be quadratic.
        if position >= self._counted:
            self._line += self._text.count("\n", self._counted, position)
        else:
            self._line -= self._text.count("\n", position, self._counted)
        self._counted = position
        return self._line

    def _error(self, expected: str) -> AnnotationError:
        if not self._peek():
            return self._cut_short()
        found = self._text[self._at : self._at + 12]
        words = f"It is not valid JSON: {expected} is expected where {found!r} stands."
        return AnnotationError(self.file, words, self._line_at(self._at))

    def _cut_short(self) -> AnnotationError:
        line = self._line_at(len(self._text))
        return AnnotationError(self.file, "It is cut short: it ends within a value.", line)
