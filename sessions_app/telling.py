"""Notify the processes that serve event streams of a changed conversation, on PostgreSQL.

A trigger sends the notification. It therefore covers every change of a session, including erasures
and manual SQL, and no code can omit it. A notification contains only the session's primary key. It
is sent at the commit, and never for a change that was rolled back. Closed sessions send nothing,
because nobody watches them. Bulk work on old sessions therefore costs nothing. SQLite has no
notifications; there the processes check whether the file has changed.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations

CHANNEL = "mluvii_gdpr_sessions"


class tell_streams(migrations.RunPython):  # noqa: N801  reads as a verb in a migration
    """Create a trigger so that each new row of a table wakes the streams of its session.

    ``column`` contains the session's primary key. ``when`` restricts the new rows. With
    ``on_update``, each update for which this condition (on OLD) is true also wakes the streams.
    """

    def __init__(self, table: str, column: str, *, when: str = "", on_update: str = "") -> None:
        self.table, self.column, self.when, self.on_update = table, column, when, on_update
        super().__init__(self._make, self._drop)

    def deconstruct(self) -> Any:
        return (
            self.__class__.__name__,
            [self.table, self.column],
            {"when": self.when, "on_update": self.on_update},
        )

    def _make(self, _apps: Any, editor: Any) -> None:
        if editor.connection.vendor != "postgresql":
            return
        name = f"tell_{self.table}"
        # The fixed search path keeps a temporary table of a database session from replacing one
        # of ours. pg_notify is built in.
        editor.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$"
            f"BEGIN PERFORM pg_notify('{CHANNEL}', NEW.{self.column}::text); RETURN NULL; END $$"
        )
        inserted = f"WHEN ({self.when}) " if self.when else ""
        editor.execute(
            f"CREATE TRIGGER {name} AFTER INSERT ON {self.table} FOR EACH ROW {inserted}EXECUTE FUNCTION {name}()"
        )
        if self.on_update:
            editor.execute(
                f"CREATE TRIGGER {name}_update AFTER UPDATE ON {self.table} "
                f"FOR EACH ROW WHEN ({self.on_update}) EXECUTE FUNCTION {name}()"
            )

    def _drop(self, _apps: Any, editor: Any) -> None:
        if editor.connection.vendor == "postgresql":
            editor.execute(f"DROP FUNCTION IF EXISTS tell_{self.table}() CASCADE")
