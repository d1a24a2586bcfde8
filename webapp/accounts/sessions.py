"""Django's sessions in the database, looked up by a query that is composed once."""

from typing import Any

from django.contrib.sessions.backends import db
from django.utils import timezone

from webapp.plain_sql import Table


class SessionStore(db.SessionStore):
    """As Django's, whose sessions it reads and whose it writes."""

    def _get_session_from_db(self) -> Any:
        table = Table.of(self.model)
        found = table.select("session_key", [self.session_key]) if self.session_key else []
        if found and found[0]["expire_date"] > timezone.now():
            return self.model.from_db(None, list(found[0]), list(found[0].values()))
        # Which says so, and gives the browser a new key.
        return super()._get_session_from_db()
