"""Test the GDPR data of the company: permissions, effects, and reminders."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.test import Client

from tests.factories import WebChatFactory
from tests.pages import LogIn, consent_url, submit
from webchat import services
from webchat.checks import check_controller_is_named
from webchat.consent_html import DraftText
from webchat.controller import save_controller
from webchat.models import DataController, SettingChange, WebChat

pytestmark = pytest.mark.django_db

PAGE = "/settings/gdpr/edit/"
VALUES = {
    "name": "Example s.r.o.",
    "address": "Dlouhá 1, Praha",
    "contact": "privacy@example.com",
    "officer": "Eva Malá, dpo@example.com",
    "recipients": "Hosting a.s.\r\nMail a.s.",
    "storage_location": "Czechia (EU)",
    "authority": "Úřad pro ochranu osobních údajů, https://uoou.gov.cz",
    "agreement_contact": "legal@example.com",
    "agreement_with": "Hosting a.s.",
    "agreement_signed_on": "2026-03-01",
}


@pytest.fixture
def env(settings: Any) -> Any:
    settings.CONTROLLER_NAME, settings.CONTROLLER_ADDRESS = "From the environment", "Old street 1"
    settings.CONTROLLER_CONTACT = "env@example.com"
    settings.DPA_CONTACT, settings.DPA_COUNTERPARTY = "dpa@example.com", "Old host"
    settings.DPA_SIGNED_ON = date(2025, 1, 1)
    return settings


@pytest.mark.parametrize("role", ["administrator", "officer"])
def test_each_value_is_stored_shown_and_recorded(log_in: LogIn, role: str) -> None:
    client = log_in(role)

    assert client.post(PAGE, VALUES).status_code == 302

    stored = DataController.objects.get()
    assert stored.recipients == "Hosting a.s. Mail a.s."
    assert stored.agreement_signed_on == date(2026, 3, 1)
    page = client.get("/settings/gdpr/").content.decode()
    for value in (
        "Example s.r.o., Dlouhá 1, Praha",
        "Eva Malá",
        "Hosting a.s. Mail",
        "Czechia (EU)",
    ):
        assert value in page
    changes = SettingChange.objects.filter(webchat=None)
    assert {change.field for change in changes} == set(VALUES)
    assert {change.changed_by.username for change in changes} == {role}
    history = client.get("/settings/gdpr/history/").content.decode()
    assert "Data protection officer" in history
    assert "Eva Malá, dpo@example.com" in history


@pytest.mark.parametrize("role", ["support", "operator", "stranger"])
def test_nobody_else_edits_it(log_in: LogIn, role: str) -> None:
    assert log_in(role).post(PAGE, VALUES).status_code == 403
    assert not DataController.objects.exists()


def test_the_environment_gives_the_initial_values(env: Any, administrator: Client) -> None:
    page = administrator.get(PAGE).content.decode()
    for value in ("From the environment", "Old street 1", "env@example.com", "2025-01-01"):
        assert value in page

    save_controller({"contact": "new@example.com"}, by=None)
    env.CONTROLLER_NAME = "Read no longer"

    current = DataController.current()
    assert (current.name, current.contact) == ("From the environment", "new@example.com")
    assert current.agreement_signed_on == date(2025, 1, 1)
    (change,) = SettingChange.objects.all()
    assert (change.before, change.after) == ("env@example.com", "new@example.com")


def test_a_save_without_a_change_records_nothing(administrator: Client) -> None:
    administrator.post(PAGE, VALUES)
    before = SettingChange.objects.count()

    page = administrator.post(PAGE, VALUES, follow=True).content.decode()

    assert "Nothing was changed." in page
    assert SettingChange.objects.count() == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "x" * 201),
        ("contact", "{dpo}"),
        ("agreement_signed_on", "soon"),
        ("officer", "a\0b"),
    ],
)
def test_a_wrong_value_is_shown_at_its_field(administrator: Client, field: str, value: str) -> None:
    response = administrator.post(PAGE, VALUES | {field: value})

    page = response.content.decode()
    assert response.status_code == 422
    assert f'id="id_{field}_error"' in page
    assert not DataController.objects.exists()


def filled(webchat: WebChat, body: str, based_on: int = 1) -> None:
    texts = {code: DraftText("I agree", body) for code in webchat.languages}
    services.publish_consent(webchat, texts=texts, based_on=based_on, published_by=None)


def test_a_change_reminds_of_the_texts_that_were_filled_from_it(administrator: Client) -> None:
    administrator.post(PAGE, VALUES)
    mailed, plain, named = (WebChatFactory(name=name) for name in ("Mailed", "Plain", "Named"))
    filled(mailed, "<p>Write to {contact}</p>")
    filled(named, "<p>We are {controller}</p>")

    changed = VALUES | {"contact": "new@example.com"}
    page = administrator.post(PAGE, changed, follow=True).content.decode()

    assert "which are filled from these settings: Mailed." in page
    assert services.outdated_versions([plain, named]) == []
    forms = f"/settings/webchat/{mailed.pk}/forms/"
    assert "settings that have changed since" in administrator.get(forms).content.decode()

    filled(mailed, "<p>Write to {contact}</p>", based_on=2)
    assert services.outdated_versions([mailed]) == []
    assert "changed since" not in administrator.get("/settings/gdpr/").content.decode()


def test_another_retention_period_makes_a_text_outdated(webchat: WebChat) -> None:
    filled(webchat, "<p>Kept: {retention}</p>")
    services.save_settings(webchat, changes={"retention_days": 30}, by=None, previewed=True)

    assert [version.webchat for version in services.outdated_versions([webchat])] == [webchat]


def test_a_confirmed_period_reminds_of_the_texts_that_name_the_old_one(
    administrator: Client, webchat: WebChat
) -> None:
    filled(webchat, "<p>Kept: {retention}</p>")
    url = f"/settings/webchat/{webchat.pk}/retention/"

    page = administrator.post(url, {"days": "30", "shown": "0"}, follow=True).content.decode()

    assert f"which are filled from these settings: {webchat.name}." in page


def test_the_deploy_check_warns_until_visitors_are_told_who_asks(settings: Any) -> None:
    settings.CONTROLLER_NAME = settings.CONTROLLER_CONTACT = ""
    assert check_controller_is_named(None) == []
    webchat = WebChatFactory()
    assert [message.id for message in check_controller_is_named(None)] == ["webchat.W001"]

    save_controller({"name": "Example s.r.o."}, by=None)
    assert check_controller_is_named(None), "the contact is missing"
    save_controller({"contact": "privacy@example.com"}, by=None)
    assert check_controller_is_named(None) == []

    save_controller({"contact": ""}, by=None)
    services.archive(webchat)
    assert check_controller_is_named(None) == []


def test_visitors_are_told_the_stored_controller(client: Client) -> None:
    save_controller({"name": "Stored s.r.o.", "contact": "stored@example.com"}, by=None)
    told = client.get(
        consent_url(submit(client, WebChatFactory()).headers["Location"])
    ).content.decode()
    assert "Stored s.r.o." in told
    assert 'href="mailto:stored@example.com"' in told
