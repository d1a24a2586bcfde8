"""Celery tasks. Each gets a row's id and wakes the code that claims the row."""

import socket

from celery import shared_task


def worker_name() -> str:
    return socket.gethostname()


@shared_task
def import_images(import_id: int) -> None:
    from workers.importing import run_import

    run_import(import_id, worker_name())


@shared_task
def train(run_id: int) -> None:
    from workers.training import run_training

    run_training(run_id, worker_name())


@shared_task
def detect(request_id: int) -> None:
    from workers.detecting import run_detection

    run_detection(request_id, worker_name())
