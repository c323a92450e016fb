"""Test the privacy notice: forms without consent show it, and the session stores it as evidence."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from sessions_app import gate
from sessions_app.models import ConsentEvent, Session
from tests.database import digest
from tests.factories import ErasureFactory, SessionFactory, WebChatFactory, publish_notice
from tests.pages import COMPLETE, LogIn, compact, entry_url, submit, ticket_in
from webchat import services
from webchat.checks import check_privacy_notice
from webchat.consent_html import sanitise, sha256_hex, to_lines
from webchat.default_texts import DEFAULT_NOTICES
from webchat.models import DataController, TextKind, WebChat
from webchat.slots import SLOTS, slots_in

pytestmark = pytest.mark.django_db

WITHOUT_CONSENT = ["standard", "none"]


@pytest.fixture(params=WITHOUT_CONSENT)
def shop(request: pytest.FixtureRequest, db: None) -> WebChat:
    webchat = WebChatFactory(entry_form=request.param, showroom_form="gdpr")
    publish_notice(webchat)
    return webchat


def test_the_form_links_to_it_and_the_session_keeps_what_was_shown(
    client: Client, shop: WebChat
) -> None:
    page = client.get(f"{entry_url(shop)}?lang=cs").content.decode()
    assert f'href="/w/{shop.public_id}/notice/1/cs/"' in page
    assert 'type="checkbox"' not in page

    assert submit(client, shop, language="cs").status_code == 302

    event = ConsentEvent.objects.get()
    assert (event.kind, event.text.version.kind) == ("informed", "notice")
    assert event.text == shop.current_text("en", TextKind.NOTICE)
    session = Session.objects.get()
    assert (session.consent_given, session.notice_shown) == (None, event.text)


def test_the_showroom_of_the_same_webchat_asks_for_consent(client: Client, shop: WebChat) -> None:
    assert submit(client, shop, showroom=True).status_code == 302

    assert ConsentEvent.objects.get().kind == "given"


def test_a_newer_notice_is_shown_before_the_session_starts(client: Client, shop: WebChat) -> None:
    old = {"ticket": ticket_in(client.get(entry_url(shop))), **COMPLETE}
    publish_notice(shop, "Another wording.")
    before = digest()

    response = client.post(entry_url(shop), old)

    assert response.status_code == 409
    assert "The privacy notice has changed; version 2 now applies." in response.content.decode()
    assert digest() == before
    again = client.post(entry_url(shop), old | {"ticket": ticket_in(response)})
    assert again.status_code == 302
    assert ConsentEvent.objects.get().text.version.number == 2


def test_a_notice_is_no_consent_when_the_form_becomes_gdpr(client: Client, shop: WebChat) -> None:
    old = {"ticket": ticket_in(client.get(entry_url(shop))), **COMPLETE}
    WebChat.objects.update(entry_form="gdpr")

    response = client.post(entry_url(shop), old)

    assert response.status_code == 409
    assert "The form has changed since you opened it." in response.content.decode()
    assert not Session.objects.exists()


@pytest.mark.parametrize("form", WITHOUT_CONSENT)
def test_a_webchat_that_never_had_a_notice_works_and_is_named(
    client: Client, log_in: LogIn, form: str
) -> None:
    webchat = WebChatFactory(name="Silent one", entry_form=form, showroom_form="gdpr", published=[])

    assert submit(client, webchat).status_code == 302
    assert not ConsentEvent.objects.exists()
    for role in ("administrator", "officer"):
        page = log_in(role).get("/").content.decode()
        alert = page[page.index("These WebChats do not tell visitors") :].split("</ul>")[0]
        assert "Silent one" in alert
    assert [message.id for message in check_privacy_notice(None)] == ["webchat.W002"]

    publish_notice(webchat)
    assert check_privacy_notice(None) == []
    assert "do not tell visitors" not in log_in("officer").get("/").content.decode()


@pytest.mark.parametrize("form", WITHOUT_CONSENT)
def test_a_form_without_consent_can_be_chosen_once_a_notice_is_published(
    administrator: Client, form: str
) -> None:
    webchat = WebChatFactory()
    page = f"/settings/webchat/{webchat.pk}/forms/"
    chosen = {"entry_form": form, "showroom_form": "gdpr", "confirm_none": "on"}

    refused = administrator.post(page, chosen)
    assert refused.status_code == 422
    assert 'id="id_entry_form_error"' in refused.content.decode()
    assert "No privacy notice is published." in refused.content.decode()

    publish_notice(webchat)
    assert administrator.post(page, chosen).status_code == 302


def test_a_language_without_the_notice_is_refused_and_fails_closed(
    client: Client, shop: WebChat
) -> None:
    with pytest.raises(services.NothingPublished, match=r"Missing: German\."):
        services.save_settings(shop, changes={"languages": ["en", "cs", "de"]}, by=None)
    WebChat.objects.update(languages=["en", "cs", "de"])

    assert client.get(f"{entry_url(shop)}?lang=de").status_code == 503
    assert client.get(f"{entry_url(shop)}?lang=cs").status_code == 200


def test_its_permanent_page_serves_the_hashed_bytes(client: Client, shop: WebChat) -> None:
    text = shop.current_text("en", TextKind.NOTICE)

    response = client.get(f"/w/{shop.public_id}/notice/1/en/")

    assert sha256_hex(response.content.decode()) == text.sha256
    assert "Privacy notice – " in text.document
    assert "<section" not in text.document
    assert client.get(f"/w/{shop.public_id}/consent/1/en/").content != response.content


def test_both_kinds_are_numbered_on_their_own(shop: WebChat) -> None:
    assert shop.current_version().number == shop.current_version(TextKind.NOTICE).number == 1
    assert publish_notice(shop, "More").number == 2
    assert shop.current_version().number == 1


def test_staff_pages_name_it(log_in: LogIn, shop: WebChat) -> None:
    session = SessionFactory(webchat=shop, language="cs")
    officer = log_in("officer")

    table = officer.get("/sessions/").content.decode()
    page = compact(officer.get(f"/sessions/{session.pk}/"))
    export = b"".join(officer.get("/sessions/export/").streaming_content).decode()

    for said in (table, page, export):
        assert "Informed by notice v1 cs" in said
    assert "Informed by the privacy notice" in page
    assert f"/w/{shop.public_id}/notice/1/cs/" in page


def test_the_event_outlives_the_erasure_as_evidence(log_in: LogIn, shop: WebChat) -> None:
    session = SessionFactory(webchat=shop)
    erasure = ErasureFactory(subject=session)

    (event,) = session.consent_events.all()
    assert event.kind == "informed"
    page = log_in("officer").get(erasure.get_absolute_url()).content.decode()
    said = "version 1, English: privacy notice shown, no consent asked for"
    assert f"{shop.name} (WebChat {shop.pk}), {said}" in page


def test_the_visitor_finds_it_on_my_data(client: Client, shop: WebChat) -> None:
    room = submit(client, shop).headers["Location"]
    link = re.search(r'href="(/c/[^"]+|http[^"]+/c/[^"]+)"', client.get(room).content.decode())[1]

    page = client.get(link).content.decode()

    assert f"/w/{shop.public_id}/notice/1/en/" in page
    assert "did not require your consent" in page


def test_the_gdpr_form_needs_no_more_statements(
    webchat: WebChat, django_assert_num_queries
) -> None:
    with django_assert_num_queries(2):
        gate.required_text(webchat, channel="chat", language="en")


def test_the_administrator_publishes_the_default_notice(administrator: Client) -> None:
    DataController.objects.create(
        pk=1, name="Example s.r.o.", contact="privacy@example.com", recipients="Hosting a.s."
    )
    webchat = WebChatFactory(published=[], entry_form="none", showroom_form="not_chosen")
    page = administrator.get(f"/settings/webchat/{webchat.pk}/notice/").content.decode()
    assert 'name="label_en"' not in page
    typed = {"based_on": 0} | {f"body_{c}": DEFAULT_NOTICES[c].body for c in ("en", "cs")}
    url = f"/settings/webchat/{webchat.pk}/notice/publish/"

    for act in ("preview", "review"):
        shown = administrator.post(url, typed | {"act": act})
        assert shown.status_code == 200
        assert b"privacy@example.com" in shown.content
    assert administrator.post(url, typed | {"act": "publish"}).status_code == 302

    text = webchat.current_text("cs", TextKind.NOTICE)
    assert text.label == ""
    assert "{" not in text.document
    assert (
        administrator.get(f"/settings/webchat/{webchat.pk}/notice/versions/1/").status_code == 200
    )


MUST_SAY = {
    "en": ["6(1)(f)", "6(1)(b)", "Article 21(1)", "particular situation", "proof that we informed"],
    "cs": [
        "písm. f)",
        "písm. b)",
        "čl. 21 odst. 1",
        "konkrétní situace",
        "že jsme vás informovali",
    ],
    "de": ["Buchst. f", "Buchst. b", "Art. 21 Abs. 1", "besonderen Situation", "informiert haben"],
    "sk": [
        "písm. f)",
        "písm. b)",
        "čl. 21 ods. 1",
        "konkrétnej situácie",
        "že sme vás informovali",
    ],
}
CONSENT = {"en": "consent", "cs": "souhlas", "de": "Einwilligung", "sk": "súhlas"}


@pytest.mark.parametrize("language", MUST_SAY)
def test_the_default_notice_says_what_the_regulation_asks(language: str) -> None:
    body = DEFAULT_NOTICES[language].body
    said = "\n".join(to_lines(body)).replace("\xa0", " ")

    assert sanitise(body) == body
    assert [words for words in MUST_SAY[language] if words not in said] == []
    assert CONSENT[language] not in said
    assert set(slots_in(DEFAULT_NOTICES[language])) == set(SLOTS)
