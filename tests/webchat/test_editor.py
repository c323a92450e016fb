"""Test the buttons of the consent editor: preview, review, back, publish."""

import re
from html import unescape

import pytest

from tests.factories import WebChatFactory
from tests.pages import compact
from tests.webchat.editor import sent
from webchat.consent_html import DraftText
from webchat.services import publish_consent

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def url(webchat):
    return f"/settings/webchat/{webchat.pk}/forms/publish/"


def hidden_fields(response):
    """Return the hidden fields of the form, as a browser would send them."""
    form = re.search(r'<form id="draft".*?</form>', response.content.decode(), re.DOTALL)[0]
    pairs = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form)
    return {name: unescape(value) for name, value in pairs if name != "csrfmiddlewaretoken"}


def test_the_editor_starts_with_the_default_texts(administrator):
    webchat = WebChatFactory(published=[], entry_form="none", showroom_form="none")

    page = administrator.get(f"/settings/webchat/{webchat.pk}/forms/").content.decode()

    assert "Review and publish as version 1" in page
    for code in ("en", "cs", "de", "sk"):
        assert f'name="body_{code}"' in page
    assert "Souhlasím se zpracováním" in page


def test_the_editor_goes_on_with_the_current_texts(administrator):
    webchat = WebChatFactory(published=["The first wording", "The second wording"])

    page = administrator.get(f"/settings/webchat/{webchat.pk}/forms/").content.decode()

    assert "The second wording (cs)" in page
    assert 'name="based_on" value="2"' in page


@pytest.mark.parametrize("language", ["en", "cs"])
def test_preview_shows_the_visitors_form_with_label_and_text(administrator, language, webchat):
    response = administrator.post(url(webchat), sent(f"preview:{language}", based_on=1))

    page = response.content.decode()
    assert response.status_code == 200
    assert f"I agree with the new text ({language})" in page
    assert f"<p>We process your data otherwise now ({language}).</p>" in page
    assert 'type="checkbox"' in page
    assert "checked" not in page
    assert webchat.consent_versions.count() == 1


@pytest.mark.parametrize("act", ["preview", "review"])
def test_preview_and_review_hand_on_everything_typed(administrator, act, webchat):
    typed = sent(
        act,
        based_on=1,
        body_en='<p>As "typed"\n  <b>here</b></p>',
        also_de="on",
        label_de="Ja",
        body_de="Nein",
    )

    response = administrator.post(url(webchat), typed)

    assert hidden_fields(response) == {
        name: str(value) for name, value in typed.items() if name != "act"
    }


def test_a_label_is_one_line_however_it_was_typed(administrator, webchat):
    typed = sent("publish", based_on=1, label_en=" I agree\r\nwith  the\ttext ")
    assert administrator.post(url(webchat), typed).status_code == 302

    assert webchat.current_text("en").label == "I agree with the text"


def test_a_label_is_seen_whole_while_it_is_written(administrator):
    page = administrator.get(f"/settings/webchat/{WebChatFactory().pk}/forms/").content.decode()

    (label,) = re.findall(r'<textarea name="label_en"[^>]*>', page)
    assert 'rows="2"' in label


def test_a_preview_names_languages_as_the_form_does(administrator, client, webchat):
    preview = compact(administrator.post(url(webchat), sent("preview", based_on=1)))
    form = compact(client.get(f"/w/{webchat.public_id}/"))

    names = [re.findall(r'aria-pressed="\w+">([^<]+)</button>', page) for page in (preview, form)]
    assert names == [["English", "Česky"]] * 2


def test_back_to_editing_keeps_what_was_typed(administrator, webchat):
    typed = sent("edit", based_on=1, label_en="", body_en="<p>Half a sen")

    page = unescape(administrator.post(url(webchat), typed).content.decode())

    assert "<p>Half a sen" in page
    assert "I agree with the new text (cs)" in page
    assert 'name="based_on" value="1"' in page


def test_review_says_the_number_and_shows_the_difference(administrator, webchat):
    page = administrator.post(url(webchat), sent("review", based_on=1)).content.decode()

    assert "This will be version 2" in page
    assert "Changes from version 1 to version 2" in page
    assert "<del>" in page
    assert "<ins>" in page
    assert webchat.consent_versions.count() == 1


@pytest.mark.parametrize(("showroom", "says"), [("standard", True), ("gdpr", False)])
def test_it_says_when_a_publication_has_no_effect_yet(administrator, showroom, says):
    webchat = WebChatFactory(entry_form="none", showroom_form=showroom)

    review = administrator.post(url(webchat), sent("review", based_on=1)).content.decode()
    page = administrator.post(
        url(webchat), sent("publish", based_on=1), follow=True
    ).content.decode()

    assert ("Visitors won't see it until you choose GDPR" in review) == says
    assert ("Visitors are not asked for this consent yet. Choose GDPR" in page) == says
    assert ("neither entry form is set to GDPR" in page) == says
    assert ("Visitors see the published version until" in page) != says


def test_review_folds_what_did_not_change(administrator):
    webchat = WebChatFactory(languages=["en"])
    start = "<p>First</p><p>Second</p><p>Third</p><p>Fourth</p>"
    texts = {"en": DraftText("I agree", start + "<p>Old end</p>")}
    publish_consent(webchat, texts=texts, based_on=1, published_by=None)

    typed = sent(
        "review",
        based_on=2,
        languages=("en",),
        label_en="I agree",
        body_en=start + "<p>New end</p>",
    )
    page = administrator.post(url(webchat), typed).content.decode()

    fold = re.search(r'<details class="unchanged">.*?</details>', page, re.DOTALL)
    assert "3 unchanged paragraphs" in fold[0]
    assert "Third" in fold[0]
    after = page[fold.end() : page.index("</section>", fold.end())]
    assert "<p>Fourth</p>" in after
    assert "<del>Old</del><ins>New</ins> end" in after


def test_publish_publishes_what_was_reviewed(administrator, webchat):
    review = administrator.post(url(webchat), sent("review", based_on=1))

    response = administrator.post(
        url(webchat), hidden_fields(review) | {"act": "publish"}, follow=True
    )

    version = webchat.current_version()
    assert "Visitors are not asked" not in response.content.decode()
    assert "Version 2 was published in 2 languages." in response.content.decode()
    assert (version.number, version.published_by.username) == (2, "administrator")
    assert (
        version.texts.get(language="cs").body == "<p>We process your data otherwise now (cs).</p>"
    )
