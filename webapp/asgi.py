"""The ASGI application that uvicorn serves."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")

django = get_asgi_application()

from webapp.request_bodies import BodyLimits, StreamedUploads  # noqa: E402 - settings come first
from webapp.saves_in_turn import SavesInTurn  # noqa: E402

application = BodyLimits(StreamedUploads(SavesInTurn(django)))
