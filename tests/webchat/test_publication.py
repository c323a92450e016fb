"""Test the publication of a version: stored rows and refusals."""

import hashlib

import factory
import pytest

from tests.factories import ConsentVersionFactory, StaffFactory, WebChatFactory
from webchat import services
from webchat.consent_html import MAX_BODY, MAX_LABEL, DraftText
from webchat.models import ConsentText, ConsentVersion

pytestmark = pytest.mark.django_db

TEXTS = {"en": DraftText("I agree", "<p>One</p>"), "cs": DraftText("Souhlasím", "<p>Jedna</p>")}


def publish_texts(webchat, texts=TEXTS, based_on=0, **texts_changed):
    return services.publish_consent(
        webchat, texts=texts | texts_changed, based_on=based_on, published_by=None
    )


def test_it_counts_from_one_for_each_webchat():
    shop, other = WebChatFactory(published=[]), WebChatFactory(published=[])

    versions = ConsentVersionFactory.create_batch(3, webchat=shop, wording=factory.Iterator("abc"))
    assert [version.number for version in versions] == [1, 2, 3]
    assert ConsentVersionFactory(webchat=other).number == 1


def test_it_stores_the_sanitised_text_and_the_digest_of_the_document():
    webchat = WebChatFactory(published=[])
    hostile = DraftText("I  agree\n", '<p onclick="x()">One<script>alert(1)</script></p>')

    version = publish_texts(webchat, en=hostile)

    text = version.texts.get(language="en")
    assert (text.label, text.body) == ("I agree", "<p>One</p>")
    assert "<p>One</p>" in text.document
    assert text.sha256 == hashlib.sha256(text.document.encode()).hexdigest()


def test_it_records_who_published():
    administrator = StaffFactory(role="administrator")
    webchat = WebChatFactory(published=[])

    version = services.publish_consent(webchat, texts=TEXTS, based_on=0, published_by=administrator)

    assert version.published_by == administrator


def test_it_refuses_texts_that_are_equal_after_sanitising():
    webchat = WebChatFactory(published=[])
    publish_texts(webchat)

    same = DraftText(" I  agree ", "<div><p>One<script>x</script></p></div>\n\n")
    with pytest.raises(services.NothingChanged):
        publish_texts(webchat, based_on=1, en=same)

    assert ConsentVersion.objects.count() == 1


@pytest.mark.parametrize(
    "missing", [DraftText("", "<p>x</p>"), DraftText("x", ""), DraftText("x", "<p> </p>")]
)
def test_it_refuses_when_a_language_of_the_webchat_has_no_text(missing):
    webchat = WebChatFactory(published=[])

    with pytest.raises(services.LanguageMissing):
        publish_texts(webchat, cs=missing)
    with pytest.raises(services.LanguageMissing):
        publish_texts(webchat, texts={"en": TEXTS["en"]})

    assert not ConsentVersion.objects.exists()


def test_a_text_may_be_ready_before_its_language_is_offered():
    webchat = WebChatFactory(published=[])
    publish_texts(webchat, de=DraftText("Ja", "<p>Eins</p>"))

    services.save_settings(webchat, changes={"languages": ["en", "cs", "de"]}, by=None)

    webchat.refresh_from_db()
    assert webchat.current_text("de").label == "Ja"


@pytest.mark.parametrize(
    "text", [DraftText("x" * (MAX_LABEL + 1), "<p>x</p>"), DraftText("x", "x" * (MAX_BODY + 1))]
)
def test_it_refuses_texts_over_the_limit(text):
    with pytest.raises(services.TextTooLong):
        publish_texts(WebChatFactory(published=[]), en=text)

    assert not ConsentText.objects.exists()


@pytest.mark.parametrize("character", ["\0", "\ud800"])
def test_it_refuses_what_a_database_can_not_store(character):
    webchat = WebChatFactory(published=[])

    with pytest.raises(ValueError, match="cannot be stored"):
        publish_texts(webchat, en=DraftText("x", f"<p>a{character}b</p>"))
    with pytest.raises(ValueError, match="cannot be stored"):
        publish_texts(webchat, en=DraftText(f"x{character}", "<p>a</p>"))

    assert not ConsentVersion.objects.exists()


@pytest.mark.parametrize("based_on", [0, 1, 3])
def test_it_refuses_work_that_began_from_another_version(based_on):
    webchat = WebChatFactory(published=["one"])
    current = ConsentVersionFactory(webchat=webchat, wording="two")

    with pytest.raises(services.NewerVersionExists) as refusal:
        publish_texts(webchat, based_on=based_on)

    assert refusal.value.version == current
    assert webchat.consent_versions.count() == 2
