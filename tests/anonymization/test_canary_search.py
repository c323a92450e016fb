"""Test that a canary is found in every spelling and place, and that other values are not found."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import logging
import os
import zipfile
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from urllib.parse import quote, quote_plus

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.mail import EmailMessage
from django.db import connection
from django.utils import timezone

from anonymization.canary import database, places, planters, run
from anonymization.canary.spellings import Search, encoded, letters
from anonymization.canary.values import LENGTH, Canaries, Canary
from sessions_app.matching import match_keys
from sessions_app.models import Guest
from tests.factories import WebChatFactory

VALUE = "Kq7Xaz2žAbCdEf123456"
SEARCH = Search([Canary("it", (VALUE,)), Canary("another", ("Kq7Xaz2žzzzzzzzzzzzz",))])


def zipped(data: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("first.txt", b"something else")
        archive.writestr("second.txt", data)
    return stream.getvalue()


def whole_digest(name: str) -> Callable[[bytes], bytes]:
    return lambda data: hashlib.new(name, data).hexdigest().encode()


SPELLED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "lower": lambda data: data.decode().lower().encode(),
    "folded": lambda data: match_keys(
        name=data.decode(), email="", phone="", region="CZ"
    ).name.encode(),
    "plain UTF-16": lambda data: data.decode().encode("utf-16"),
    "plain base64": base64.b64encode,
    "plain hex": lambda data: data.hex().encode(),
    "plain JSON": lambda data: json.dumps(data.decode()).encode(),
    "plain URL": lambda data: quote(data).encode(),
    "plain MD5": whole_digest("md5"),
    "plain SHA-1": whole_digest("sha1"),
    "plain SHA-256": whole_digest("sha256"),
    "plain, in zlib": zlib.compress,
    "plain, in gzip": gzip.compress,
    "plain, in zip": zipped,
}
OTHER_FORMS: dict[str, tuple[str, bytes]] = {
    "stored in zip": ("plain", zipped(VALUE.encode(), zipfile.ZIP_STORED)),
    "big endian": ("plain UTF-16", VALUE.encode("utf-16-be")),
    "capital digits": ("plain hex", VALUE.encode().hex().upper().encode()),
    "digest in capitals": (
        "plain SHA-1",
        hashlib.sha1(VALUE.encode()).hexdigest().upper().encode(),  # noqa: S324
    ),
    "digest among digits": (
        "plain MD5",
        b"00" + hashlib.md5(VALUE.encode()).hexdigest().encode() + b"ff",  # noqa: S324
    ),
    "digest of small letters": (
        "lower SHA-256",
        hashlib.sha256(VALUE.lower().encode()).hexdigest().encode(),
    ),
    "one in another": ("plain, in gzip, in zip", zipped(gzip.compress(b"..." + VALUE.encode()))),
    "base64 in zlib": ("plain base64, in zlib", zlib.compress(base64.b64encode(VALUE.encode()))),
    "cut off": (
        "plain, in zlib",
        zlib.compress(VALUE.encode() * 9 + bytes(range(256)) * 900, 0)[:-400],
    ),
    "far behind": ("plain, in zlib", bytes(20_000) + zlib.compress(VALUE.encode())),
    "at the end of something long": (
        "plain, in zlib",
        zlib.compress(bytes(range(256)) * 200 + VALUE.encode(), 0),
    ),
    "alphabet of URLs": (
        "plain base64",
        base64.urlsafe_b64encode(b"\xff\xfe" + VALUE.encode() + b"\xfb\xff").rstrip(b"="),
    ),
}


@pytest.mark.parametrize("spelling", SPELLED)
def test_every_spelling_is_found(spelling: str) -> None:
    around = b"\x00before:" + SPELLED[spelling](VALUE.encode()) + b":behind\xff"
    assert ("it", spelling) in SEARCH.find(around)
    assert not SEARCH.find(
        b"before:" + SPELLED[spelling](b"Kq7Xaz2" + "ž".encode() + b"000000000000")
    )
    assert {label for label, _ in SEARCH.find(around)} == {"it"}


@pytest.mark.parametrize("before", range(3))
def test_base64_is_found_in_each_alignment(before: int) -> None:
    data = base64.b64encode(b"x" * before + VALUE.encode() + b"yz")
    assert SEARCH.find(data) == {("it", "plain base64")}


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_other_forms_are_found(form: str) -> None:
    spelling, data = OTHER_FORMS[form]
    assert ("it", spelling) in SEARCH.find(data)


def test_a_form_field_is_found() -> None:
    search = Search([Canary("it", ("Xaver Kanár",))])
    assert ("it", "plain URL") in search.find(quote_plus("Xaver Kanár").encode())


def test_canaries_are_the_same_for_the_same_label_only() -> None:
    canaries = Canaries()
    assert canaries.text("a") == canaries.text("a") != canaries.text("b")
    phone = canaries.phone("phone")
    key = match_keys(name="", email="", phone=phone, region="CZ").phone
    assert Search(canaries).find(key.encode()) == {("phone", "plain")}
    address = canaries.address("address").encode()
    assert Search(canaries).find(address) == {("address", "plain")}


def test_canaries_have_the_form_of_what_they_stand_for(monkeypatch: pytest.MonkeyPatch) -> None:
    canaries = Canaries()
    assert len(canaries.text("text")) == LENGTH == 20
    assert canaries.email("email").partition("@")[1:] == ("@", "example.com")
    assert len(canaries.email("email")) == LENGTH + len("@example.com")
    assert canaries.email("email")[:8] == canaries.text("text")[:8], (
        "a search looks for few beginnings"
    )
    monkeypatch.setattr("anonymization.canary.values.secrets.randbelow", lambda end: end - 1)
    assert canaries.phone("phone") == "+43 1 2999 99999999"
    (phone,) = (canary for canary in canaries if canary.label == "phone")
    assert phone.values == ("+43 1 2999 99999999", "+431299999999999", "431299999999999")
    monkeypatch.setattr("anonymization.canary.values.secrets.randbelow", lambda end: 0)
    assert canaries.phone("least") == "+43 1 2000 00000000"
    assert len(canaries) == 4


def test_a_model_has_one_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planters, "_planters", {})
    monkeypatch.setattr(planters, "_discover", lambda: None)
    assert planters.planter_of(Guest)(letters) is letters
    assert planters.planters() == {Guest: letters}
    with pytest.raises(ValueError, match=r"^sessions_app\.Guest has a door already\.$"):
        planters.planter_of(Guest)(encoded)
    assert planters.planters() == {Guest: letters}


PLACES: dict[str, Callable[[str], Any]] = {
    "database: sessions_app_guest.name": lambda value: Guest.objects.create(name=value),
    "database: nobodys.words": lambda value: _table_without_a_model(value),
    "database: django_admin_log.object_repr": lambda value: _admin_history(value),
    "django_session: session_data": lambda value: _log_in(value),
    "media: names": lambda value: default_storage.save(f"a/b/{value}", ContentFile(b"nothing")),
    "media: content of file 0": lambda value: default_storage.save(
        "a/b/c", ContentFile(value.encode())
    ),
    "mail outbox: mail 0": lambda value: mail.send_mail(
        "Hello", value, "a@example.com", ["b@example.com"]
    ),
    "cache: default": lambda value: cache.set("key", {"said": value}),
    "logs: this process": lambda value: logging.getLogger("anonymization").warning(
        "said %s", value
    ),
}


def _table_without_a_model(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE nobodys (words text)")
        cursor.execute("INSERT INTO nobodys VALUES (%s)", [value])


def _admin_history(value: str) -> None:
    LogEntry.objects.create(
        user=User.objects.create(username="root"), content_type=ContentType.objects.first(), object_id="1",
        object_repr=value, action_flag=CHANGE,
    )  # fmt: skip


def _log_in(value: str) -> None:
    store = SessionStore()
    store["looked up"] = {"name": value}
    store.save()


def places_of(canaries: Canaries, **options: Any) -> set[str]:
    return {hit.place for hit in run.search(canaries, since=timezone.now(), **options).hits}


@pytest.mark.django_db
@pytest.mark.parametrize("place", PLACES)
def test_every_place_is_searched(place: str) -> None:
    canaries = Canaries()
    value = canaries.text("it")
    cache.clear()
    with places.logged() as lines:
        assert places_of(canaries, logged=lines) == set()
        PLACES[place](value)
        assert place in places_of(canaries, logged=lines)
    cache.clear()


@pytest.mark.django_db
def test_caches_and_mails_in_files_are_searched(settings: Any, tmp_path: Path) -> None:
    canaries = Canaries()
    for name in ("cache", "mail", "upload"):
        (tmp_path / name).mkdir()
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
                                   "LOCATION": tmp_path / "cache"}}  # fmt: skip
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "upload")
    cache.set("key", canaries.text("it"))
    mail.send_mail("Hello", canaries.text("it"), "a@example.com", ["b@example.com"])
    (tmp_path / "upload" / "tmp1.upload").write_text(canaries.text("it"))
    found = {(place.partition(":")[0], place.rpartition("/")[2]) for place in places_of(canaries)}
    assert found == {("cache", "cache"), ("files", "mail"), ("files", "upload")}


@pytest.mark.django_db
def test_a_file_that_disappears_meanwhile_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    canaries = Canaries()
    for name in ("gone", "there"):
        default_storage.save(name, ContentFile(canaries.text("it").encode()))
    names = sorted(places._stored(""))
    monkeypatch.setattr(places, "_stored", lambda _folder: names)
    assert "media: content of file 0" in places_of(canaries)
    default_storage.delete("gone")
    assert places_of(canaries) == {"media: content of file 1"}


@pytest.mark.django_db
def test_statistics_are_searched() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite keeps no values beside the rows")
    canaries = Canaries()
    # The columns of people have no statistics.
    WebChatFactory(name=canaries.text("it"))
    WebChatFactory(name="another")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE webchat_webchat")
    assert "pg_stats: webchat_webchat.name" in places_of(canaries)


class ElsewhereCache(BaseCache):
    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("backend", "mails"),
    [("smtp", ["mails that were sent (smtp)"]), ("locmem", []), ("filebased", []), ("dummy", [])],
)
def test_what_is_not_searched_is_said(
    settings: Any, tmp_path: Path, backend: str, mails: list[str]
) -> None:
    settings.EMAIL_BACKEND = f"django.core.mail.backends.{backend}.EmailBackend"
    known = (
        "dummy.DummyCache",
        "locmem.LocMemCache",
        "filebased.FileBasedCache",
        "db.DatabaseCache",
    )
    settings.CACHES = {
        name: {"BACKEND": f"django.core.cache.backends.{name}", "LOCATION": tmp_path / "x"}
        for name in known
    } | {"default": {"BACKEND": f"{__name__}.ElsewhereCache"}}
    assert places.out_of_reach() == [
        "backups, replicas and what a file system has not reused yet",
        "logs of other processes and of proxies",
        "PostgreSQL's data directory, WAL and log: dead rows stay until VACUUM"
        if connection.vendor == "postgresql"
        else "SQLite's bytes: a database in memory, or a transaction that is still open",
        *mails,
        "cache default",
    ]


def test_letters_are_folded_and_each_spelling_has_its_name() -> None:
    assert list(letters("Žák")) == [("plain", "Žák"), ("lower", "žák"), ("folded", "zak")]
    assert list(letters("Straße")) == [
        ("plain", "Straße"),
        ("lower", "straße"),
        ("lower", "strasse"),
    ]
    assert list(letters("zak")) == [("plain", "zak")]
    names = [name for name, _needle in encoded("Kq7Xaz2")]
    assert names == ["", *["UTF-16"] * 2, *["base64"] * 6, *["hex"] * 2, "JSON", *["URL"] * 2]


def test_of_base64_all_letters_are_searched_that_depend_on_nothing_else() -> None:
    needles = [needle for name, needle in encoded("Kq7Xaz2") if name == "base64"]
    assert [len(needle) for needle in needles] == [9, 9, 8, 8, 9, 9]
    for before in range(3):
        for behind in (b"", b"\0", b"\xff", b"yz"):
            assert needles[2 * before] in base64.b64encode(b"\xff" * before + b"Kq7Xaz2" + behind)
    usual, of_urls = [needle for name, needle in encoded("a>?b>?c") if name == "base64"][:2]
    assert (usual, of_urls) == (b"YT4/Yj4/Y", b"YT4_Yj4_Y")


def test_a_long_file_is_read_in_pieces_that_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_PIECE", 8)
    monkeypatch.setattr(database, "_OVERLAP", 3)
    read = list(database.read(io.BytesIO(b"0123456789abcdef01")))
    assert read == [b"01234567", b"56789abcdef", b"def01"]


def test_the_files_of_sqlite_are_all_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = str(tmp_path / "db.sqlite3")
    for end in ("", "-wal", "-journal", "-shm"):
        Path(name + end).write_bytes(b"x" + end.encode())
    cursor = MagicMock()
    stored = SimpleNamespace(
        vendor="sqlite", settings_dict={"NAME": name}, in_atomic_block=False, is_in_memory_db=lambda: False,
        cursor=lambda: cursor,
    )  # fmt: skip
    monkeypatch.setattr(database, "connection", stored)
    assert list(database.raw_bytes()) == [
        ("SQLite's bytes", "file", b"x"),
        ("SQLite's bytes", "wal", b"x-wal"),
        ("SQLite's bytes", "journal", b"x-journal"),
    ]
    cursor.__enter__().execute.assert_called_once_with("PRAGMA wal_checkpoint(TRUNCATE)")
    for change in (
        {"vendor": "postgresql"},
        {"in_atomic_block": True},
        {"is_in_memory_db": lambda: True},
    ):
        monkeypatch.setattr(database, "connection", SimpleNamespace(**{**vars(stored), **change}))
        assert database.sqlite_files() == []


@pytest.mark.django_db
def test_a_hidden_recipient_is_found() -> None:
    canaries = Canaries()
    EmailMessage("Hello", "Hello", "a@example.com", bcc=[canaries.email("it")]).send()
    assert places_of(canaries) == {"mail outbox: mail 0"}


@pytest.mark.django_db
def test_tables_of_other_schemas_are_searched() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one schema")
    canaries = Canaries()
    with connection.cursor() as cursor:
        cursor.execute('CREATE SCHEMA "Old"')
        cursor.execute('CREATE TABLE "Old".people (name text)')
        cursor.execute('INSERT INTO "Old".people VALUES (%s)', [canaries.text("it")])
    assert places_of(canaries) == {"database: Old.people.name"}


@pytest.mark.django_db
def test_what_was_last_changed_before_the_run_is_not_read(tmp_path: Path) -> None:
    canaries = Canaries()
    for name, age in (("old", 7200), ("new", 1800)):
        (tmp_path / name).write_text(canaries.text("it"))
        then = (timezone.now() - timedelta(seconds=age)).timestamp()
        os.utime(tmp_path / name, (then, then))
    assert places_of(canaries, also=[tmp_path]) == {f"files: file 0 in {tmp_path}"}
    (tmp_path / canaries.text("it")).mkdir()
    (tmp_path / canaries.text("it") / "inner").write_text("nothing")
    assert f"files: names in {tmp_path}" in places_of(canaries, also=[tmp_path])
