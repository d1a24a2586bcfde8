"""The protocol-buffer text format, as far as label maps need it.

Grammar: https://protobuf.dev/reference/protobuf/textformat-spec/ for the message
``StringIntLabelMap`` of the TensorFlow Object Detection API, with what its own reader takes:
``#`` comments, ``,`` and ``;`` between fields, ``{}`` and ``<>``, list syntax, hexadecimal and
octal integers, joined strings, C escapes, and the last value where a field comes twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<skip>[ \t\r\n\f\v]+|\#[^\n]*)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<number>-?(?:\.[0-9]|[0-9])[A-Za-z0-9_.+-]*)
      | (?P<string>"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*')
      | (?P<mark>[{}<>\[\]:,;])""",
    re.VERBOSE,
)
_INTEGER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|0[0-7]+|[1-9][0-9]*|0)")
_ESCAPE = re.compile(r"\\(?:[0-7]{1,3}|[xX][0-9a-fA-F]{1,2}|.)", re.DOTALL)
_SIMPLE_ESCAPES = {
    "a": b"\a", "b": b"\b", "f": b"\f", "n": b"\n", "r": b"\r", "t": b"\t", "v": b"\v",
    "\\": b"\\", "'": b"'", '"': b'"', "?": b"?",
}  # fmt: skip
_CLOSING = {"{": "}", "<": ">"}

# Fields of each message: how a value is written.
_MAP_FIELDS = {"item": "message"}
_ITEM_FIELDS = {
    "name": "string", "id": "int32", "display_name": "string", "keypoints": "message",
    "ancestor_ids": "string", "descendant_ids": "string", "frequency": "enum",
    "instance_count": "int32",
}  # fmt: skip
_KEYPOINT_FIELDS = {"id": "int32", "label": "string"}
_FREQUENCIES = frozenset({"UNSPECIFIED", "FREQUENT", "COMMON", "RARE"})


class LabelMapError(ValueError):
    """A label map that cannot be taken; ``line`` and ``column`` count from 1."""

    def __init__(self, source: str, line: int, column: int, message: str) -> None:
        super().__init__(f"{source}, line {line}, column {column}: {message}")
        self.source, self.line, self.column, self.message = source, line, column, message


@dataclass(slots=True)
class ParsedItem:
    """One ``item`` as written; None where a field is absent."""

    text: str
    source: str
    offset: int
    name: str | None = None
    id: int | None = None
    display_name: str | None = None

    def error(self, message: str) -> LabelMapError:
        """An error at the place where the item starts."""
        return _error_at(self.text, self.offset, self.source, message)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int


def parse_items(text: str, source: str) -> Iterator[ParsedItem]:
    """Read the items of a label map one by one. Raises LabelMapError outside the grammar."""
    reader = _Reader(text, source)
    while reader.token.kind != "end":
        yield from reader.item_field()


def _error_at(text: str, offset: int, source: str, message: str) -> LabelMapError:
    line = text.count("\n", 0, offset) + 1
    column = offset - text.rfind("\n", 0, offset)
    return LabelMapError(source, line, column, message)


class _Reader:
    """A recursive-descent reader with one token of look-ahead."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source
        self._tokens = self._scan()
        self.token = next(self._tokens)

    def item_field(self) -> Iterator[ParsedItem]:
        """Read one ``item`` field of the map: a message, or a list of them."""
        self._field_name(_MAP_FIELDS, "a label map")
        self._take_mark(":")
        if not self._take_mark("["):
            yield self._item()
        elif not self._take_mark("]"):
            yield self._item()
            while self._take_mark(","):
                yield self._item()
            self._expect_mark("]")
        self._end_of_field()

    def _item(self) -> ParsedItem:
        item = ParsedItem(self._text, self._source, self.token.offset)
        closing = self._open_message()
        while not self._take_mark(closing):
            field = self._field_name(_ITEM_FIELDS, "an item")
            if field == "keypoints":
                self._take_mark(":")
                self._each(self._keypoint)
            else:
                self._expect_mark(":")
                self._item_value(item, field)
            self._end_of_field()
        return item

    def _item_value(self, item: ParsedItem, field: str) -> None:
        if field == "name":
            item.name = self._string()
        elif field == "display_name":
            item.display_name = self._string()
        elif field == "id":
            item.id = self._int32()
        elif field == "instance_count":
            self._int32()
        elif field == "frequency":
            self._frequency()
        else:
            self._each(self._string)

    def _keypoint(self) -> None:
        closing = self._open_message()
        while not self._take_mark(closing):
            field = self._field_name(_KEYPOINT_FIELDS, "keypoints")
            self._expect_mark(":")
            if field == "id":
                self._int32()
            else:
                self._string()
            self._end_of_field()

    def _each(self, read_value: Callable[[], object]) -> None:
        if not self._take_mark("["):
            read_value()
        elif not self._take_mark("]"):
            read_value()
            while self._take_mark(","):
                read_value()
            self._expect_mark("]")

    def _string(self) -> str:
        start = self.token
        if start.kind != "string":
            raise self._unexpected("a string in quotes")
        data = b""
        while self.token.kind == "string":
            data += self._unescape(self.token)
            self._advance()
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise self._error(start.offset, f"The string {start.text} is not UTF-8.") from None

    def _unescape(self, token: _Token) -> bytes:
        body = token.text[1:-1]
        if "\\" not in body:
            return body.encode("utf-8")
        pieces, end = [], 0
        for match in _ESCAPE.finditer(body):
            pieces.append(body[end : match.start()].encode("utf-8"))
            end = match.end()
            pieces.append(self._escape(match.group()[1:], token.offset + 1 + match.start()))
        pieces.append(body[end:].encode("utf-8"))
        return b"".join(pieces)

    def _escape(self, code: str, offset: int) -> bytes:
        if code in _SIMPLE_ESCAPES:
            return _SIMPLE_ESCAPES[code]
        if code[0] in "xX" and len(code) > 1:
            return bytes([int(code[1:], 16)])
        if code[0] in "01234567" and int(code, 8) < 256:
            return bytes([int(code, 8)])
        raise self._error(
            offset,
            f"\\{code} is not an escape of label maps. Write the character itself, "
            "or its UTF-8 bytes such as \\303\\251.",
        )

    def _int32(self) -> int:
        token = self.token
        if token.kind != "number" or not _INTEGER.fullmatch(token.text):
            raise self._unexpected("a whole number")
        digits = token.text.lstrip("-")
        base = 16 if digits[:2] in ("0x", "0X") else 8 if digits.startswith("0") else 10
        # A greater count of digits is out of range anyway, and int() of many is slow.
        value = int(digits, base) if len(digits) <= 40 else 2**63
        value = -value if token.text.startswith("-") else value
        if not -(2**31) <= value < 2**31:
            raise self._error(token.offset, f"The number {token.text[:40]} is beyond 32 bits.")
        self._advance()
        return value

    def _frequency(self) -> None:
        if self.token.kind == "number":
            self._int32()
        elif self.token.text in _FREQUENCIES:
            self._advance()
        else:
            raise self._unexpected("FREQUENT, COMMON or RARE")

    def _field_name(self, fields: dict[str, str], where: str) -> str:
        token = self.token
        if token.kind != "name":
            raise self._unexpected(f"a field of {where} ({', '.join(fields)})")
        if token.text not in fields:
            raise self._error(
                token.offset,
                f"{where.capitalize()} has no field {token.text!r}; it has {', '.join(fields)}.",
            )
        self._advance()
        return token.text

    def _open_message(self) -> str:
        if self.token.text not in _CLOSING or self.token.kind != "mark":
            raise self._unexpected("'{'")
        closing = _CLOSING[self.token.text]
        self._advance()
        return closing

    def _end_of_field(self) -> None:
        if not self._take_mark(","):
            self._take_mark(";")

    def _take_mark(self, mark: str) -> bool:
        if self.token.kind == "mark" and self.token.text == mark:
            self._advance()
            return True
        return False

    def _expect_mark(self, mark: str) -> None:
        if not self._take_mark(mark):
            raise self._unexpected(f"{mark!r}")

    def _advance(self) -> None:
        self.token = next(self._tokens)

    def _scan(self) -> Iterator[_Token]:
        offset, text = 0, self._text
        while offset < len(text):
            match = _TOKEN.match(text, offset)
            if match is None:
                raise self._error(offset, self._words_for(offset))
            if match.lastgroup != "skip":
                yield _Token(str(match.lastgroup), match.group(), offset)
            offset = match.end()
        while True:
            yield _Token("end", "", len(text))

    def _words_for(self, offset: int) -> str:
        character = self._text[offset]
        if character in "\"'":
            return "This string does not end on its line."
        if self._text.startswith("/*", offset) or self._text.startswith("//", offset):
            return "Comments start with #."
        return f"The character {character!r} is not expected here."

    def _unexpected(self, wanted: str) -> LabelMapError:
        token = self.token
        found = "the text ends" if token.kind == "end" else f"{token.text[:40]!r} stands here"
        return self._error(token.offset, f"Expected {wanted}, but {found}.")

    def _error(self, offset: int, message: str) -> LabelMapError:
        return _error_at(self._text, offset, self._source, message)
