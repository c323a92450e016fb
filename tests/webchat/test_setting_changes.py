"""Test that changes of settings about personal data are recorded, chained and verified."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from anonymization import triggers
from anonymization.ledger import external_copy
from anonymization.ledger.recording import erasing
from anonymization.models import Erasure, Note, Source
from tests.factories import StaffFactory, WebChatFactory
from tests.races import at_once
from webchat import services
from webchat.consent_html import DraftText
from webchat.models import SettingChange, WebChat
from webchat.setting_changes import NotRecorded, record_setting_changes

pytestmark = pytest.mark.django_db


def changes_of(webchat: WebChat | None) -> list[tuple[Any, ...]]:
    rows = SettingChange.objects.filter(webchat=webchat).order_by("pk")
    return list(rows.values_list("field", "before", "after", "changed_by__username"))


def test_each_change_that_decides_about_personal_data_is_recorded(webchat: WebChat) -> None:
    by = StaffFactory(role="administrator")
    wanted = {"entry_form": "standard", "on_withdrawal": "anonymize", "name": "New name"}
    services.save_settings(webchat, changes=wanted, by=by)
    services.save_settings(webchat, changes={"retention_days": 9}, by=by, previewed=True)
    services.save_settings(webchat, changes={"retention_days": 9}, by=by)
    texts = {code: DraftText("Label", "<p>Text</p>") for code in webchat.languages}
    services.publish_consent(webchat, texts=texts, based_on=1, published_by=by)
    assert changes_of(webchat) == [
        ("entry_form", "gdpr", "standard", "administrator"),
        ("on_withdrawal", "review", "anonymize", "administrator"),
        ("retention_days", None, 9, "administrator"),
        ("consent_version", 1, 2, "administrator"),
    ]
    notes = Erasure.objects.order_by("number")
    assert [note.subjects for note in notes] == [
        [change.digest] for change in SettingChange.objects.order_by("pk")
    ]
    assert {(note.kind, note.door, note.requested_by) for note in notes} == {
        (Note.SETTINGS_CHANGED, Source.PAGE, by)
    }
    assert not Erasure.objects.of_people().exists()
    call_command("verify_ledger")


def test_a_refused_change_records_nothing(webchat: WebChat) -> None:
    WebChat.objects.update(entry_form="none", showroom_form="none", languages=["en", "de"])
    with pytest.raises(services.NothingPublished):
        services.save_settings(webchat, changes={"entry_form": "gdpr"}, by=None)
    with pytest.raises(services.TakesMore):
        services.save_settings(webchat, changes={"retention_days": 1}, by=None)
    assert not SettingChange.objects.exists()
    assert not Erasure.objects.exists()


def test_settings_of_the_installation_have_no_webchat() -> None:
    names = {"controller": ("", "Acme s.r.o."), "dpo": ("Jan", "Jan")}
    with erasing():
        record_setting_changes(None, changes=names, by=None)
    assert changes_of(None) == [("controller", "", "Acme s.r.o.", None)]
    assert Erasure.objects.get().door == Source.COMMAND
    call_command("verify_ledger")


FORGERIES = {
    "a value": lambda: SettingChange.objects.filter(field="entry_form").update(before="none"),
    "the staff member": lambda: SettingChange.objects.update(changed_by=None),
    "removed": lambda: SettingChange.objects.filter(field="entry_form")._raw_delete("default"),
    "added": lambda: SettingChange.objects.create(field="retention_days", after=9),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_changed_removed_or_added_row_is_found(webchat: WebChat, forgery: str) -> None:
    by = StaffFactory(role="administrator")
    services.save_settings(webchat, changes={"entry_form": "standard"}, by=by)
    services.save_settings(webchat, changes={"on_withdrawal": "anonymize"}, by=by)
    call_command("verify_ledger")
    triggers.drop(connection)
    try:
        FORGERIES[forgery]()
    finally:
        triggers.install(connection)
    record = "3" if forgery == "added" else "1"
    with pytest.raises(CommandError, match=f"record {record}: settings_changed"):
        call_command("verify_ledger")


def test_nothing_is_saved_if_the_ledger_cannot_be_written(
    webchat: WebChat, settings: Any, tmp_path: Path
) -> None:
    settings.ERASURE_LEDGER_DIR = tmp_path
    external_copy.begin(tmp_path / "ledger.jsonl", entries=[])
    (tmp_path / "ledger.jsonl").unlink()
    (tmp_path / "ledger.jsonl").mkdir()
    with pytest.raises(NotRecorded):
        services.save_settings(webchat, changes={"entry_form": "standard"}, by=None)
    webchat.refresh_from_db()
    assert webchat.entry_form == "gdpr"
    assert not SettingChange.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_changes_at_once_are_recorded_in_one_chain() -> None:
    webchats = [WebChatFactory() for _ in range(4)]
    save = partial(services.save_settings, changes={"entry_form": "standard"}, by=None)
    assert at_once([partial(save, webchat) for webchat in webchats]) == [{"entry_form"}] * 4
    assert SettingChange.objects.count() == Erasure.objects.count() == 4
    call_command("verify_ledger")
