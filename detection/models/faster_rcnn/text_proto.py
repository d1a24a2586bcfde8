"""Read the protocol-buffer text format without its messages: names, values, nesting.

Grammar: https://protobuf.dev/reference/protobuf/textformat-spec/. A reader that knows no message
takes any field; what reads the values (``config``) says which it wants.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?P<skip>[ \t\r\n\f\v]+|\#[^\n]*)
      | (?P<name>[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<number>[-+]?(?:\.[0-9]|[0-9])[A-Za-z0-9_.+-]*|-[A-Za-z]+)
      | (?P<string>"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*')
      | (?P<mark>[{}<>\[\]:,;])""",
    re.VERBOSE,
)
_CLOSING = {"{": "}", "<": ">"}
_TRUE, _FALSE = ("true", "True", "t"), ("false", "False", "f")
# Deeper nesting than any real file has would only exhaust the stack.
MAX_DEPTH = 64


class TextProtoError(ValueError):
    """A text that cannot be read; the message says file, line, value and what would be right."""

    def __init__(self, source: str, line: int, message: str) -> None:
        super().__init__(f"{source}, line {line}: {message}")
        self.source, self.line = source, line


@dataclass(frozen=True, slots=True)
class Value:
    """A scalar as it is written, with the line that it stands in."""

    text: str
    kind: str
    line: int


@dataclass(slots=True)
class Message:
    """The fields of one message, in order; a field may come more than once."""

    source: str
    line: int = 1
    path: str = ""
    fields: dict[str, list[Value | Message]] = field(default_factory=dict)

    def error(self, line: int, message: str) -> TextProtoError:
        return TextProtoError(self.source, line, message)

    def message(self, name: str) -> Message | None:
        """The message of that name (the last where there are several), or None.

        Raises TextProtoError where it is a plain value.
        """
        found = self.fields.get(name)
        if not found:
            return None
        last = found[-1]
        if not isinstance(last, Message):
            raise self.error(last.line, f"{self.path}{name} is {last.text}; expected {{ ... }}.")
        return last

    def number(self, name: str, default: float) -> float:
        """The number of that name. Raises TextProtoError where it is none."""
        value = self._scalar(name)
        return default if value is None else self._as_number(name, value)

    def integer(self, name: str, default: int) -> int:
        value = self._scalar(name)
        if value is None:
            return default
        number = self._as_number(name, value)
        if number != int(number):
            raise self._wrong(name, value, "a whole number")
        return int(number)

    def flag(self, name: str, default: bool) -> bool:
        value = self._scalar(name)
        if value is None:
            return default
        if value.text in (*_TRUE, "1"):
            return True
        if value.text in (*_FALSE, "0"):
            return False
        raise self._wrong(name, value, "true or false")

    def word(self, name: str, default: str) -> str:
        """A string or the name of an enumeration's value."""
        value = self._scalar(name)
        if value is None:
            return default
        return value.text[1:-1] if value.kind == "string" else value.text

    def numbers(self, name: str) -> tuple[float, ...]:
        """All values of a repeated field."""
        found = []
        for value in self.fields.get(name, []):
            if isinstance(value, Message):
                raise self.error(value.line, f"{self.path}{name} is a message; expected a number.")
            found.append(self._as_number(name, value))
        return tuple(found)

    def line_of(self, name: str) -> int:
        """The line that the field stands in; the message's own where it is absent."""
        found = self.fields.get(name)
        return found[-1].line if found else self.line

    def _scalar(self, name: str) -> Value | None:
        found = self.fields.get(name)
        if not found:
            return None
        last = found[-1]
        if isinstance(last, Message):
            raise self.error(last.line, f"{self.path}{name} is a message; expected a value.")
        return last

    def _as_number(self, name: str, value: Value) -> float:
        text = value.text.lower()
        try:
            if value.kind == "string":
                raise ValueError
            if text.lstrip("+-").startswith("0x"):
                return float(int(text, 16))
            # A trailing f is how C writes a float.
            return float(text.rstrip("f") if text not in ("inf", "-inf") else text)
        except ValueError:
            raise self._wrong(name, value, "a number") from None

    def _wrong(self, name: str, value: Value, wanted: str) -> TextProtoError:
        return self.error(value.line, f"{self.path}{name} is {value.text[:40]}; expected {wanted}.")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def parse_text_proto(text: str, source: str) -> Message:
    """The message that ``text`` is. Raises TextProtoError outside the grammar."""
    reader = _Reader(text, source)
    message = Message(source)
    reader.fields_into(message, "", 0)
    return message


class _Reader:
    """A recursive-descent reader with one token of look-ahead."""

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        self._tokens = _scan(text, source)
        self._token = next(self._tokens)

    def fields_into(self, message: Message, closing: str, depth: int) -> None:
        """Read fields until ``closing`` (or the text's end) and take it."""
        if depth > MAX_DEPTH:
            raise self._error(f"Messages are nested more than {MAX_DEPTH} deep.")
        while not self._take(closing):
            if self._token.kind == "end" and not closing:
                return
            if self._token.kind != "name":
                wanted = f"a field or '{closing}'" if closing else "a field"
                raise self._unexpected(wanted)
            name = self._next().text
            has_colon = self._take(":")
            values = message.fields.setdefault(name, [])
            if self._take("["):
                while not self._take("]"):
                    values.append(self._value(message, name, depth))
                    self._take(",")
            elif has_colon or self._token.text in _CLOSING:
                values.append(self._value(message, name, depth))
            else:
                raise self._unexpected(f"':' or '{{' after {name}")
            if not self._take(","):
                self._take(";")

    def _value(self, message: Message, name: str, depth: int) -> Value | Message:
        token = self._token
        if token.kind == "mark" and token.text in _CLOSING:
            self._next()
            nested = Message(self._source, token.line, f"{message.path}{name}.")
            self.fields_into(nested, _CLOSING[token.text], depth + 1)
            return nested
        if token.kind not in ("name", "number", "string"):
            raise self._unexpected(f"a value of {name}")
        self._next()
        text = token.text
        while token.kind == "string" and self._token.kind == "string":
            text = text[:-1] + self._next().text[1:]
        return Value(text, token.kind, token.line)

    def _take(self, mark: str) -> bool:
        if mark and self._token.kind == "mark" and self._token.text == mark:
            self._next()
            return True
        return False

    def _next(self) -> _Token:
        token, self._token = self._token, next(self._tokens)
        return token

    def _unexpected(self, wanted: str) -> TextProtoError:
        at = self._token
        found = "the text ends" if at.kind == "end" else f"{at.text[:40]!r} stands here"
        return self._error(f"Expected {wanted}, but {found}.")

    def _error(self, message: str) -> TextProtoError:
        return TextProtoError(self._source, self._token.line, message)


def _scan(text: str, source: str) -> Iterator[_Token]:
    offset, line = 0, 1
    while offset < len(text):
        match = _TOKEN.match(text, offset)
        if match is None:
            found = text[offset]
            words = (
                "This string does not end on its line."
                if found in "\"'"
                else f"The character {found!r} is not expected here."
            )
            raise TextProtoError(source, line, words)
        if match.lastgroup != "skip":
            yield _Token(str(match.lastgroup), match.group(), line)
        line += match.group().count("\n")
        offset = match.end()
    while True:
        yield _Token("end", "", line)
