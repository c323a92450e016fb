"""What a failure of the database means to a system administrator, in one sentence that quotes no value."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from typing import Any

import psycopg
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from mluvii_gdpr.logs import chain_of, is_outage

_RIGHTS = "Run this as the user of the service, or give that user the file and its folder (chown)"
#: By the name of SQLite's error, which may be followed by a detail: SQLITE_READONLY_DIRECTORY.
_SQLITE = {
    "BUSY": "another process writes to the database file. Run this again.",
    "CANTOPEN": f"the database file can't be opened. {_RIGHTS}.",
    "CORRUPT": "the database file is damaged. Restore a backup: docs/operate/back-up-and-restore.md.",
    "FULL": "the volume of the database file is full. Free space, then run this again.",
    "IOERR": "the volume of the database file fails. Look at its space and its health.",
    "NOTADB": "the file that DATABASE_URL names is not an SQLite database. Correct DATABASE_URL.",
    "PERM": f"the database file is closed to this user. {_RIGHTS}.",
    "READONLY": f"the database file can't be written. {_RIGHTS}.",
}
#: By SQLSTATE, or by its class.
_POSTGRESQL = {
    "25006": "the server takes no changes: it is a replica, or was made read-only. Correct DATABASE_URL.",
    "28": "the server refuses the role or its password. Correct DATABASE_URL, or the role or pg_hba.conf.",
    "3D000": "the server has no database of that name. Create it, or correct DATABASE_URL.",
    "40": "another process changed the same rows. Run this again.",
    "42501": "the role in DATABASE_URL lacks a right. It must own the database: docs/configuration.md, PostgreSQL.",
    "53100": "the volume of the server is full. Free space, then run this again.",
    "53300": "the server has no connection left. Raise its max_connections, or lower DATABASE_POOL.",
    "55P03": "another process holds a lock. Run this again.",
    "57P03": "the server starts, stops or recovers. Wait, then run this again.",
    "58": "the server can't read or write its files. Look at its log and its volume.",
}
#: What the server says when it refuses a connection. libpq keeps the SQLSTATE of that to itself.
_REFUSALS = {
    "28P01": "password authentication failed|no password supplied",
    "28000": r"no pg_hba\.conf entry|role .* does not exist|not permitted to log in|authentication failed",
    "3D000": "database .* does not exist",
    "53300": "too many clients|too many connections|connection slots are reserved",
    "57P03": "database system is|not yet accepting connections",
}


def explain(failure: BaseException) -> str:
    """Return what the failure means and what to do; an empty text where that is not known.

    Raises:
        Error: the database does not answer the question what is the matter.
    """
    if is_outage(failure):
        return f"the database does not answer: {_reason_of_outage()}"
    for one in chain_of(failure):
        if _lacks_table_or_column(one):
            return _say_what_is_missing()
        if isinstance(one, sqlite3.Error):
            name = getattr(one, "sqlite_errorname", "").split("_")
            if reason := _SQLITE.get(name[1] if len(name) > 1 else ""):
                return f"{reason} ({'_'.join(name)})"
        if isinstance(one, psycopg.Error) and (reason := _by_sqlstate(one.sqlstate or "")):
            return reason
    return ""


def _by_sqlstate(sqlstate: str) -> str:
    reason = _POSTGRESQL.get(sqlstate) or _POSTGRESQL.get(sqlstate[:2])
    return f"{reason} (SQLSTATE {sqlstate})" if reason else ""


def _lacks_table_or_column(failure: BaseException) -> bool:
    if isinstance(failure, sqlite3.OperationalError):
        return str(failure).startswith(
            ("no such table", "no such column")
        ) or "has no column" in str(failure)
    return isinstance(failure, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn)


def _say_what_is_missing() -> str:
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if missing:
        return (
            f"the database lacks {missing} migrations. Run manage.py migrate first, "
            "or correct DATABASE_URL if it names the wrong database."
        )
    return (
        "the database lacks a table or a column, although no migration is missing. Is DATABASE_URL right? "
        "Otherwise restore a backup: docs/operate/back-up-and-restore.md."
    )


def _reason_of_outage() -> str:
    """Connect once without the pool, which keeps the reason to itself; return why that fails."""
    params: dict[str, Any] = connection.get_connection_params()
    try:
        psycopg.connect(**{name: value for name, value in params.items() if name != "pool"}).close()
    except psycopg.OperationalError as failure:
        return _reason_of_refusal(failure)
    return "it did not in time, and does now. Run this again."


def _reason_of_refusal(failure: psycopg.OperationalError) -> str:
    text = str(failure)
    for sqlstate, words in _REFUSALS.items():
        if re.search(words, text):
            return _by_sqlstate(sqlstate)
    if re.search("resolve host|translate host name", text):
        return "the host name in DATABASE_URL can't be resolved. Correct it, or look at the name server."
    if "timeout" in text:
        return "the server did not answer a connection. Look at DATABASE_URL, firewall and server. (ETIMEDOUT)"
    for number, name in errno.errorcode.items():
        if os.strerror(number) in text:
            return f"no server listens where DATABASE_URL says. Start PostgreSQL, or correct DATABASE_URL. ({name})"
    return "the server refuses the connection. Its log says why."
