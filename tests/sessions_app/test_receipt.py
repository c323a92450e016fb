"""The receipts of a consent and of its withdrawal: frozen, complete, and the same bytes for ever."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from datetime import UTC, date
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anonymization.ledger.chain import subject_of
from sessions_app import receipt_terms
from sessions_app.models import ConsentEvent, ReceiptTerms, Session
from tests.database import dump
from tests.factories import ConsentVersionFactory, ErasureFactory, WebChatFactory
from tests.pages import consent_url, submit
from webchat.controller import save_controller
from webchat.models import DataController, EntryForm, OnWithdrawal, WebChat

pytestmark = pytest.mark.django_db

COMPANY = {
    "name": "Example s.r.o.",
    "address": "Dlouhá 1, Praha",
    "contact": "privacy@example.com",
    "officer": "Eva Malá, dpo@example.com",
    "recipients": "Hosting a.s., Mail a.s.",
    "storage_location": "Czechia (EU)",
    "authority": "Úřad pro ochranu osobních údajů",
}


def consent(webchat: WebChat, **entered: Any) -> str:
    """Give consent in the entry form and return the link to "My consent"."""
    return consent_url(submit(Client(), webchat, **entered).headers["Location"])


def receipt(mine: str, kind: str = "receipt", **options: Any) -> dict[str, Any]:
    response = Client().get(f"{mine}{kind}.json", **options)
    assert response.status_code == 200
    read: dict[str, Any] = json.loads(response.content)
    return read


def withdraw(mine: str, **ticked: str) -> Any:
    return Client().post(f"{mine}withdraw/", ticked)


@pytest.fixture
def company(settings: Any) -> None:
    settings.SITE_URL = "https://chat.example.com"
    save_controller(COMPANY, by=None)


@pytest.fixture
def mine(company: None) -> str:
    shop = WebChatFactory(
        name="Shop Prague", site="https://shop.example.com", retention_days=30, second_basis="c"
    )
    return consent(shop)


def test_it_has_the_sections_of_the_standard(mine: str) -> None:
    session, given = Session.objects.get(), ConsentEvent.objects.get()
    response = Client().get(f"{mine}receipt.json")
    assert response.headers["Content-Disposition"] == 'attachment; filename="consent-receipt.json"'
    assert response.headers["Content-Type"] == "application/json"
    read = json.loads(response.content)
    assert list(read) == ["record", "processing", "party", "event"]
    assert read["record"].pop("receipt_id")
    assert read["record"] == {
        "schema_version": "ISO/IEC TS 27560:2023; mluvii-gdpr/2",
        "record_id": f"urn:uuid:{session.uid}",
        "pii_principal_id": subject_of(session.uid),
        "terms_recorded": "at the time of the consent",
    }
    processing, (purpose,) = read["processing"], read["processing"]["purposes"]
    text = given.text
    assert processing["privacy_notice"] == f"https://chat.example.com{text.get_absolute_url()}"
    assert processing["privacy_notice_sha256"] == text.sha256
    assert (purpose["purpose"], purpose["service"]) == ("I agree (en)", "Shop Prague")
    assert purpose["lawful_basis"].endswith("#A6-1-a")
    assert purpose["lawful_basis_of_what_must_be_kept"].endswith("#A6-1-c")
    assert (purpose["retention_period"], purpose["storage_locations"]) == ("P30D", "Czechia (EU)")
    assert purpose["withdrawal_method"] == f"https://chat.example.com{mine}withdraw/"
    # What the standard makes mandatory of a purpose.
    assert {
        "purpose", "pii_information", "pii_controllers", "storage_locations", "retention_period", "jurisdiction",
        "recipient_third_parties", "withdrawal_method",
    } <= purpose.keys()  # fmt: skip
    (event,) = read["event"]
    assert event["event_time"] == f"{session.created_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+00:00"
    assert event["event_state"].endswith("#ConsentGiven")
    assert event["entity_id"] == read["record"]["pii_principal_id"]


def test_each_party_has_its_role(mine: str) -> None:
    parties = {
        party["party_role"].removeprefix("https://w3id.org/dpv#"): party["party_name"]
        for party in receipt(mine)["party"]
    }
    assert parties == {
        "DataController": "Example s.r.o.",
        "DataProtectionOfficer": "Eva Malá, dpo@example.com",
        "DataProcessor": "Hosting a.s., Mail a.s.",
        "DataProtectionAuthority": "Úřad pro ochranu osobních údajů",
    }


def test_what_the_company_does_not_state_is_not_made_up() -> None:
    read = receipt(consent(WebChatFactory(name="Shop Prague")))
    (party,) = read["party"]
    (purpose,) = read["processing"]["purposes"]
    nothing = "not stated by the operator of this website"
    assert (party["party_name"], party["party_contact"]) == (nothing, nothing)
    assert purpose["storage_locations"] == purpose["recipient_third_parties"] == nothing
    assert purpose["retention_period"] == "no fixed period"
    assert "lawful_basis_of_what_must_be_kept" not in purpose


def test_the_page_does_not_call_the_webchat_a_data_controller(settings: Any) -> None:
    page = Client().get(consent(WebChatFactory(name="Shop Prague"))).content.decode()
    controller = page.split("Data controller</dt>")[1].split("</dd>")[0]
    assert "not stated by the operator of this website" in controller
    assert "Shop Prague" not in controller


def change_everything(settings: Any) -> None:
    """Change every setting that a receipt repeats, and publish another version."""
    webchat = WebChat.objects.get()
    save_controller(dict.fromkeys(COMPANY, "Another company"), by=None)
    WebChat.objects.update(
        name="Renamed", site="https://new.example.com", retention_days=7, second_basis="f"
    )
    ConsentVersionFactory(webchat=webchat, wording="Another wording.")
    settings.SITE_URL = "https://moved.example.com"
    settings.ALLOWED_HOSTS = ["testserver", "other.example.com"]
    settings.LANGUAGE_CODE = "de"


@pytest.mark.parametrize("kind", ["receipt", "withdrawal-receipt"])
def test_it_is_the_same_bytes_whenever_it_is_fetched(mine: str, settings: Any, kind: str) -> None:
    client, url = Client(), f"{mine}{kind}.json"
    before = client.get(url).content
    withdraw(mine, all="on")
    first = client.get(url).content
    assert kind == "withdrawal-receipt" or first == before
    change_everything(settings)
    with timezone.override("Pacific/Auckland"):
        elsewhere = {"HTTP_HOST": "other.example.com", "HTTP_ACCEPT_LANGUAGE": "cs"}
        assert client.get(url, **elsewhere).content == first


def test_a_later_release_that_words_it_differently_changes_no_receipt(
    mine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = receipt(mine)
    monkeypatch.setattr(receipt_terms, "_PII", {"shoe size": True})
    assert receipt(mine) == before
    later = receipt(consent(WebChat.objects.get()))
    (purpose,) = later["processing"]["purposes"]
    assert purpose["pii_information"] == [{"pii_type": "shoe size", "pii_optional": True}]


def test_a_withdrawal_has_a_receipt_that_refers_to_the_consent(mine: str) -> None:
    assert Client().get(f"{mine}withdrawal-receipt.json").status_code == 404
    done = withdraw(mine).content.decode()
    assert f'href="{mine}withdrawal-receipt.json"' in done
    page = Client().get(mine).content.decode()
    assert f'href="{mine}receipt.json"' in page
    assert f'href="{mine}withdrawal-receipt.json"' in page

    given, withdrawn = receipt(mine), receipt(mine, "withdrawal-receipt")
    assert withdrawn["record"]["consent_receipt_id"] == given["record"]["receipt_id"]
    assert withdrawn["record"]["receipt_id"] != given["record"]["receipt_id"]
    for name in ("record_id", "pii_principal_id"):
        assert withdrawn["record"][name] == given["record"][name]
    (event,) = withdrawn["event"]
    at = Session.objects.get().withdrawn_at
    assert at is not None
    assert event["event_time"] == f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+00:00"
    assert event["event_state"].endswith("#ConsentWithdrawn")
    assert event["withdrawal_channel"] == "the person's link"
    assert event["erasure_of_all_data_requested"] is False


def test_the_receipt_of_a_withdrawal_says_what_was_asked_for(mine: str) -> None:
    withdraw(mine, all="on")
    (event,) = receipt(mine, "withdrawal-receipt")["event"]
    assert event["erasure_of_all_data_requested"] is True


def test_an_immediate_erasure_hands_out_the_receipt_with_the_page(company: None) -> None:
    mine = consent(WebChatFactory(on_withdrawal=OnWithdrawal.ANONYMIZE))
    before = receipt(mine)
    assert f'href="{mine}receipt.json"' in Client().get(f"{mine}withdraw/").content.decode()
    done = withdraw(mine)
    assert Client().get(f"{mine}withdrawal-receipt.json").status_code == 404
    handed = json.loads(done.context["receipt"])
    assert handed["record"]["consent_receipt_id"] == before["record"]["receipt_id"]
    assert handed["record"]["pii_principal_id"] == before["record"]["pii_principal_id"]
    assert handed["event"][0]["event_state"].endswith("#ConsentWithdrawn")
    assert 'download="withdrawal-receipt.json"' in done.content.decode()


def test_without_consent_there_is_no_receipt() -> None:
    shop = WebChatFactory(entry_form=EntryForm.STANDARD)
    mine = consent(shop, consent=None)
    for kind in ("receipt", "withdrawal-receipt"):
        assert Client().get(f"{mine}{kind}.json").status_code == 404
    assert not ReceiptTerms.objects.exists()


# What the database stores -------------------------------------------------------------------------------


def test_equal_terms_are_stored_once(mine: str) -> None:
    webchat = WebChat.objects.get()
    consent(webchat)
    terms = ReceiptTerms.objects.get()
    assert set(Session.objects.values_list("receipt_terms", flat=True)) == {terms.pk}

    WebChat.objects.update(retention_days=31)
    consent(webchat)
    assert ReceiptTerms.objects.count() == 2
    save_controller({"recipients": "Cloud a.s."}, by=None)
    consent(webchat)
    assert ReceiptTerms.objects.count() == 3
    newest = Session.objects.order_by("-pk").first()
    assert newest is not None
    assert newest.receipt_terms is not None
    assert "Cloud a.s." in newest.receipt_terms.content


def test_the_environment_names_the_company_until_it_is_saved(settings: Any) -> None:
    settings.CONTROLLER_NAME, settings.CONTROLLER_CONTACT = "From the environment", "a@example.com"
    webchat = WebChatFactory()
    (party,) = receipt(consent(webchat))["party"]
    assert (party["party_name"], party["party_contact"]) == (
        "From the environment",
        "a@example.com",
    )
    assert not DataController.objects.exists()
    settings.CONTROLLER_NAME = "Changed"
    assert receipt(consent(webchat))["party"][0]["party_name"] == "Changed"


def test_the_gate_needs_no_statement_more(mine: str) -> None:
    webchat = WebChat.objects.get()
    with CaptureQueriesContext(connection) as captured:
        consent(webchat)
    told = [query["sql"] for query in captured if "receiptterms" in query["sql"].lower()]
    reads_webchat = [sql for sql in told if 'FROM "webchat_webchat"' in sql]
    # The other ones are those of the page that the test opens afterwards.
    assert len(reads_webchat) == 1
    assert not [sql for sql in told if sql.startswith("INSERT")]


@pytest.mark.parametrize(
    "change",
    [
        lambda terms: ReceiptTerms.objects.update(content="{}"),
        lambda terms: ReceiptTerms.objects.all()._raw_delete("default"),
        lambda terms: ReceiptTerms(pk=terms.pk, webchat=terms.webchat, content="{}").save(),
    ],
)
def test_terms_are_append_only(mine: str, change: Callable[[ReceiptTerms], Any]) -> None:
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        change(ReceiptTerms.objects.get())


def test_consents_from_before_the_upgrade_say_when_the_terms_were_recorded(
    mine: str, settings: Any
) -> None:
    content = ReceiptTerms.objects.get().content
    webchat = WebChat.objects.get()
    Session.objects.update(receipt_terms=None)
    today = receipt(mine)
    assert today["record"]["terms_recorded"].startswith(f"on {timezone.localdate()}, after the")
    assert today["party"][0]["party_name"] == "Example s.r.o."

    ReceiptTerms.objects.create(webchat=webchat, content=content, recorded_on=date(2026, 12, 1))
    change_everything(settings)
    recorded = receipt(mine)
    assert recorded["record"]["terms_recorded"].startswith("on 2026-12-01, after the consent")
    assert recorded["party"] == today["party"]
    # A consent of today is not stored with terms that say so.
    assert receipt(consent(webchat))["record"]["terms_recorded"] == "at the time of the consent"


@pytest.mark.parametrize("saved", [True, False])
def test_the_upgrade_records_the_terms_of_each_webchat_that_asks(
    settings: Any, saved: bool
) -> None:
    settings.SITE_URL, settings.CONTROLLER_NAME = "https://chat.example.com", "Example s.r.o."
    if saved:
        save_controller(COMPANY, by=None)
    asks = WebChatFactory(retention_days=30, second_basis="c", site="https://shop.example.com/")
    WebChatFactory(entry_form=EntryForm.STANDARD, published=())
    upgrade = import_module("sessions_app.migrations.0031_record_receipt_terms")

    upgrade.record_terms(apps, None)

    terms = ReceiptTerms.objects.get()
    assert (terms.webchat, terms.recorded_on) == (asks, timezone.localdate())
    assert terms.content == receipt_terms.content_of(asks, DataController.current())


# What the database cannot prove -------------------------------------------------------------------------


def test_the_database_alone_cannot_rebuild_the_id_of_a_receipt(mine: str) -> None:
    withdraw(mine)
    secret = mine.split("/")[2]
    stored = dump()
    for kind in ("receipt", "withdrawal-receipt"):
        record = receipt(mine, kind)["record"]
        found = uuid.UUID(record["receipt_id"])
        assert (found.version, found.variant) == (8, uuid.RFC_4122)
        assert found == uuid.UUID(receipt(mine, kind)["record"]["receipt_id"])
        assert found.hex not in stored.replace("-", "")
    assert secret not in stored
    assert hashlib.sha256(secret.encode()).hexdigest() in stored, "the control"


def test_a_dump_after_the_erasure_proves_nothing_without_the_receipt(mine: str) -> None:
    record = receipt(mine)["record"]
    plain = [record["record_id"].removeprefix("urn:uuid:").replace("-", ""), mine.split("/")[2]]
    assert plain[0] in dump().replace("-", ""), "the control"
    session = Session.objects.get()
    ErasureFactory(subject=session)
    stored = dump()
    for value in (*plain, record["receipt_id"].removeprefix("urn:uuid:").replace("-", "")):
        assert value not in stored.replace("-", "")
    lines = [line for line in stored.splitlines() if record["pii_principal_id"] in line]
    # Only the ledger has the hash. tests/test_links.py tests that nothing leads from it to a row.
    assert {line.partition(":")[0] for line in lines} == {"anonymization_erasure"}
    session.refresh_from_db()
    assert session.receipt_terms is None


# The documentation --------------------------------------------------------------------------------------


def shape(value: Any) -> Any:
    """Return the names and the kinds of values, in their order. Of a list, the first item counts."""
    if isinstance(value, dict):
        return [(name, shape(item)) for name, item in value.items()]
    return [shape(value[0])] if isinstance(value, list) else type(value)


def test_the_documented_example_has_the_shape_of_a_receipt(mine: str) -> None:
    document = (Path(settings.BASE_DIR) / "docs" / "receipts.md").read_text()
    example = json.loads(document.partition("```json\n")[2].partition("```")[0])
    assert shape(example) == shape(receipt(mine))
