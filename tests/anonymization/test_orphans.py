"""Test that only stored files without a row are deleted, after a day, in the right storage."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from anonymization import orphans
from anonymization.files import queue_upload
from anonymization.ledger import external_copy
from anonymization.models import FileDeletion, StorageMarker
from anonymization.policy import registry
from anonymization.storage import mark_storage
from tests.anonymization.test_files import call, send
from tests.database import media
from tests.factories import ErasureFactory, SessionFactory, WebChatFactory

pytestmark = pytest.mark.django_db

HOUR = 3600


@pytest.fixture
def store(settings: Any) -> Callable[..., Path]:
    """Return a function that stores an object of a given age without a row."""
    mark_storage()

    def put(name: str, *, hours: float = 25) -> Path:
        path = Path(settings.MEDIA_ROOT) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"Kassiopeia")
        os.utime(path, (time.time() - hours * HOUR,) * 2)
        return path

    return put


def age_everything(settings: Any) -> None:
    for path in Path(settings.MEDIA_ROOT).rglob("*"):
        os.utime(path, (time.time() - 100 * HOUR,) * 2)


def test_a_file_that_no_row_names_goes_and_all_others_stay(
    store: Any, settings: Any, capsys: Any
) -> None:
    send(SessionFactory())
    WebChatFactory(logo=default_storage.save("logos/shop.png", ContentFile(b"logo")))
    waiting = queue_upload("attachments/ab/waiting", subject=SessionFactory(new_guest=True).uid)
    store(waiting.name)
    kept, marker = media(), default_storage.listdir("")[1]
    age_everything(settings)
    left_over = [store("attachments/ab/gone"), store("attachments/loose"), store("logos/old.png")]
    assert len(media()) == len(kept) + 3 == 6
    call_command("delete_erased_files", "--queued-only")
    assert len(media()) == 6, "that is another job"
    capsys.readouterr()

    code, said = call("delete_erased_files", capsys)

    assert (code, media(), default_storage.listdir("")[1]) == (0, kept, marker)
    assert not [path for path in left_over if path.exists()]
    assert "Files without a row deleted: 3." in said
    assert "attachments" not in said
    assert call("delete_erased_files", capsys) == (
        0,
        "No file is left. Uploads that have not ended: 1.\n",
    )


@pytest.mark.parametrize(("hours", "stays"), [(0, True), (23.9, True), (24.1, False)])
def test_a_file_has_a_day(store: Any, capsys: Any, hours: float, stays: bool) -> None:
    path = store("attachments/ab/young", hours=hours)
    call("delete_erased_files", capsys)
    assert path.exists() == stays


def test_what_the_product_writes_nowhere_is_not_its_own(store: Any, capsys: Any) -> None:
    foreign = [store("notes.txt"), store("elsewhere/notes.txt"), store("storage-of-mine/notes.txt")]
    assert call("delete_erased_files", capsys)[0] == 0
    assert [path.exists() for path in foreign] == [True] * 3


def test_every_file_field_is_looked_after() -> None:
    """A new file field must use a separate folder in the storage with the marker."""
    assert {model._meta.label for model, _ in orphans.file_fields()} == {
        policy.label for policy in registry if policy.file_fields
    }
    assert orphans.folders() == {"attachments", "logos"}
    for model, field in orphans.file_fields():
        assert field.storage is default_storage, model
        assert "/" in field.generate_filename(model(), "name"), model


def test_nothing_goes_in_a_storage_that_lacks_the_marker(store: Any, capsys: Any) -> None:
    path = store("attachments/ab/x")
    default_storage.delete(StorageMarker.objects.get().name)
    code, said = call("delete_erased_files", capsys)
    assert (code, path.exists()) == (1, True)
    assert said.startswith("Files without a row were not looked for. The storage lacks storage-")


def test_nothing_goes_in_a_storage_of_two(store: Any, capsys: Any) -> None:
    path, other = store("attachments/ab/x"), store("storage-1f0c")
    code, said = call("delete_erased_files", capsys)
    assert (code, path.exists()) == (1, True)
    assert said == (
        "Files without a row were not looked for. "
        "The storage holds storage-1f0c, the marker of another installation."
    )
    other.unlink()
    assert (call("delete_erased_files", capsys)[0], path.exists()) == (0, False)


def test_nothing_goes_before_a_storage_is_marked(store: Any, capsys: Any) -> None:
    path = store("attachments/ab/x")
    StorageMarker.objects.all().delete()
    assert (call("delete_erased_files", capsys)[0], path.exists()) == (0, True)


def test_nothing_goes_while_a_restored_database_is_behind(
    store: Any, settings: Any, tmp_path: Path, capsys: Any
) -> None:
    """The rows of newer files may be missing only until the right backup is restored."""
    path = store("attachments/ab/x")
    settings.ERASURE_LEDGER_DIR = tmp_path
    code, said = call("delete_erased_files", capsys)
    assert (code, path.exists()) == (1, True), "there is no copy"
    assert said == (
        "Files without a row were not looked for. "
        "The database is not even with the external copy of the ledger: see docs/ledger.md."
    )
    external_copy.begin(tmp_path / external_copy.FILE, entries=[])
    assert (call("delete_erased_files", capsys)[0], path.exists()) == (0, False)


def test_a_share_that_goes_in_the_middle_stops_the_sweep(
    store: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    paths = [store(f"attachments/ab/{number}") for number in range(4)]
    monkeypatch.setattr(orphans, "BATCH", 2)
    delete = FileSystemStorage.delete

    def unmount(self: Any, name: str) -> None:
        delete(self, name)
        delete(self, StorageMarker.objects.get().name)

    monkeypatch.setattr(FileSystemStorage, "delete", unmount)
    code, said = call("delete_erased_files", capsys)
    assert code == 1
    assert sum(path.exists() for path in paths) == 2
    assert "Files without a row deleted: 2." in said


def test_an_upload_that_ends_meanwhile_keeps_its_file(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file moves from the queue to the table in one commit, so one read finds it."""
    session = SessionFactory()
    monkeypatch.setattr(orphans, "_is_old", lambda name: True)
    save, swept = FileSystemStorage.save, []

    def sweep_meanwhile(self: Any, name: str, *args: Any, **kwargs: Any) -> str:
        stored = save(self, name, *args, **kwargs)
        swept.extend(orphans.sweep())
        return stored

    monkeypatch.setattr(FileSystemStorage, "save", sweep_meanwhile)
    attachment = send(session)
    assert swept == [orphans.Swept(1, 0, 0)]
    assert set(media()) == {attachment.file.name}


def test_the_queue_is_asked_before_the_rows(store: Any) -> None:
    """In the other order, neither query would find an upload that ends between them."""
    with CaptureQueriesContext(connection) as queries:
        orphans._without_row(["attachments/ab/x"])
    tables = [FileDeletion, *(model for model, _ in orphans.file_fields())]
    assert len(queries) == len(tables)
    for query, model in zip(queries, tables, strict=True):
        assert f'FROM "{model._meta.db_table}"' in query["sql"]


def test_a_file_that_cannot_be_deleted_is_counted_and_tried_again(
    store: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any, caplog: Any
) -> None:
    store("attachments/Kassiopeia.txt")

    def refuse(self: object, name: str) -> None:
        raise PermissionError(name)

    with monkeypatch.context() as patch:
        patch.setattr(FileSystemStorage, "delete", refuse)
        code, said = call("delete_erased_files", capsys)
    assert code == 1
    assert "1 files without a row could not be deleted yet." in said
    assert "a stored file without a row could not be deleted: PermissionError" in caplog.messages
    assert "Kassiopeia" not in said + caplog.text
    assert (call("delete_erased_files", capsys)[0], media()) == (0, {})


def test_a_file_that_somebody_else_deletes_meanwhile_is_no_fault(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store("attachments/ab/x")
    without_row = orphans._without_row

    def and_gone(names: list[str]) -> set[str]:
        path.unlink()
        return without_row(names)

    monkeypatch.setattr(orphans, "_without_row", and_gone)
    assert list(orphans.sweep()) == [orphans.Swept(1, 0, 0)]


def test_a_name_that_is_no_text_is_left_to_its_owner(store: Any, settings: Any) -> None:
    store("attachments/ab/x")
    strange = os.fsencode(settings.MEDIA_ROOT) + b"/attachments/ab/\xe9\n"
    Path(os.fsdecode(strange)).write_bytes(b"x")
    assert [part.deleted for part in orphans.sweep()] == [1]
    assert os.path.exists(strange)


def test_statements_and_batches_do_not_grow_with_a_name(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        store(f"attachments/ab/{number}", hours=0)
    monkeypatch.setattr(orphans, "BATCH", 4)
    assert [part.seen for part in orphans.sweep()] == [4, 4, 2]


def test_files_of_an_erasure_are_left_to_its_queue(store: Any, settings: Any) -> None:
    record = ErasureFactory(subject=send(SessionFactory()).session)
    age_everything(settings)
    assert list(orphans.sweep()) == [orphans.Swept(1, 0, 0)]
    assert (len(media()), record.pending_files) == (1, 1)
