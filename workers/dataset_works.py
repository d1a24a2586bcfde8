"""Make a change of many images, batch by batch; a kill takes back the batch it fell into."""

import logging

from webapp.datasets.health_models import DatasetChange
from webapp.datasets.job_models import DatasetWork
from webapp.datasets.works import do
from webapp.leases import LeaseLost, Status
from workers.lease_keeper import LeaseKeeper, end_cancelled

logger = logging.getLogger(__name__)


def run_dataset_work(work_id: int, worker: str) -> None:
    """Claim the work and do it. Cancelled, it leaves what is done, which can be taken back."""
    work = DatasetWork.claim(work_id, worker)
    if work is None:
        return
    try:
        with LeaseKeeper(work) as keeper:

            def tell(done: int, total: int, change: DatasetChange | None) -> None:
                keeper.check()
                # In the batch's transaction: what is done and what is said to be done are one.
                work.write(num_done=done, num_found=total, change=change or work.change)

            said = do(work, tell)
        work.end(Status.FINISHED, said=said)
    except LeaseLost:
        end_cancelled(work)
    except Exception as error:
        logger.exception("%s (work %s) failed", work.words, work.pk)
        work.end(Status.FAILED, f"The worker met an error: {error}. Its log tells more.")
