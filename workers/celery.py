"""The Celery application.

Queues: `default` (imports, exports), `gpu` (training; one at a time a device) and `detect`
(keeps detectors warm). A message is only a wake-up: the row that it names is the job
(see webapp/leases.py), so messages are acknowledged early and may be lost or doubled.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

from launcher.tether import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")

app = Celery("boxloop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_routes = {
    "workers.tasks.import_images": {"queue": "default"},
    "workers.tasks.check_health": {"queue": "default"},
    "workers.tasks.export_dataset": {"queue": "default"},
    "workers.tasks.change_dataset": {"queue": "default"},
    "workers.tasks.train": {"queue": "gpu"},
    "workers.tasks.take_in_base": {"queue": "default"},
    "workers.tasks.export_model": {"queue": "default"},
    "workers.tasks.detect": {"queue": "detect"},
}
app.autodiscover_tasks(["workers"])


@worker_process_init.connect
def _end_with_worker(**_: Any) -> None:
    """A pool's process must not outlive a worker that was killed."""
    die_with_parent()
