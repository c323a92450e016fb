"""Test the retirement of a faulty version: nobody can consent to it, and its pages say so."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from sessions_app import conversation
from sessions_app.models import ConsentEvent, Party, Session
from tests.database import digest
from tests.factories import (
    ConsentVersionFactory,
    SessionFactory,
    WebChatFactory,
    publish_notice,
)
from tests.pages import COMPLETE, LogIn, compact, entry_url, submit, ticket_in
from webchat import services
from webchat.consent_html import sha256_hex
from webchat.models import Retirement, SettingChange, TextKind, WebChat

pytestmark = pytest.mark.django_db

REASON = "The contact was <wrong>."


def retire(webchat: WebChat, number: int = 1, kind: str = TextKind.CONSENT) -> None:
    version = webchat.consent_versions.get(number=number, kind=kind)
    services.retire_version(version, reason=REASON, by=None)


@pytest.mark.parametrize("showroom", [False, True], ids=["chat", "showroom"])
def test_the_form_of_the_newest_version_is_closed(
    client: Client, webchat: WebChat, showroom: bool
) -> None:
    url = entry_url(webchat, showroom=showroom)
    old = {"ticket": ticket_in(client.get(url)), **COMPLETE}
    retire(webchat)
    before = digest()

    assert client.get(url).status_code == 503
    assert client.post(url, old).status_code == 503
    assert digest() == before

    ConsentVersionFactory(webchat=webchat, wording="The right contact.")
    assert client.post(url, old).status_code == 409
    assert submit(client, webchat, showroom=showroom).status_code == 302
    assert ConsentEvent.objects.get().text.version.number == 2


def test_an_older_version_takes_nothing_away(client: Client) -> None:
    webchat = WebChatFactory(published=["One", "Two"])
    retire(webchat, 1)

    assert submit(client, webchat).status_code == 302


def test_a_form_with_a_retired_notice_is_closed(client: Client) -> None:
    webchat = WebChatFactory(entry_form="standard")
    publish_notice(webchat)
    retire(webchat, kind=TextKind.NOTICE)

    assert client.get(entry_url(webchat)).status_code == 503
    assert client.get(entry_url(webchat, showroom=True)).status_code == 200


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Nobody can agree to it any more."),
        ("cs", "Už s ní nelze vyslovit souhlas."),
        ("de", "Niemand kann ihr mehr zustimmen."),
        ("sk", "Už s ňou nemožno vysloviť súhlas."),
    ],
)
def test_its_permanent_page_says_so_and_keeps_the_exact_bytes(
    client: Client, language: str, words: str
) -> None:
    webchat = WebChatFactory(languages=["en", "cs", "de", "sk"])
    text = webchat.current_text(language)
    url = text.get_absolute_url()
    etag = client.get(url)["ETag"]
    retire(webchat)

    page = client.get(url, headers={"if-none-match": etag})
    assert page.status_code == 200
    assert words in compact(page)
    assert "The contact was &lt;wrong&gt;." in page.content.decode()
    assert text.body in page.content.decode()
    assert "max-age=300" in page["Cache-Control"]
    assert not page.cookies
    exact = client.get(f"{url}?exact")
    assert sha256_hex(exact.content.decode()) == text.sha256
    assert "immutable" in exact["Cache-Control"]


def test_the_staff_page_lists_the_open_sessions_that_hold_it(administrator: Client) -> None:
    webchat = WebChatFactory()
    waiting, other = SessionFactory(webchat=webchat), SessionFactory()
    closed = SessionFactory(webchat=webchat, ended=True, new_guest=True)
    url = f"/settings/webchat/{webchat.pk}/forms/versions/1/"

    asked = administrator.get(f"{url}retire/").content.decode()
    assert f"/sessions/{waiting.pk}/" in asked
    assert "its form is closed to visitors until you publish the next one" in asked
    assert administrator.post(f"{url}retire/", {"reason": REASON}).status_code == 302

    page = administrator.get(url).content.decode()
    assert f"/sessions/{waiting.pk}/" in page
    assert f"/sessions/{closed.pk}/" not in page
    assert f"/sessions/{other.pk}/" not in page
    assert "The contact was &lt;wrong&gt;." in page
    assert f"{url}retire/" not in page
    conversation.end_session(Session.objects.get(pk=waiting.pk), by=Party.VISITOR)
    assert "No open session has this version." in administrator.get(url).content.decode()


def test_the_home_page_names_the_closed_webchat(log_in: LogIn) -> None:
    retire(WebChatFactory(name="Faulty one"))
    WebChatFactory(name="Fine one")

    page = log_in("administrator").get("/").content.decode()

    alert = page[page.index("These WebChats reject visitors") :].split("</ul>")[0]
    assert "Faulty one" in alert
    assert "Fine one" not in alert


def test_a_reason_is_required(administrator: Client, webchat: WebChat) -> None:
    url = f"/settings/webchat/{webchat.pk}/forms/versions/1/retire/"

    for reason in ("", "x" * 501):
        assert administrator.post(url, {"reason": reason}).status_code == 422
    assert not Retirement.objects.exists()


def test_it_is_recorded_once_and_never_taken_back(administrator: Client, webchat: WebChat) -> None:
    url = f"/settings/webchat/{webchat.pk}/forms/versions/1/retire/"
    for _twice in range(2):
        assert administrator.post(url, {"reason": REASON}).status_code == 302

    retirement = Retirement.objects.get()
    assert (retirement.reason, retirement.retired_by.username) == (REASON, "administrator")
    changes = SettingChange.objects.filter(field="retired_consent_version")
    assert [change.after for change in changes] == [1]
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Retirement.objects.update(reason="Never mind")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Retirement.objects.all().delete()


def test_gdpr_can_not_be_chosen_with_a_retired_text(administrator: Client) -> None:
    webchat = WebChatFactory(entry_form="not_chosen", showroom_form="not_chosen")
    retire(webchat)

    chosen = {"entry_form": "gdpr", "showroom_form": "not_chosen"}
    response = administrator.post(f"/settings/webchat/{webchat.pk}/forms/", chosen)

    assert response.status_code == 422
    assert "Version 1 is retired. Publish the next one first." in response.content.decode()


def test_other_settings_can_still_be_saved(webchat: WebChat) -> None:
    retire(webchat)

    assert services.save_settings(webchat, changes={"name": "Renamed"}, by=None) == {"name"}


def test_the_same_words_can_be_published_again_after_a_mistake(webchat: WebChat) -> None:
    retire(webchat)
    texts = services.written_of(webchat.current_version())

    version = services.publish_consent(webchat, texts=texts, based_on=1, published_by=None)

    assert version.number == 2
