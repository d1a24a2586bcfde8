"""Celery workers: imports, training and detection, each a thin task around a leased row."""

from workers.celery import app as celery_app

__all__ = ["celery_app"]
