"""A child process that decodes users' pictures, within limits of memory and time.

Decoders are C code that reads hostile bytes. A limit on pixels, judged from the header, keeps
honest files small; it does not help against a decoder that loops, allocates by another field than
the size, or crashes. Python cannot stop C code in a thread, and the memory limits of the system
are those of a process; so each decoder has a process of its own, which is killed where it goes
over, and only that picture is lost. As a second gain, several decode at once on several cores.

Frames on the child's pipes: a line of JSON, then the bytes whose lengths it tells. Nothing that
the child answers is run or unpickled.
"""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from detection.images import (
    ImageRefused,
    encode_jpeg,
    light_jpeg_size,
    make_preview,
    open_with_facts,
)

_ROOT = Path(__file__).resolve().parent.parent
_MAX_LINE = 64 * 1024
_MAX_PICTURE = 256 * 1024**2
_READ = 1 << 20
# In the child's answer, for a picture that is the photo itself: its bytes need not come back.
_AS_IT_IS = -1


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What decoding one picture may take. ``memory_bytes`` is on top of what the process needs."""

    max_pixels: int = 100_000_000
    memory_bytes: int = 2 * 1024**3
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Size:
    """A smaller picture to make: its longer side in pixels and its JPEG quality.

    A JPEG is decoded by 2, 4 or 8 smaller in a fraction of the time. Where that leaves between
    ``min_side`` and ``max_side`` pixels, the picture may be taken as it comes.
    """

    max_side: int
    quality: int
    min_side: int = 0

    @property
    def least_side(self) -> int:
        """What to ask of the decoder."""
        return self.min_side or self.max_side


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """A picture that was decoded and found good; ``width`` and ``height`` are upright."""

    format: str
    width: int
    height: int
    orientation: int
    pictures: tuple[bytes, ...]  # upright JPEGs without metadata, one for each size asked


def decode_picture(data: bytes, sizes: tuple[Size, ...], max_pixels: int) -> DecodedPicture:
    """Decode in this process. ``sizes`` go from large to small; each is made from the last.

    A light JPEG that is small enough stands for itself: that is faster, and loses nothing.

    Raises ImageRefused.
    """
    light = light_jpeg_size(data)
    made = [size for size in sizes if light is None or size.max_side < max(light)]
    side = max((size.least_side for size in made), default=1)
    facts, picture = open_with_facts(data, max_pixels, min_side=side)
    pictures = []
    for size in sizes:
        if size in made:
            picture = make_preview(picture, size.max_side)
            pictures.append(encode_jpeg(picture, size.quality))
        else:
            pictures.append(data)
    return DecodedPicture(
        facts.format, facts.width, facts.height, facts.orientation, tuple(pictures)
    )


class Decoder:
    """One child at a time; for use by one thread."""

    def __init__(self, limits: DecodeLimits | None = None) -> None:
        self.limits = limits or DecodeLimits()
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def decode(self, data: bytes, sizes: tuple[Size, ...]) -> DecodedPicture:
        """``decode_picture`` in the child. Raises ImageRefused, also where a limit was passed."""
        for last in (False, True):
            try:
                return self._ask(data, sizes)
            except TimeoutError:
                self.close()
                raise ImageRefused(
                    f"Decoding it took more than {self.limits.seconds:g} s, which is the limit."
                ) from None
            except (OSError, EOFError, ValueError) as error:
                self.close()
                # The child may have died of something else; a second death is the picture's.
                if last or self._stopped or isinstance(error, ImageRefused):
                    raise _as_refusal(error) from None
        raise AssertionError("unreachable")

    def stop(self) -> None:
        """From another thread: end the child, and what is asked of it, for good."""
        self._stopped = True
        self.close()

    def close(self) -> None:
        """End the child, whatever it does."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    pass
        child.wait()

    def _ask(self, data: bytes, sizes: tuple[Size, ...]) -> DecodedPicture:
        child = self._running()
        assert child.stdin is not None
        assert child.stdout is not None
        asked = [[size.max_side, size.quality, size.min_side] for size in sizes]
        head = json.dumps({"bytes": len(data), "sizes": asked}).encode() + b"\n"
        deadline = time.monotonic() + self.limits.seconds
        if len(data) <= _READ:
            _write(child.stdin, head + data, deadline)
        else:
            _write(child.stdin, head, deadline)
            _write(child.stdin, data, deadline)
        answer, rest = _read_line(child.stdout, deadline)
        if "refused" in answer:
            raise ImageRefusedByChild(str(answer["refused"])[:1000])
        lengths = [int(length) for length in answer["bytes"]]
        if len(lengths) != len(sizes) or not all(_AS_IT_IS <= n <= _MAX_PICTURE for n in lengths):
            raise ValueError("The child answers nonsense.")
        body = _read(child.stdout, rest, sum(max(0, length) for length in lengths), deadline)
        pictures, at = [], 0
        for length in lengths:
            if length == _AS_IT_IS:
                pictures.append(data)
            else:
                pictures.append(body[at : at + length])
                at += length
        return DecodedPicture(
            str(answer["format"])[:10], int(answer["width"]), int(answer["height"]),
            int(answer["orientation"]), tuple(pictures),
        )  # fmt: skip

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            limits = self.limits
            numbers = [limits.max_pixels, limits.memory_bytes, limits.seconds]
            self._child = subprocess.Popen(
                [sys.executable, "-m", "detection.decoder", *map(str, numbers)],
                cwd=_ROOT,
                # Threads of the numeric library would only cost address space.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
            for pipe in (self._child.stdin, self._child.stdout):
                assert pipe is not None
                os.set_blocking(pipe.fileno(), False)
        return self._child


class ImageRefusedByChild(ImageRefused):
    """The child looked at the picture and would not have it; the child is well."""


def _as_refusal(error: Exception) -> ImageRefused:
    if isinstance(error, ImageRefused):
        return error
    return ImageRefused("Its content makes the decoder crash.")


# ---- The pipes, seen from the parent; a deadline passes as TimeoutError


def _wait(pipe: Any, deadline: float, *, to_write: bool = False) -> None:
    poll = select.poll()
    poll.register(pipe, select.POLLOUT if to_write else select.POLLIN)
    if not poll.poll(1000 * max(0.0, deadline - time.monotonic())):
        raise TimeoutError


def _write(pipe: Any, data: bytes, deadline: float) -> None:
    view = memoryview(data)
    while view:
        written = pipe.write(view[:_READ])
        if written is None:
            _wait(pipe, deadline, to_write=True)
        else:
            view = view[written:]


def _read_some(pipe: Any, deadline: float) -> bytes:
    while (data := pipe.read(_READ)) is None:
        _wait(pipe, deadline)
    if not data:
        raise EOFError("The child has ended.")
    return bytes(data)


def _read_line(pipe: Any, deadline: float) -> tuple[dict[str, Any], bytes]:
    """The answer's first line, and what came with it."""
    data = b""
    while b"\n" not in data:
        if len(data) > _MAX_LINE:
            raise ValueError("The child answers nonsense.")
        data += _read_some(pipe, deadline)
    line, _, rest = data.partition(b"\n")
    answer = json.loads(line)
    if not isinstance(answer, dict):
        raise ValueError("The child answers nonsense.")
    return answer, rest


def _read(pipe: Any, start: bytes, length: int, deadline: float) -> bytes:
    parts, have = [start], len(start)
    while have < length:
        parts.append(_read_some(pipe, deadline))
        have += len(parts[-1])
    return b"".join(parts)


# ---- The child


def serve(source: BinaryIO, sink: BinaryIO, limits: DecodeLimits) -> None:
    """Answer picture after picture until the parent closes the pipe, or dies."""
    own = _address_space()
    while line := source.readline(_MAX_LINE):
        asked = json.loads(line)
        _limit_memory(own + asked["bytes"] + limits.memory_bytes)
        data = source.read(asked["bytes"])
        if len(data) < asked["bytes"]:
            return
        _limit_time(limits.seconds)
        sizes = tuple(Size(*size) for size in asked["sizes"])
        try:
            found = decode_picture(data, sizes, limits.max_pixels)
        except ImageRefused as error:
            _answer(sink, {"refused": str(error)})
        except MemoryError:
            _answer(sink, {"refused": _words_for_memory(limits)})
        else:
            lengths = [_AS_IT_IS if p is data else len(p) for p in found.pictures]
            head = {
                "format": found.format, "width": found.width, "height": found.height,
                "orientation": found.orientation, "bytes": lengths,
            }  # fmt: skip
            _answer(sink, head, *(p for p in found.pictures if p is not data))
            del found
        del data


def _answer(sink: BinaryIO, head: dict[str, Any], *parts: bytes) -> None:
    sink.write(json.dumps(head).encode() + b"\n")
    for part in parts:
        sink.write(part)
    sink.flush()


def _words_for_memory(limits: DecodeLimits) -> str:
    return f"Decoding it needs more than {limits.memory_bytes // 1024**2:,} MB of memory."


def _address_space() -> int:
    """How much this process has now, in bytes; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGESIZE")


def _limit_memory(limit: int) -> None:
    """Beyond it malloc fails."""
    if sys.platform != "linux":
        return  # the limits on pixels and time remain
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _limit_time(seconds: float) -> None:
    """The parent keeps the clock; this ends a child whose parent is dead."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 2
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def main(arguments: list[str]) -> int:
    limits = DecodeLimits(int(arguments[0]), int(arguments[1]), float(arguments[2]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _warm_up()
    # The answers' pipe is for answers: what a library prints goes to the log.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.stdin.buffer, sink, limits)
    except BrokenPipeError:
        os._exit(1)  # the parent is gone
    return 0


def _warm_up() -> None:
    """Load the codecs before memory is counted."""
    from PIL import Image

    Image.init()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
