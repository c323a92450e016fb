"""How PostgreSQL tells the processes that serve event streams that a conversation has changed.

By a trigger: whatever changes a session, an erasure and hand-written SQL too, tells it, and nothing can forget to. A
notification holds the session's primary key and nothing else; it leaves at the commit, and never of what was rolled
back. Closed sessions are silent, since nobody watches them: bulk work on old ones costs nothing. SQLite has no
notifications; there the processes look whether the file has changed.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations

CHANNEL = "mluvii_gdpr_sessions"


class tell_streams(migrations.RunPython):  # noqa: N801  reads as a verb in a migration
    """Let each new row of a table wake the streams of the session that ``column`` names.

    ``on_update`` also each change of a row for which the condition on OLD holds; ``when`` restricts new rows.
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
        # The search path is the owner's, so that no table of a session stands in for ours; pg_notify is built in.
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
