from typing import Any

from django.core.management.base import BaseCommand

from workers.sweeper import sweep_for_ever


class Command(BaseCommand):
    help = "Watch the leases: put back what dead workers left, send again what the broker lost."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            sweep_for_ever()
        except KeyboardInterrupt:
            pass
