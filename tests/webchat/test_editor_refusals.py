"""Test the refusals of the consent editor: an error at the field, and typed text is kept."""

from html import unescape

import pytest

from tests.factories import WebChatFactory
from tests.webchat.editor import sent
from webchat.consent_html import MAX_BODY, MAX_LABEL
from webchat.models import ConsentVersion

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def refused(administrator, webchat, act, **changed):
    before = ConsentVersion.objects.count()
    response = administrator.post(
        f"/settings/webchat/{webchat.pk}/forms/publish/", sent(act, **{"based_on": 1} | changed)
    )
    assert response.status_code == 422
    assert ConsentVersion.objects.count() == before
    return unescape(response.content.decode())


@pytest.mark.parametrize("act", ["review", "publish"])
def test_it_refuses_a_text_that_equals_the_current_one(administrator, act, webchat):
    same = {f"label_{c}": f"I agree ({c})" for c in ("en", "cs")}
    same |= {
        f"body_{c}": f"<p>We  process your data to answer you. ({c})</p>\n\n" for c in ("en", "cs")
    }

    said = "Nothing was published: the texts are identical to version 1."
    assert said in refused(administrator, webchat, act, **same)


@pytest.mark.parametrize("act", ["preview", "review", "publish"])
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"label_cs": " "}, "Enter the label of the checkbox."),
        ({"body_cs": "<p><br></p>"}, "Enter the consent text."),
        ({"also_de": "on", "body_de": ""}, "Enter the consent text."),
        ({"label_en": "x" * (MAX_LABEL + 1)}, f"at most {MAX_LABEL} characters"),
        ({"body_en": "x" * (MAX_BODY + 1)}, f"at most {MAX_BODY} characters"),
        ({"label_en": "a\0b"}, "Null characters are not allowed."),
        ({"body_en": "a\0b"}, "cannot be stored"),
        ({"based_on": "x"}, "Enter a whole number."),
    ],
)
def test_it_refuses_incomplete_texts_and_keeps_what_was_typed(administrator, act, changed, reason):
    page = refused(administrator, WebChatFactory(), act, **changed)

    assert reason in page
    assert "I agree with the new text" in page
