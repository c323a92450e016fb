"""Test the gate: no conversation without a complete form and consent to the text that was shown."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from django.test import Client

from sessions_app import conversation, gate, ticket
from sessions_app.matching import MATCHED
from sessions_app.models import ConsentEvent, Guest, Party, Session
from sessions_app.visitor.forms import ENTRY_FORMS
from tests.database import digest
from tests.factories import (
    ConsentVersionFactory,
    ErasureFactory,
    SessionFactory,
    WebChatFactory,
    make_ticket,
)
from tests.pages import COMPLETE, entry_url, submit, ticket_in
from webchat.models import EntryForm, WebChat

pytestmark = pytest.mark.django_db

FIELDS = ("name", "email", "phone", "consent")
INCOMPLETE = [given for size in range(4) for given in combinations(FIELDS, size)]


@pytest.mark.parametrize("showroom", [False, True], ids=["chat", "showroom"])
@pytest.mark.parametrize("given", INCOMPLETE, ids=lambda given: "+".join(given) or "nothing")
def test_incomplete_form_stores_nothing(
    client: Client, given: tuple[str, ...], showroom: bool
) -> None:
    webchat = WebChatFactory()
    before = digest()

    response = submit(
        client, webchat, showroom=showroom, **{name: None for name in FIELDS if name not in given}
    )

    assert response.status_code == 422
    assert not response.cookies
    assert digest() == before
    html = response.content.decode()
    for name in FIELDS:
        assert (f'id="id_{name}_error"' in html) == (name not in given)
    for name in set(given) - {"consent"}:
        assert f'value="{COMPLETE[name]}"' in html
    assert "checked" not in html


def test_the_server_judges_the_form_and_leads_to_the_first_error(
    client: Client, webchat: WebChat
) -> None:
    assert re.search(
        r'<form id="entry"[^>]+ novalidate>', client.get(entry_url(webchat)).content.decode()
    )
    for wrong in ("email", "consent"):
        html = submit(client, webchat, **{wrong: None}).content.decode()
        assert re.findall(r'<input[^>]+name="(\w+)"[^>]* autofocus', html) == [wrong]


@pytest.mark.parametrize("showroom", [False, True], ids=["chat", "showroom"])
def test_complete_form_opens_one_session(client: Client, showroom: bool, webchat: WebChat) -> None:
    response = submit(client, webchat, showroom=showroom)

    assert response.status_code == 302
    assert response.headers["Location"].startswith("/r/")
    session = Session.objects.get()
    assert session.channel == ("av" if showroom else "chat")
    assert (session.entered_name, session.entered_email, session.entered_phone) == (
        "Jana Nováková",
        "jana@example.com",
        "603 123 456",
    )
    event = ConsentEvent.objects.get()
    assert (event.session, event.text, event.kind) == (session, webchat.current_text("en"), "given")
    assert client.get(response.headers["Location"]).status_code == 200


def test_rendering_stores_nothing_and_sets_no_cookie(client: Client, webchat: WebChat) -> None:
    before = digest()
    for _visit in range(3):
        response = client.get(entry_url(webchat))
    assert response.status_code == 200
    assert not response.cookies
    assert digest() == before


@pytest.mark.parametrize(
    "consent",
    [
        "false",
        "0",
        "TRUE ",
        "true",
        "1",
        "On",
        "on ",
        "",
        ["on", "on"],
        ["on", "false"],
        ["false", "on"],
    ],
)
def test_only_the_affirmative_value_is_consent(
    client: Client, consent: Any, webchat: WebChat
) -> None:
    before = digest()
    assert submit(client, webchat, consent=consent).status_code == 422
    assert digest() == before


def test_the_same_form_twice_is_one_session(client: Client, webchat: WebChat) -> None:
    fields = {"ticket": ticket_in(client.get(entry_url(webchat))), **COMPLETE}
    first = client.post(entry_url(webchat), fields)
    second = client.post(entry_url(webchat), fields)
    assert first.headers["Location"] == second.headers["Location"]
    assert (Session.objects.count(), ConsentEvent.objects.count(), Guest.objects.count()) == (
        1,
        1,
        1,
    )


def test_newer_version_shows_the_form_again(client: Client, webchat: WebChat) -> None:
    old = {"ticket": ticket_in(client.get(entry_url(webchat))), **COMPLETE}
    ConsentVersionFactory(webchat=webchat, wording="The wording of the second version.")
    before = digest()

    response = client.post(entry_url(webchat), old)

    assert response.status_code == 409
    assert digest() == before
    html = response.content.decode()
    assert "version 2 now applies. Please read it and tick the box again." in html
    assert 'role="alert" tabindex="-1" autofocus>' in html
    assert 'value="Jana Nováková"' in html
    assert "checked" not in html
    again = client.post(entry_url(webchat), {**old, "ticket": ticket_in(response)})
    assert again.status_code == 302
    assert ConsentEvent.objects.get().text.version.number == 2


def test_form_that_became_gdpr_since_it_was_shown_asks_for_consent(client: Client) -> None:
    webchat = WebChatFactory(entry_form=EntryForm.STANDARD)
    old = {"ticket": ticket_in(client.get(entry_url(webchat))), **COMPLETE}
    webchat.entry_form = EntryForm.GDPR
    webchat.save(update_fields=["entry_form"])
    response = client.post(entry_url(webchat), old)
    assert response.status_code == 409
    html = response.content.decode()
    assert "The form has changed since you opened it." in html
    assert "now applies" not in html
    assert not Session.objects.exists()


def test_a_stale_copy_of_the_webchat_opens_no_session() -> None:
    """The gate uses the form at the time of the submit, not the one that was rendered."""
    webchat = WebChatFactory(entry_form=EntryForm.STANDARD)
    shown = ticket.read(make_ticket(webchat), webchat=webchat, channel="chat")
    entry = gate.Entry(name="Jana", email="jana@example.com", phone="603 123 456")
    WebChat.objects.filter(pk=webchat.pk).update(entry_form=EntryForm.GDPR)
    with pytest.raises(gate.ConsentNotShown):
        gate.start_session(webchat, ticket=shown, entry=entry, visit=gate.Visit())
    WebChat.objects.filter(pk=webchat.pk).update(
        entry_form=EntryForm.STANDARD, archived_at=webchat.created_at
    )
    with pytest.raises(gate.Unavailable):
        gate.start_session(webchat, ticket=shown, entry=entry, visit=gate.Visit())
    assert not Session.objects.exists()


def test_text_is_recorded_in_the_language_that_was_shown(client: Client, webchat: WebChat) -> None:
    czech = client.get(entry_url(webchat), headers={"Accept-Language": "cs-CZ,cs;q=0.9,en;q=0.1"})
    assert czech.headers["Content-Language"] == "cs"
    # The browser's preferred language changes after the form was shown. The shown text counts.
    client.post(
        entry_url(webchat),
        {"ticket": ticket_in(czech), **COMPLETE},
        headers={"Accept-Language": "en"},
    )
    session = Session.objects.get()
    assert (session.language, ConsentEvent.objects.get().text.language) == ("cs", "cs")


def test_it_fails_closed_when_nothing_is_published(client: Client) -> None:
    webchat = WebChatFactory(published=[])
    response = client.get(entry_url(webchat))
    assert response.status_code == 503
    assert b'name="ticket"' not in response.content
    assert client.post(entry_url(webchat), COMPLETE).status_code in {403, 503}
    assert not Session.objects.exists()


def test_switching_the_language_keeps_what_was_typed(client: Client, webchat: WebChat) -> None:
    response = client.post(entry_url(webchat), {**COMPLETE, "switch": "cs"})
    html = response.content.decode()
    assert response.status_code == 200
    assert 'value="Jana Nováková"' in html
    assert "I agree (cs)" in html
    assert "checked" not in html
    assert not Session.objects.exists()


def test_archived_or_unknown_webchat_is_not_found(client: Client) -> None:
    webchat = WebChatFactory(site="https://www.example.com")
    signed = ticket_in(client.get(entry_url(webchat)))
    webchat.archived_at = webchat.created_at
    webchat.save(update_fields=["archived_at"])
    for response in (
        client.get(entry_url(webchat)),
        client.get(entry_url(webchat, showroom=True)),
        client.post(entry_url(webchat), {"ticket": signed, **COMPLETE}),
    ):
        html = response.content.decode()
        assert response.status_code == 404
        assert "This chat is no longer available" in html
        assert webchat.name in html
        assert 'href="https://www.example.com"' in html
        assert 'href="/"' not in html
    assert not Session.objects.exists()
    assert client.get("/w/unknown/").status_code == 404


def test_webchat_that_is_archived_during_the_submit_is_not_found(
    client: Client, monkeypatch: pytest.MonkeyPatch, webchat: WebChat
) -> None:
    start = gate.start_session

    def archive_first(*args: Any, **kwargs: Any) -> Session:
        WebChat.objects.update(archived_at=webchat.created_at)
        return start(*args, **kwargs)

    monkeypatch.setattr(gate, "start_session", archive_first)
    response = submit(client, webchat)
    assert response.status_code == 404
    assert b'name="ticket"' not in response.content
    assert not Session.objects.exists()


@pytest.mark.parametrize(
    ("name", "status"), [("123", 422), ("+- 7", 422), ("X Æ A-12", 302), ("王", 302)]
)
def test_a_name_has_a_letter(client: Client, name: str, status: int) -> None:
    assert submit(client, WebChatFactory(), name=name).status_code == status


@pytest.mark.parametrize("field", ["name", "email", "phone"])
def test_nul_is_refused_at_its_field(client: Client, field: str, webchat: WebChat) -> None:
    response = submit(client, webchat, **{field: COMPLETE[field] + "\0"})
    assert response.status_code == 422
    assert f'id="id_{field}_error"' in response.content.decode()


def test_used_form_after_erasure_opens_nothing(client: Client) -> None:

    webchat = WebChatFactory()
    fields = {"ticket": ticket_in(client.get(entry_url(webchat))), **COMPLETE}
    client.post(entry_url(webchat), fields)
    ErasureFactory(subject=Session.objects.get())
    before = digest()
    again = client.post(entry_url(webchat), fields)
    assert again.status_code == 409
    assert digest() == before


@pytest.mark.parametrize("entry_form", [EntryForm.NONE, EntryForm.STANDARD, EntryForm.GDPR])
@pytest.mark.parametrize(
    ("seconds", "ended", "status"),
    [(0, False, 302), (100, False, 302), (121, False, 409), (0, True, 409)],
)
def test_used_form_leads_back_only_just_after_it_was_sent(
    client: Client, entry_form: str, seconds: int, ended: bool, status: int
) -> None:
    """The form None identifies no sender, and the same values can be sent again."""
    webchat = WebChatFactory(entry_form=entry_form)
    fields = {"ticket": ticket_in(client.get(entry_url(webchat))), **COMPLETE}
    first = client.post(entry_url(webchat), fields)
    session = Session.objects.get()
    Session.objects.update(created_at=session.created_at - timedelta(seconds=seconds))
    if ended:
        conversation.end_session(session, by=Party.OPERATOR)

    again = client.post(entry_url(webchat), fields)

    assert again.status_code == status
    assert Session.objects.count() == 1
    if status == 302:
        assert again.headers["Location"] == first.headers["Location"]
    else:
        assert (
            client.post(entry_url(webchat), fields | {"ticket": ticket_in(again)}).status_code
            == 302
        )


def test_used_form_leads_back_also_after_the_secret_key_was_changed(
    client: Client, settings: Any
) -> None:
    webchat = WebChatFactory()
    fields = {"ticket": ticket_in(client.get(entry_url(webchat))), **COMPLETE}
    first = client.post(entry_url(webchat), fields).headers["Location"]
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key " * 5
    again = client.post(entry_url(webchat), fields).headers["Location"]
    assert again == first
    assert client.get(again).status_code == 200
    other = client.post(
        entry_url(webchat), fields | {"ticket": ticket_in(client.get(entry_url(webchat)))}
    )
    assert client.get(other.headers["Location"]).status_code == 200


@pytest.mark.parametrize("field", gate.TYPED)
def test_used_form_leads_nobody_else_into_the_conversation(client: Client, field: str) -> None:
    """On a shared device, the Back button shows a sent form. Its ticket belongs to its sender."""
    webchat = WebChatFactory()
    fields = {"ticket": ticket_in(client.get(entry_url(webchat))), **COMPLETE}
    first = client.post(entry_url(webchat), fields).headers["Location"]
    other = {"email": "bob@example.com", "phone": "603 123 499"}.get(field, "Bob Novák")

    response = client.post(entry_url(webchat), fields | {field: other})

    assert response.status_code == 409
    assert Session.objects.count() == 1
    assert other in response.content.decode()
    second = client.post(entry_url(webchat), fields | {field: other, "ticket": ticket_in(response)})
    assert second.status_code == 302
    assert second.headers["Location"] != first
    assert Guest.objects.count() == (2 if field in MATCHED else 1)


@pytest.mark.parametrize("field", dataclasses.fields(gate.Entry), ids=lambda field: field.name)
def test_every_field_of_the_entry_tells_a_person_from_the_next(
    field: dataclasses.Field[Any],
) -> None:
    """Only ``consent`` is an act and not a value. A form without it never reaches the gate."""
    webchat = WebChatFactory()
    entry = gate.Entry(name="Jana", email="jana@example.com", phone="603 123 456", consent=True)
    shown = ticket.read(make_ticket(webchat), webchat=webchat, channel="chat")
    first = gate.start_session(webchat, ticket=shown, entry=entry, visit=gate.Visit())
    assert gate.start_session(webchat, ticket=shown, entry=entry, visit=gate.Visit()) == first
    if field.type != "bool":
        other = dataclasses.replace(entry, **{field.name: "other"})
        with pytest.raises(gate.ConsentNotShown):
            gate.start_session(webchat, ticket=shown, entry=other, visit=gate.Visit())


def test_the_form_asks_for_the_fields_of_the_entry() -> None:
    assert list(ENTRY_FORMS[EntryForm.GDPR]().fields) == [
        field.name for field in dataclasses.fields(gate.Entry)
    ]
    assert list(ENTRY_FORMS[EntryForm.STANDARD]().fields) == list(gate.TYPED)


def test_the_session_stores_each_typed_value() -> None:
    columns = [f.name for f in Session._meta.fields if f.name.startswith("entered_")]
    assert columns == list(gate.Entry().columns)


def test_day_of_consent_is_cut_as_the_setting_says(settings: Any) -> None:
    settings.ERASURE_TIME_PRECISION = "month"
    SessionFactory()
    assert ConsentEvent.objects.get().day.day == 1


def test_person_is_recognised_by_all_three_keys() -> None:
    first = SessionFactory(name="Jana Nováková", email="jana@example.com", phone="603 123 456")
    same = SessionFactory(
        name="JANA  NOVAKOVA", email=" Jana@EXAMPLE.com", phone="+420-603-123-456"
    )
    other = SessionFactory(name="Jana Nováková", email="jana@example.com", phone="603 123 457")
    assert first.guest_id == same.guest_id
    assert first.guest_id != other.guest_id
    assert same.entered_name == "JANA  NOVAKOVA"
