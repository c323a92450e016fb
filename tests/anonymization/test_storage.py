"""Test that files are stored in the right storage only, and that uploads are refused otherwise."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.test import Client

from anonymization import storage
from anonymization.models import FileDeletion, StorageMarker
from anonymization.storage import StorageUnavailable, mark_storage, require_storage
from sessions_app.models import Attachment, Session
from tests.database import media
from tests.factories import AttachmentFactory, SessionFactory, WebChatFactory
from tests.pages import submit
from tests.races import at_once
from tests.webchat.test_logo import picture
from tests.webchat.test_webchats import GOOD

pytestmark = pytest.mark.django_db

REFUSAL = "The file was not stored, because no files can be stored at the moment."


def failing(number: int) -> Callable[..., None]:
    def fail(*_args: object, **_options: object) -> None:
        raise OSError(number, "kanarloge", "kanarloge")

    return fail


def folder_is_missing(settings: Any, tmp_path: Path, _patch: Any) -> None:
    mark_storage()
    settings.MEDIA_ROOT = tmp_path / "not mounted"


def folder_is_empty(settings: Any, tmp_path: Path, _patch: Any) -> None:
    mark_storage()
    settings.MEDIA_ROOT = tmp_path / "not mounted"
    settings.MEDIA_ROOT.mkdir()


def folder_is_a_file(settings: Any, tmp_path: Path, _patch: Any) -> None:
    mark_storage()
    settings.MEDIA_ROOT = tmp_path / "file"
    settings.MEDIA_ROOT.write_text("x")


def folder_is_another_installations(settings: Any, tmp_path: Path, _patch: Any) -> None:
    mark_storage()
    settings.MEDIA_ROOT = tmp_path / "theirs"
    settings.MEDIA_ROOT.mkdir()
    (settings.MEDIA_ROOT / "storage-1f0c").touch()


def new_database_in_a_used_folder(settings: Any, _tmp_path: Path, _patch: Any) -> None:
    settings.MEDIA_ROOT.mkdir()
    (settings.MEDIA_ROOT / "storage-1f0c").touch()


def new_database_and_a_file_as_folder(settings: Any, tmp_path: Path, _patch: Any) -> None:
    settings.MEDIA_ROOT = tmp_path / "file"
    settings.MEDIA_ROOT.write_text("x")


def writing_fails(_settings: Any, _tmp_path: Path, patch: Any, *, number: int) -> None:
    mark_storage()
    patch.setattr(FileSystemStorage, "save", failing(number))


def all_fails(_settings: Any, _tmp_path: Path, patch: Any) -> None:
    mark_storage()
    for name in ("save", "exists", "delete"):
        patch.setattr(FileSystemStorage, name, failing(errno.EIO))


FAULTS: dict[str, Callable[[Any, Path, Any], None]] = {
    "missing": folder_is_missing,
    "empty": folder_is_empty,
    "a file": folder_is_a_file,
    "another installation's": folder_is_another_installations,
    "new database, used folder": new_database_in_a_used_folder,
    "new database, a file": new_database_and_a_file_as_folder,
    "read-only": partial(writing_fails, number=errno.EROFS),
    "full": partial(writing_fails, number=errno.ENOSPC),
    "no right": partial(writing_fails, number=errno.EACCES),
    "broken": all_fails,
}


@pytest.fixture(params=FAULTS)
def fault(request: Any, settings: Any, tmp_path: Path, monkeypatch: Any) -> Callable[[], None]:
    """Return a function that makes the storage fail."""
    return partial(FAULTS[request.param], settings, tmp_path, monkeypatch)


@pytest.fixture
def nothing_stored(settings: Any) -> Callable[[], bool]:
    """Return a function that returns whether no row and no file were stored."""

    def is_so() -> bool:
        names = {name for name in media() if not name.endswith("storage-1f0c")}
        return (Attachment.objects.count(), names) == (0, set())

    return is_so


@pytest.mark.parametrize("headers", [{}, {"X-Fetched": "1"}], ids=["page", "fetched"])
def test_a_visitor_is_told_at_the_field(
    client: Client,
    fault: Callable[[], None],
    nothing_stored: Callable[[], bool],
    headers: dict[str, str],
) -> None:
    room = submit(client, WebChatFactory()).headers["Location"]
    fault()
    response = client.post(
        f"{room}file/", {"file": SimpleUploadedFile("a.txt", b"x")}, headers=headers
    )
    assert response.status_code == 503
    html = response.content.decode()
    assert REFUSAL in html
    assert f'action="{room}file/"' in html, "the script finds the form and its error by it"
    assert nothing_stored()
    assert client.post(f"{room}message/", {"text": "still here"}).status_code == 302


@pytest.mark.parametrize("headers", [{}, {"X-Fetched": "1"}], ids=["page", "fetched"])
def test_an_operator_is_told_at_the_field(
    log_in: Any,
    fault: Callable[[], None],
    nothing_stored: Callable[[], bool],
    headers: dict[str, str],
) -> None:
    session = SessionFactory()
    fault()
    sent = {"file": SimpleUploadedFile("a.txt", b"x")}
    response = log_in("operator").post(f"/sessions/{session.pk}/files/", sent, headers=headers)
    assert response.status_code == 503
    html = response.content.decode()
    assert REFUSAL in html
    assert f'action="/sessions/{session.pk}/files/"' in html
    assert nothing_stored()
    session.refresh_from_db()
    assert (session.operator, session.attachments_count) == (None, 0), (
        "who sends nothing takes nothing"
    )


def test_an_administrator_is_told_at_the_logo_and_keeps_what_was_typed(
    log_in: Any, fault: Callable[[], None], nothing_stored: Callable[[], bool]
) -> None:
    webchat = WebChatFactory(name="Before")
    fault()
    sent = GOOD | {"logo": SimpleUploadedFile("x.png", picture(), "image/png")}
    response = log_in("administrator").post(f"/settings/webchat/{webchat.pk}/", sent)
    assert response.status_code == 503
    assert REFUSAL in response.content.decode()
    assert 'value="Shop Prague"' in response.content.decode()
    webchat.refresh_from_db()
    assert (webchat.logo.name, webchat.name) == ("", "Before")
    assert nothing_stored()


def test_the_other_settings_need_no_storage(log_in: Any, fault: Callable[[], None]) -> None:
    webchat = WebChatFactory()
    fault()
    assert log_in("administrator").post(f"/settings/webchat/{webchat.pk}/", GOOD).status_code == 302


def test_a_logo_that_can_not_be_deleted_now_is_removed_all_the_same(
    log_in: Any, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    """The file no longer has a row, so ``delete_erased_files`` deletes it."""
    webchat = WebChatFactory(
        logo=default_storage.save("logos/shop.png", SimpleUploadedFile("x", b"logo"))
    )
    monkeypatch.setattr(FileSystemStorage, "delete", failing(errno.EROFS))
    with django_capture_on_commit_callbacks(execute=True):
        sent = GOOD | {"remove_logo": "on"}
        assert (
            log_in("administrator").post(f"/settings/webchat/{webchat.pk}/", sent).status_code
            == 302
        )
    webchat.refresh_from_db()
    assert not webchat.logo


def test_what_is_stored_but_not_readable_is_not_found(
    client: Client, log_in: Any, settings: Any
) -> None:
    webchat = WebChatFactory(logo="logos/shop.png")
    room = submit(client, webchat).headers["Location"]
    session = Session.objects.get()
    file = AttachmentFactory(session=session)
    settings.MEDIA_ROOT = settings.MEDIA_ROOT / "file"
    settings.MEDIA_ROOT.write_text("x")
    assert client.get(f"{room}files/{file.pk}/").status_code == 404
    assert client.get(f"/w/{webchat.public_id}/logo/").status_code == 404
    assert log_in("operator").get(f"/sessions/{session.pk}/files/{file.pk}/").status_code == 404


def test_a_half_written_file_stays_queued_where_it_can_not_be_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = SessionFactory()
    mark_storage()
    save = FileSystemStorage._save

    def until_full(self: Any, name: str, content: Any) -> str:
        save(self, name, content)
        raise OSError(errno.ENOSPC, "kanarloge")

    with monkeypatch.context() as patch:
        patch.setattr(FileSystemStorage, "_save", until_full)
        with pytest.raises(StorageUnavailable):
            AttachmentFactory(session=session)
        assert (media(), FileDeletion.objects.count()) == ({}, 0)
        patch.setattr(FileSystemStorage, "delete", failing(errno.EROFS))
        with pytest.raises(StorageUnavailable):
            AttachmentFactory(session=session)
    assert list(media()) == [FileDeletion.objects.get().name]


def test_a_storage_that_changes_during_an_upload_takes_no_file_for_gone(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = SessionFactory()
    mark_storage()
    right, save = settings.MEDIA_ROOT, FileSystemStorage.save

    def unmounted(self: Any, *args: Any, **options: Any) -> str:
        save(self, *args, **options)
        settings.MEDIA_ROOT = tmp_path / "not mounted"
        raise OSError(errno.ESTALE, "kanarloge")

    monkeypatch.setattr(FileSystemStorage, "save", unmounted)
    with pytest.raises(StorageUnavailable):
        AttachmentFactory(session=session)
    settings.MEDIA_ROOT = right
    assert list(media()) == [FileDeletion.objects.get().name]


def test_an_upload_into_the_right_storage_lists_nothing(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    mark_storage()
    monkeypatch.setattr(FileSystemStorage, "listdir", failing(errno.EIO))
    with django_assert_num_queries(1):
        require_storage()


def test_a_first_upload_that_fails_leaves_no_marker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the next upload would treat it as the marker of another installation."""
    with monkeypatch.context() as patch:
        patch.setattr(FileSystemStorage, "save", failing(errno.ENOSPC))
        with pytest.raises(StorageUnavailable):
            require_storage()
    assert not StorageMarker.objects.exists()

    def write_and_lose_the_database(name: str) -> None:
        write(name)
        raise DatabaseError

    write = storage._write_marker
    with monkeypatch.context() as patch:
        patch.setattr(storage, "_write_marker", write_and_lose_the_database)
        with pytest.raises(DatabaseError):
            require_storage()
    assert (StorageMarker.objects.count(), default_storage.listdir("")[1]) == (0, [])
    require_storage()
    assert default_storage.listdir("")[1] == [StorageMarker.objects.get().name]


@pytest.mark.django_db(transaction=True)
def test_first_uploads_at_once_mark_the_storage_once() -> None:
    answers = at_once([require_storage] * 8)
    assert answers == [None] * 8
    assert default_storage.listdir("")[1] == [StorageMarker.objects.get().name]


@pytest.mark.parametrize("fault", ["new database, used folder", "new database, a file"])
def test_demo_data_are_refused_with_a_sentence(settings: Any, tmp_path: Path, fault: str) -> None:
    """This happens, for example, if only the database was deleted."""
    settings.DEBUG = True
    FAULTS[fault](settings, tmp_path, None)
    with pytest.raises(CommandError, match=r"^MEDIA_ROOT takes no files"):
        call_command("make_demo")
    assert not Session.objects.exists()
