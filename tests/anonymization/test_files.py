"""Test that a file counts as deleted only if this is certain, and no upload escapes an erasure."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from anonymization import engine, files, storage
from anonymization.ledger import recording
from anonymization.models import Erasure, FileDeletion, Source, StorageMarker
from sessions_app import conversation, lock
from sessions_app.models import Attachment, Session
from tests.database import media, media_contains
from tests.factories import AttachmentFactory, ErasureFactory, RecordFactory, SessionFactory
from tests.races import wait_until_blocked_by_me

pytestmark = pytest.mark.django_db

COMMAND = recording.Requester(Source.COMMAND)


def send(session: Session) -> Attachment:
    return AttachmentFactory(session=session, content=b"Kassiopeia", original_name="a.txt")


def call(command: str, capsys: Any) -> tuple[int, str]:
    """Return a command's exit code and its output on both streams."""
    code, refusal = 0, ""
    try:
        call_command(command)
    except CommandError as refused:
        code, refusal = refused.returncode, str(refused)
    return code, capsys.readouterr().out + refusal


@pytest.fixture
def erased(django_capture_on_commit_callbacks: Any) -> Erasure:
    """Return the record of an erasure whose file is still stored."""
    record = ErasureFactory(subject=send(SessionFactory()).session)
    assert (len(media()), record.pending_files) == (1, 1)
    return record


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "not mounted"
    folder.mkdir()
    return folder


def test_a_process_that_sees_another_storage_takes_no_file_for_gone(
    erased: Erasure, elsewhere: Path, settings: Any, capsys: Any, log_in: Any
) -> None:
    right, marker = settings.MEDIA_ROOT, StorageMarker.objects.get()
    settings.MEDIA_ROOT = elsewhere
    assert files.delete_files_of([erased.pk]) == 1
    for command in ("delete_erased_files", "erasure_status"):
        code, said = call(command, capsys)
        assert code == 1, command
        assert (
            f"The storage lacks {marker.name}: is MEDIA_ROOT right, is the share mounted?" in said
        ), command
    page: Client = log_in("officer")
    assert "still has to be deleted" in page.get(erased.get_absolute_url()).content.decode()

    settings.MEDIA_ROOT = right
    assert len(media()) == 1
    assert call("delete_erased_files", capsys)[0] == 0
    assert (media(), erased.pending_files) == ({}, 0)
    assert call("erasure_status", capsys)[0] == 0
    assert (
        "Done: content and files are deleted, identifying fields are cleared"
        in page.get(erased.get_absolute_url()).content.decode()
    )


def test_a_refused_upload_does_not_make_another_storage_the_right_one(
    erased: Erasure, elsewhere: Path, settings: Any, capsys: Any
) -> None:
    settings.MEDIA_ROOT = elsewhere
    with pytest.raises(storage.StorageUnavailable):
        send(SessionFactory(new_guest=True))
    assert list(elsewhere.iterdir()) == []
    assert call("delete_erased_files", capsys)[0] == 1
    assert erased.pending_files == 1
    assert StorageMarker.objects.count() == 1


def test_files_go_in_batches_and_one_that_fails_holds_up_no_other(
    erased: Erasure, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [
        default_storage.save(f"attachments/{number}", ContentFile(b"Kassiopeia"))
        for number in range(4)
    ]
    FileDeletion.objects.bulk_create(FileDeletion(erasure=erased, name=name) for name in names)
    delete = FileSystemStorage.delete

    def refuse(self: Any, name: str) -> None:
        if name == names[1]:
            raise OSError
        delete(self, name)

    monkeypatch.setattr(FileSystemStorage, "delete", refuse)
    monkeypatch.setattr(files, "BATCH", 2)
    assert len(media()) == 5
    assert files.delete_files_of([erased.pk]) == 1
    assert list(media()) == [names[1]]
    assert [(left.name, left.attempts) for left in erased.file_deletions.all()] == [(names[1], 1)]


def test_a_file_deleted_by_hand_is_gone_where_the_storage_is_the_right_one(
    erased: Erasure, settings: Any, capsys: Any
) -> None:
    (name,) = media()
    (Path(settings.MEDIA_ROOT) / name).unlink()
    assert call("delete_erased_files", capsys)[0] == 0
    assert erased.pending_files == 0


def test_a_missing_file_is_not_gone_while_no_storage_is_marked(
    erased: Erasure, capsys: Any
) -> None:
    StorageMarker.objects.all().delete()
    default_storage.delete(FileDeletion.objects.get().name)
    code, said = call("delete_erased_files", capsys)
    assert (code, erased.pending_files) == (1, 1)
    assert (
        said
        == "1 files could not be deleted yet. No storage is marked yet: the first upload will do it."
    )


def test_a_storage_that_does_not_answer_is_reported(
    erased: Erasure, monkeypatch: pytest.MonkeyPatch, capsys: Any, caplog: Any
) -> None:
    def fail(*_args: object) -> bool:
        raise OSError

    monkeypatch.setattr(FileSystemStorage, "exists", fail)
    code, said = call("erasure_status", capsys)
    assert code == 1
    assert "storage: The storage does not answer.\n" in said
    assert files.delete_pending_files() == 1
    name = erased.file_deletions.get().name
    said = {"the storage did not answer", f"the stored file {name} could not be deleted"}
    assert said <= set(caplog.messages)


def test_the_storage_is_marked_once() -> None:
    session = SessionFactory()
    for _number in range(2):
        send(session)
    marker = StorageMarker.objects.get()
    assert [name for name in default_storage.listdir("")[1] if name.startswith("storage-")] == [
        marker.name
    ]
    with default_storage.open(marker.name) as file:
        assert file.read() == b"The files of mluvii GDPR are here. Keep this one.\n"


def test_an_upload_has_an_hour_to_end(erased: Erasure) -> None:
    """A file of an erased session is pending. A file without a session is not tried or counted."""

    def queued(name: str, minutes: int, **of: Any) -> None:
        deletion = FileDeletion.objects.create(name=name, **of)
        FileDeletion.objects.filter(pk=deletion.pk).update(
            queued_at=timezone.now() - timedelta(minutes=minutes)
        )

    queued("begun", 59)
    queued("begun in an erased session", 59, erasure=erased, subject=erased.pk)
    queued("died", 61)
    queued("died in an erased session", 61, erasure=erased, subject=erased.pk)
    assert files.delete_pending_files() == 1
    left = set(FileDeletion.objects.values_list("name", "attempts"))
    assert left == {("begun", 0), ("begun in an erased session", 0)}
    assert files.unfinished_uploads() == 1


def die_half_way(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send a file in a process that is killed after storing the file and before storing the row."""

    class KilledError(BaseException):
        pass

    def killed(*_args: object, **_kwargs: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        # A killed process does not clean up.
        patch.setattr(conversation, "withdraw_upload", lambda *args: None)
        patch.setattr(Attachment, "save", killed)
        with pytest.raises(KilledError):
            send(session)
    assert (len(media()), Attachment.objects.count()) == (1, 0)


@pytest.mark.parametrize("kind", ["session", "guest"])
def test_an_upload_that_died_half_way_belongs_to_the_erasure(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: Any, django_capture_on_commit_callbacks: Any
) -> None:
    session = SessionFactory()
    other = SessionFactory(webchat=session.webchat, email="petr@example.com")
    die_half_way(session, monkeypatch)
    FileDeletion.objects.create(name="attachments/of-another", subject=other.uid)
    assert "unfinished_uploads: 2" in call("erasure_status", capsys)[1]
    with django_capture_on_commit_callbacks(execute=True):
        record = engine.erase(session if kind == "session" else session.guest, requester=COMMAND)  # type: ignore[arg-type]

    assert record.pending_files == 1, "it has an hour to finish"
    assert call("erasure_status", capsys)[0] == 1
    assert call("delete_erased_files", capsys)[0] == 1
    assert len(media()) == 1, "an upload that is refused deletes its own file"
    FileDeletion.objects.filter(erasure=record).update(
        queued_at=timezone.now() - timedelta(hours=2)
    )
    code, said = call("delete_erased_files", capsys)
    assert (code, media(), record.pending_files) == (0, {}, 0)
    assert "Uploads that have not ended: 1." in said
    assert "unfinished_uploads: 1" in call("erasure_status", capsys)[1]


@pytest.mark.parametrize("kind", ["session", "guest"])
def test_an_upload_that_ends_after_the_erasure_is_refused_and_leaves_nothing(
    kind: str, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    """The erasure runs completely after the file is stored and before its row is locked."""
    session, records = SessionFactory(), []
    subject: Any = session if kind == "session" else session.guest
    save = FileSystemStorage.save

    def erase_meanwhile(self: Any, name: str, *args: Any, **kwargs: Any) -> str:
        stored = save(self, name, *args, **kwargs)
        if name.startswith("attachments/"):
            assert media_contains(b"Kassiopeia"), "the positive control"
            with django_capture_on_commit_callbacks(execute=True):
                records.append(engine.erase(subject, requester=COMMAND))
            assert records[0].pending_files == 1
            assert set(media()) == {stored}, "the upload deletes its own file"
        return stored

    monkeypatch.setattr(FileSystemStorage, "save", erase_meanwhile)
    with pytest.raises(lock.SessionClosed):
        send(session)
    assert (media(), records[0].pending_files) == ({}, 0)
    assert not Attachment.objects.exists()
    assert not media_contains(b"Kassiopeia")
    session.refresh_from_db()
    assert session.attachments_count == 0


def test_no_upload_begins_in_an_erased_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """The erasure would not include a file that is queued after it."""
    session, written = SessionFactory(), []
    storage.mark_storage()
    engine.erase(session, requester=COMMAND)
    monkeypatch.setattr(FileSystemStorage, "save", lambda self, name, *args: written.append(name))
    with pytest.raises(lock.SessionClosed):
        send(session)
    assert (written, FileDeletion.objects.count()) == ([], 0)


def test_temporary_files_of_yesterday_go(tmp_path: Path, settings: Any, capsys: Any) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    names = ("tmpab.upload.pdf", "tmpef.upload", "tmpcd.upload", "letter.pdf")
    old, too, young, foreign = (tmp_path / name for name in names)
    for path in (old, too, young, foreign):
        path.write_bytes(b"Kassiopeia")
    for path in (old, too, foreign):
        os.utime(path, (time.time() - 25 * 3600,) * 2)
    code, said = call("delete_erased_files", capsys)
    assert code == 0
    assert "Temporary files deleted: 2." in said
    assert [path.exists() for path in (old, too, young, foreign)] == [False, False, True, True]


@pytest.mark.django_db(transaction=True)
def test_two_last_files_that_are_settled_at_once_make_the_erasure_complete() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite the transaction excludes others")
    erased = RecordFactory()
    for name in ("one", "two"):
        FileDeletion.objects.create(erasure=erased, name=name)

    def settle_the_other() -> None:
        files.settle(FileDeletion.objects.filter(name="two"))
        connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        files.settle(FileDeletion.objects.filter(name="one"))
        other = pool.submit(settle_the_other)
        assert wait_until_blocked_by_me(other)
    other.result()
    assert Erasure.objects.get(files_deleted__isnull=False) == erased


@pytest.mark.django_db(transaction=True)
def test_files_of_one_erasure_are_settled_without_waiting_for_another() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite the transaction excludes others")
    for name in ("one", "two"):
        FileDeletion.objects.create(erasure=RecordFactory(), name=name)

    def settle_the_other() -> None:
        files.settle(FileDeletion.objects.filter(name="two"))
        connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        files.settle(FileDeletion.objects.filter(name="one"))
        other = pool.submit(settle_the_other)
        assert not wait_until_blocked_by_me(other)
    other.result()
