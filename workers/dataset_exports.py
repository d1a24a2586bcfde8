"""Write an export into the storage: it streams there, image by image."""

import io
import logging
from collections.abc import Iterator
from typing import IO, Any, cast

from webapp.datasets.export_choice import choose, make_export
from webapp.datasets.exporting import stream, told
from webapp.datasets.job_models import DatasetExport
from webapp.disk import DiskFull, check_room
from webapp.leases import LeaseLost, Status
from webapp.storage import save_stream
from workers.lease_keeper import LeaseKeeper, end_cancelled

logger = logging.getLogger(__name__)
TELL_EVERY = 20


class Pieces(io.RawIOBase):
    """An iterator of bytes as a file to read; `num_bytes` counts what was read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest, self.num_bytes = pieces, memoryview(b""), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        view = memoryview(buffer).cast("B")
        length = min(len(view), len(self._rest))
        view[:length], self._rest = self._rest[:length], self._rest[length:]
        self.num_bytes += length
        return length


def run_dataset_export(export_id: int, worker: str) -> None:
    """Claim the export and write it. A file appears whole or not at all; a kill loses the work."""
    row = DatasetExport.claim(export_id, worker)
    if row is None:
        return
    try:
        with LeaseKeeper(row) as keeper:
            made = make_export(
                row.project, choose(row.project, row.choice), row.format, row.pictures
            )
            row.write(num_found=made.dataset.num_images, num_done=0, file_name=made.file_name[:255])

            def tell(done: int) -> None:
                keeper.check()
                if done % TELL_EVERY == 0:
                    check_room()
                    row.write(num_done=done)

            pieces = Pieces(stream(told(made, tell)))
            save_stream(row.path, cast(IO[bytes], io.BufferedReader(pieces, 1 << 20)))
            keeper.check()
        row.end(Status.FINISHED, num_done=row.num_found, bytes=pieces.num_bytes)
    except LeaseLost:
        end_cancelled(row)
    except DiskFull as error:
        row.end(Status.FAILED, str(error))
    except Exception as error:
        logger.exception("Export %s failed", row.pk)
        row.end(Status.FAILED, f"The worker met an error: {error}. Its log tells more.")
