"""Store login sessions in the database, as Django does (the setting SESSION_ENGINE)."""

from __future__ import annotations

import re

from django.contrib.sessions.backends import db

_KEY = re.compile(r"[a-z0-9]{8,40}")


class SessionStore(db.SessionStore):
    """Look up only keys that Django may have made.

    A cookie can contain any character, and PostgreSQL refuses a query with a NUL.
    """

    def _validate_session_key(self, key: str | None) -> bool:
        return bool(key and _KEY.fullmatch(key))
