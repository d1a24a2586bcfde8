"""``tf.train.Example`` as bytes: a map from names to lists of bytes, floats or integers.

message Example   { Features features = 1; }
message Features  { map<string, Feature> feature = 1; }
message Feature   { oneof { BytesList = 1; FloatList = 2; Int64List = 3; } }
message BytesList { repeated bytes value = 1; }      others: repeated ... value = 1 [packed]
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from detection.names import visible

_FIELD_1 = b"\x0a"  # field 1, length-delimited
Values = list[bytes] | list[float] | list[int]
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class ExampleError(ValueError):
    """Bytes that are no Example, or an Example without what was asked of it."""


class FeatureKey:
    """A key of the features' map; its methods give the map's entry for a list of values.

    What an entry starts with depends on the key alone and is made once: records are written by
    the ten thousand a second.
    """

    __slots__ = ("_name",)

    def __init__(self, key: str) -> None:
        name = key.encode("utf-8")
        self._name = b"".join((_FIELD_1, _varint(len(name)), name, b"\x12"))

    def bytes_list(self, values: Sequence[bytes]) -> bytes:
        """The entry with a BytesList."""
        parts = [part for value in values for part in (_FIELD_1, _varint(len(value)), value)]
        body = b"".join(parts)
        return _head(self._name, b"\x0a", len(body)) + body

    def one_bytes(self, value: bytes) -> tuple[bytes, bytes]:
        """The entry with one byte string, in two parts, so that a large one is not copied."""
        start = _FIELD_1 + _varint(len(value))
        return _head(self._name, b"\x0a", len(start) + len(value)) + start, value

    def floats(self, values: Sequence[float]) -> bytes:
        """The entry with a FloatList (float32, packed)."""
        size = 4 * len(values)
        body = struct.pack(f"<{len(values)}f", *values)
        body = b"".join((_FIELD_1, _varint(size), body)) if values else b""
        return _head(self._name, b"\x12", len(body)) + body

    def ints(self, values: Sequence[int]) -> bytes:
        """The entry with an Int64List (packed)."""
        if not values:
            return _head(self._name, b"\x1a", 0)
        small = min(values) >= 0 and max(values) < 0x80
        packed = bytes(values) if small else b"".join(map(_varint, values))
        body = b"".join((_FIELD_1, _varint(len(packed)), packed))
        return _head(self._name, b"\x1a", len(body)) + body


@lru_cache(maxsize=4096)
def _head(name: bytes, kind: bytes, body_size: int) -> bytes:
    """All that stands before a body of this size: entry, key, feature, list."""
    inner = kind + _varint(body_size)
    feature_size = _varint(len(inner) + body_size)
    size = len(name) + len(feature_size) + len(inner) + body_size
    return b"".join((_FIELD_1, _varint(size), name, feature_size, inner))


def encode_features(parts: Sequence[bytes]) -> bytes:
    """The Example with these entries, or parts of entries in order."""
    return b"".join((_FIELD_1, _varint(sum(map(len, parts))), *parts))


_SMALL_VARINTS = tuple(
    bytes((value,)) if value < 0x80 else bytes((value & 0x7F | 0x80, value >> 7))
    for value in range(1 << 12)
)


def _varint(value: int) -> bytes:
    if 0 <= value < 1 << 12:
        return _SMALL_VARINTS[value]
    if 1 << 14 <= value < 1 << 21:  # the size of most pictures
        return bytes((value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14))
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Example(dict[str, Values]):
    """A parsed Example: each key's list of values. Floats are float32 values as Python floats."""

    def bytes_list(self, key: str) -> list[bytes]:
        """The key's byte strings; empty where the key is absent."""
        return [value for value in self._of_kind(key, bytes) if isinstance(value, bytes)]

    def floats(self, key: str) -> list[float]:
        """The key's floats; empty where the key is absent."""
        return [value for value in self._of_kind(key, float) if isinstance(value, float)]

    def ints(self, key: str) -> list[int]:
        """The key's integers; empty where the key is absent."""
        return [value for value in self._of_kind(key, int) if isinstance(value, int)]

    def one_bytes(self, key: str) -> bytes:
        """The key's only byte string. Raises ExampleError where there is not exactly one."""
        values = self.bytes_list(key)
        if len(values) != 1:
            raise ExampleError(f"{key} has {len(values)} values instead of one.")
        return values[0]

    def one_int(self, key: str) -> int:
        """The key's only integer. Raises ExampleError where there is not exactly one."""
        values = self.ints(key)
        if len(values) != 1:
            raise ExampleError(f"{key} has {len(values)} values instead of one.")
        return values[0]

    def _of_kind(self, key: str, kind: type) -> Values:
        values = self.get(key, [])
        if values and not isinstance(values[0], kind):
            raise ExampleError(f"{visible(key)} holds {type(values[0]).__name__} values instead "
                               f"of {kind.__name__}.")  # fmt: skip
        return values


def parse_example(data: bytes) -> Example:
    """Parse a serialised Example. Raises ExampleError where it is not one."""
    example = Example()
    view = memoryview(data)
    for number, kind, features in _fields(view):
        if (number, kind) != (1, _LENGTH):
            continue
        for entry_number, entry_kind, entry in _fields(features):
            if (entry_number, entry_kind) == (1, _LENGTH):
                key, values = _parse_entry(entry)
                example[key] = values
    if not example:
        raise ExampleError("It holds no features; it is not a tf.train.Example.")
    return example


def _parse_entry(entry: memoryview) -> tuple[str, Values]:
    key, feature = "", memoryview(b"")
    for number, kind, value in _fields(entry):
        if (number, kind) == (1, _LENGTH):
            try:
                key = bytes(value).decode("utf-8")
            except UnicodeDecodeError:
                raise ExampleError("The name of a feature is not UTF-8.") from None
        elif (number, kind) == (2, _LENGTH):
            feature = value
    values: Values = []
    for number, kind, value in _fields(feature):
        if kind == _LENGTH and number in _PARSERS:
            values = _PARSERS[number](value)
    return key, values


def _parse_bytes(body: memoryview) -> list[bytes]:
    return [bytes(value) for number, kind, value in _fields(body) if (number, kind) == (1, _LENGTH)]


def _parse_floats(body: memoryview) -> list[float]:
    values: list[float] = []
    for number, kind, value in _fields(body):
        if number == 1 and kind in (_LENGTH, _FIXED32):
            if len(value) % 4:
                raise ExampleError("A list of floats has a length that is not a multiple of 4.")
            values += struct.unpack(f"<{len(value) // 4}f", value)
    return values


def _parse_ints(body: memoryview) -> list[int]:
    values: list[int] = []
    for number, kind, value in _fields(body):
        if number == 1 and kind == _LENGTH:
            at = 0
            while at < len(value):
                item, at = _read_varint(value, at)
                values.append(_signed(item))
        elif number == 1 and kind == _VARINT:
            values.append(_signed(_read_varint(value, 0)[0]))
    return values


_PARSERS: dict[int, Callable[[memoryview], Values]] = {
    1: _parse_bytes,
    2: _parse_floats,
    3: _parse_ints,
}


def _fields(message: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Each field's number, wire type and bytes."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _read_varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _LENGTH:
            size, at = _read_varint(message, at)
        elif kind == _VARINT:
            size = _read_varint(message, at)[1] - at
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ExampleError(f"Wire type {kind} is not one that Examples use.")
        if number == 0 or at + size > end:
            raise ExampleError("A field reaches beyond its message.")
        yield number, kind, message[at : at + size]
        at += size


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        if at >= len(data) or shift > 63:
            raise ExampleError("A number reaches beyond its message.")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
