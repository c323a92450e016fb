"""Test that slots of consent texts are filled from the settings in the published bytes."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests.factories import WebChatFactory
from tests.webchat.editor import sent
from tests.webchat.test_editor import hidden_fields
from webchat import services, slots
from webchat.consent_html import DraftText, sha256_hex, to_lines
from webchat.default_texts import DEFAULT_TEXTS
from webchat.models import DataController, WebChat

pytestmark = pytest.mark.django_db

LANGUAGES = ["en", "cs", "de", "sk"]
COMPANY = {
    "name": "Example s.r.o.",
    "address": "Dlouhá 1, Praha",
    "contact": "privacy@example.com",
    "officer": "Eva <Malá>, dpo@example.com",
    "recipients": "Hosting a.s. (Praha)",
}


@pytest.fixture
def company(db: None) -> DataController:
    return DataController.objects.create(pk=DataController.KEY, **COMPANY)


@pytest.fixture
def shop(db: None) -> WebChat:
    return WebChatFactory(languages=LANGUAGES, published=[], retention_days=30)


def publish(webchat: WebChat, texts: dict[str, DraftText] = DEFAULT_TEXTS, based_on: int = 0):
    return services.publish_consent(webchat, texts=texts, based_on=based_on, published_by=None)


def publish_page(webchat: WebChat) -> str:
    return f"/settings/webchat/{webchat.pk}/forms/publish/"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_default_texts_are_published_without_a_slot(
    company: DataController, shop: WebChat, language: str
) -> None:
    publish(shop)

    text = shop.current_text(language)
    said = "\n".join(to_lines(text.body))
    assert not re.search("[{}]", text.document)
    assert text.sha256 == sha256_hex(text.document)
    for words in ("Example s.r.o., Dlouhá 1, Praha", "privacy@example.com", "Hosting a.s. (Praha)"):
        assert words in said
    assert "Eva <Malá>" in said
    assert "Eva &lt;Malá&gt;" in text.document
    assert "Example s.r.o." in text.label
    assert "Dlouhá" not in text.label
    assert ".." not in text.label


PERIODS = {
    "en": {None: "until your request is settled", 1: "1 day from", 3: "3 days from", 5: "5 days"},
    "cs": {None: "do vyřízení vašeho dotazu", 1: "1 den od", 3: "3 dny od", 5: "5 dní od", 22: "22 dní"},
    "de": {None: "bis Ihre Anfrage erledigt ist", 1: "1 Tag ab", 3: "3 Tage ab", 30: "30 Tage ab"},
    "sk": {None: "do vybavenia vašej otázky", 1: "1 deň od", 4: "4 dni od", 5: "5 dní od"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("language", "days", "words"),
    [(language, days, words) for language in PERIODS for days, words in PERIODS[language].items()],
)
def test_retention_is_written_in_words(language: str, days: int | None, words: str) -> None:
    assert slots.words_of("retention", days, language).startswith(words)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_paragraph_of_an_optional_slot_is_left_out(
    company: DataController, shop: WebChat, language: str
) -> None:
    publish(shop)
    with_officer = to_lines(shop.current_text(language).body)
    DataController.objects.update(officer="")
    publish(shop, based_on=1)

    without = to_lines(shop.current_text(language).body)
    (removed,) = set(with_officer) - set(without)
    assert "Eva" in removed


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("basis", ["b", "c", "f"])
def test_the_second_basis_is_named(
    company: DataController, shop: WebChat, language: str, basis: str
) -> None:
    shop.second_basis = basis
    shop.save(update_fields=["second_basis"])
    publish(shop)

    body = shop.current_text(language).body
    assert re.search(rf"6(\(1\)\({basis}\)|\D+1\D+{basis}[ )])", body)


@pytest.mark.parametrize("slot", ["name", "contact", "recipients"])
def test_a_text_with_an_open_slot_is_refused_and_nothing_is_lost(
    administrator: Client, company: DataController, shop: WebChat, slot: str
) -> None:
    DataController.objects.update(**{slot: ""})
    named = {"name": "controller"}.get(slot, slot)
    typed = sent("publish", languages=tuple(LANGUAGES), body_cs=f"<p>Kdo: {{{named}}}</p>")

    response = administrator.post(publish_page(shop), typed)

    page = response.content.decode()
    assert response.status_code == 422
    assert f"These slots have no value yet: {{{named}}} (Czech)." in page
    assert f"Kdo: {{{named}}}" in page
    assert not shop.consent_versions.exists()


@pytest.mark.parametrize(
    "body",
    [
        "<p>{kontakt}</p>",
        "<p>{con<strong>tact}</strong></p>",
        '<p><a href="https://x/{a}">x</a></p>',
    ],
)
def test_what_looks_like_a_slot_but_is_none_is_refused(
    company: DataController, webchat: WebChat, body: str
) -> None:
    texts = {"en": DraftText("I agree", body), "cs": DraftText("Souhlasím", "<p>Text</p>")}
    with pytest.raises(services.SlotOpen):
        publish(webchat, texts, based_on=1)


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("<p>Who: { contact }</p>", "<p>Who: privacy@example.com</p>"),
        (
            '<p><a href="mailto:{contact}">write</a></p>',
            '<p><a href="mailto:privacy@example.com">write</a></p>',
        ),
        ("<ul><li><p>a</p></li><li><p>{dpo}</p></li></ul>", "<ul><li><p>a</p></li></ul>"),
        ("<p>No slot: {} { } {1}</p>", "<p>No slot: {} { } {1}</p>"),
    ],
)
def test_how_a_slot_is_filled(
    company: DataController, webchat: WebChat, template: str, filled: str
) -> None:
    DataController.objects.update(officer="")
    texts = {code: DraftText("I agree", template) for code in webchat.languages}

    assert publish(webchat, texts, based_on=1).texts.first().body == filled


def test_the_review_shows_every_byte_and_the_publication_publishes_them(
    administrator: Client, company: DataController, webchat: WebChat
) -> None:
    typed = sent("review", based_on=1, body_en="<p>Write to {contact}.</p>")
    review = administrator.post(publish_page(webchat), typed)
    page = review.content.decode()
    digest = re.search(r'name="shown" value="(\w{64})"', page)[1]
    hashes = re.findall(r"SHA-256 <code>(\w{64})</code>", page)

    again = hidden_fields(review) | {"act": "publish", "shown": digest}
    assert administrator.post(publish_page(webchat), again).status_code == 302

    version = webchat.current_version()
    assert {text.sha256 for text in version.texts.all()} == set(hashes)
    assert "<p>Write to privacy@example.com.</p>" in webchat.current_text("en").document


def test_a_setting_that_changed_after_the_review_stops_the_publication(
    administrator: Client, company: DataController, webchat: WebChat
) -> None:
    typed = sent("review", based_on=1, body_en="<p>Write to {contact}.</p>")
    review = administrator.post(publish_page(webchat), typed)
    digest = re.search(r'name="shown" value="(\w{64})"', review.content.decode())[1]
    DataController.objects.update(contact="other@example.com")

    again = hidden_fields(review) | {"act": "publish", "shown": digest}
    response = administrator.post(publish_page(webchat), again)

    page = response.content.decode()
    assert response.status_code == 409
    assert "A setting has changed since you saw the texts." in page
    assert "Write to other@example.com." in page
    assert webchat.current_version().number == 1


def test_the_next_version_is_edited_with_its_slots(
    administrator: Client, company: DataController, shop: WebChat
) -> None:
    publish(shop)

    page = administrator.get(f"/settings/webchat/{shop.pk}/forms/").content.decode()

    assert page.count("Kontakt: {contact}") == 3
    assert "privacy@example.com" in page, "the slots and their words"


def test_a_preview_shows_filled_slots_and_open_ones(
    administrator: Client, company: DataController, webchat: WebChat
) -> None:
    DataController.objects.update(recipients="")
    typed = sent("preview:en", based_on=1, body_en="<p>{contact} and {recipients}</p>")

    page = administrator.post(publish_page(webchat), typed).content.decode()

    assert "<p>privacy@example.com and {recipients}</p>" in page


def test_the_review_says_when_no_period_ends_the_promised_one(
    administrator: Client, company: DataController
) -> None:
    for days, says in ((None, True), (30, False)):
        webchat = WebChatFactory(retention_days=days)
        typed = sent("review", based_on=1, body_en="<p>Kept: {retention}</p>")
        page = administrator.post(publish_page(webchat), typed).content.decode()
        assert ("No retention period is set" in page) == says
