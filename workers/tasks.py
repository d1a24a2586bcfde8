"""Celery tasks. Each gets a row's id and wakes the code that claims the row."""

import socket

from celery import shared_task


def worker_name() -> str:
    return socket.gethostname()


@shared_task
def import_images(import_id: int) -> None:
    from workers.importing import run_import

    run_import(import_id, worker_name())
    check_after_import(import_id)


@shared_task
def train(run_id: int) -> None:
    from workers.training import run_training

    run_training(run_id, worker_name())


@shared_task
def export_model(export_id: int) -> None:
    from workers.exporting import run_export

    run_export(export_id, worker_name())


@shared_task
def detect(request_id: int) -> None:
    from workers.detecting import run_detection

    run_detection(request_id, worker_name())


@shared_task
def check_health(check_id: int) -> None:
    from workers.health import run_health_check

    run_health_check(check_id, worker_name())


@shared_task
def export_dataset(export_id: int) -> None:
    from workers.dataset_exports import run_dataset_export

    run_dataset_export(export_id, worker_name())


@shared_task
def change_dataset(work_id: int) -> None:
    from workers.dataset_works import run_dataset_work

    run_dataset_work(work_id, worker_name())


@shared_task
def take_in_base(arrival_id: int) -> None:
    from workers.bases import run_arrival

    run_arrival(arrival_id, worker_name())


def check_after_import(import_id: int) -> None:
    """Ask whether the project will train, once an import that brought something is done."""
    from webapp.datasets.health import queue_check
    from webapp.datasets.models import ImageImport
    from webapp.leases import Status
    from workers.wake import wake

    row = ImageImport.objects.filter(pk=import_id, status=Status.FINISHED).first()
    if row is not None and (row.num_taken or row.num_boxes):
        check, new = queue_check(row.project, row.created_by)
        if new:
            wake(check_health, check)
