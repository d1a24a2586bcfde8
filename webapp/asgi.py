"""The ASGI application that uvicorn serves."""

import gc
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")

django = get_asgi_application()

from django.urls import get_resolver  # noqa: E402 - settings come first

from webapp.request_bodies import BodyLimits, StreamedUploads  # noqa: E402
from webapp.saves_in_turn import SavesInTurn  # noqa: E402

application = BodyLimits(StreamedUploads(SavesInTurn(django)))

# All pages' code, which the collector of garbage need not look through again and again: that takes
# a tenth of a second, in which nobody is answered.
assert get_resolver().url_patterns
gc.collect()
gc.freeze()
