"""Read the other places of a copy: stored files, caches, mails, logs and the external copy.

Also lists the places that cannot be searched. A file whose last change was before the run cannot
contain a value that was created in the run, and is not read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.core import mail
from django.core.cache import caches
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.files.storage import default_storage
from django.db import connection

from anonymization.canary import database
from anonymization.canary.database import Piece
from anonymization.ledger import external_copy

#: The clocks of file systems and hosts differ.
_SLACK = timedelta(hours=1)
_MAIL_KEEPS = {"locmem", "filebased"}
_MAIL_SENDS_NOTHING = "dummy"


def everywhere(*, since: datetime, logged: Iterable[str], also: Iterable[Path]) -> Iterator[Piece]:
    """Yield all places that can be searched.

    ``logged`` are log lines of this process, ``also`` further files and folders.
    """
    yield from database.rows()
    yield from database.staff_sessions()
    yield from database.statistics()
    yield from database.raw_bytes()
    yield from _media(since)
    yield "logs", "this process", "\n".join(logged).encode()
    yield from _outbox()
    yield from _caches(since)
    own = [
        Path(settings.FILE_UPLOAD_TEMP_DIR),
        getattr(settings, "EMAIL_FILE_PATH", None),
        external_copy.file_of(),
    ]
    for path in [*own, *also]:
        if path:
            yield from _files("files", Path(path), since)


def out_of_reach() -> list[str]:
    """Return descriptions of the places that are not searched."""
    left = [
        "backups, replicas and what a file system has not reused yet",
        "logs of other processes and of proxies",
    ]
    if connection.vendor == "postgresql":
        left.append("PostgreSQL's data directory, WAL and log: dead rows stay until VACUUM")
    elif not database.sqlite_files():
        left.append("SQLite's bytes: a database in memory, or a transaction that is still open")
    backend = settings.EMAIL_BACKEND.split(".")[-2]
    if backend not in {*_MAIL_KEEPS, _MAIL_SENDS_NOTHING}:
        left.append(f"mails that were sent ({backend})")
    searchable = (BaseDatabaseCache, DummyCache, FileBasedCache, LocMemCache)
    left += [f"cache {alias}" for alias in caches if not isinstance(caches[alias], searchable)]
    return left


def _media(since: datetime) -> Iterator[Piece]:
    """Yield the name and the content of each stored file, with any storage backend."""
    for number, name in enumerate(_stored("")):
        yield "media", "names", name.encode(errors="surrogateescape")
        # An erasure may delete the file in the meantime.
        with suppress(FileNotFoundError):
            if default_storage.get_modified_time(name) < since - _SLACK:
                continue
            with default_storage.open(name) as file:
                for piece in database.read(file):
                    yield "media", f"content of file {number}", piece


def _stored(folder: str) -> Iterator[str]:
    try:
        folders, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    yield from (f"{folder}{name}" for name in names)
    for inner in folders:
        yield from _stored(f"{folder}{inner}/")


def _outbox() -> Iterator[Piece]:
    for number, message in enumerate(getattr(mail, "outbox", [])):
        yield (
            "mail outbox",
            f"mail {number}",
            message.message().as_bytes() + repr(vars(message)).encode(),
        )


def _caches(since: datetime) -> Iterator[Piece]:
    for alias in caches:
        cache = caches[alias]
        if isinstance(cache, LocMemCache):
            for key, value in list(cache._cache.items()):  # type: ignore[attr-defined]
                yield "cache", alias, key.encode() + b"\n" + value
        elif isinstance(cache, FileBasedCache):
            yield from _files("cache", Path(cache._dir), since)  # type: ignore[attr-defined]


def _files(kind: str, path: Path, since: datetime) -> Iterator[Piece]:
    """Yield the name and the content of a file, or of all files in a folder."""
    paths = (
        [inner for inner in sorted(path.rglob("*")) if inner.is_file()] if path.is_dir() else [path]
    )
    for number, inner in enumerate(paths):
        with suppress(FileNotFoundError):
            if inner.stat().st_mtime < (since - _SLACK).timestamp():
                continue
            yield (
                kind,
                f"names in {path}",
                str(inner.relative_to(path)).encode(errors="surrogateescape"),
            )
            with inner.open("rb") as file:
                for piece in database.read(file):
                    yield kind, f"file {number} in {path}", piece


class _Tap(logging.Handler):
    """Store the lines that another handler writes, using its filters and formatter."""

    def __init__(self, tapped: logging.Handler, lines: list[str]) -> None:
        super().__init__(tapped.level)
        self._tapped, self._lines = tapped, lines

    def emit(self, record: logging.LogRecord) -> None:
        if self._tapped.filter(record):
            self._lines.append(self._tapped.format(record))


@contextmanager
def logged() -> Iterator[list[str]]:
    """Yield a list that receives every line that a handler of this process writes in the block."""
    lines: list[str] = []
    named = [x for x in logging.Logger.manager.loggerDict.values() if isinstance(x, logging.Logger)]
    taps = [
        (logger, _Tap(h, lines))
        for logger in [logging.getLogger(), *named]
        for h in logger.handlers
    ]
    for logger, tap in taps:
        logger.addHandler(tap)
    try:
        yield lines
    finally:
        for logger, tap in taps:
            logger.removeHandler(tap)
