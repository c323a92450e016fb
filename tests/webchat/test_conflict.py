"""Test a publication by another administrator while a text is being edited."""

import pytest

from tests.factories import WebChatFactory
from tests.webchat.editor import sent

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("act", ["review", "publish"])
def test_it_shows_the_difference_and_keeps_everything_typed(log_in, act):
    webchat = WebChatFactory(published=["What was there", "What the other one wrote"])

    response = log_in("administrator").post(
        f"/settings/webchat/{webchat.pk}/forms/publish/",
        sent(act, based_on=1, also_de="on", label_de="Ja genau", body_de="Nein danke"),
    )

    page = response.content.decode()
    assert response.status_code == 409
    assert webchat.consent_versions.count() == 2
    assert "Version 2 has been published in the meantime" in page
    assert "<del>" in page
    assert "I agree with the new text (en)" in page
    assert "Ja genau" in page
    assert "Nein danke" in page
    assert 'name="based_on" value="2"' in page
    assert "Review and publish as version 3" in page


def test_it_can_be_published_on_purpose_as_the_next_version(log_in):
    webchat = WebChatFactory(published=["What was there", "What the other one wrote"])
    administrator = log_in("administrator")
    url = f"/settings/webchat/{webchat.pk}/forms/publish/"
    assert administrator.post(url, sent("publish", based_on=1)).status_code == 409

    assert administrator.post(url, sent("publish", based_on=2)).status_code == 302

    assert webchat.current_version().number == 3
    assert webchat.current_text("en").label == "I agree with the new text (en)"


def test_the_same_publication_sent_twice_gives_one_version(log_in, webchat):
    administrator = log_in("administrator")
    url = f"/settings/webchat/{webchat.pk}/forms/publish/"

    statuses = [administrator.post(url, sent("publish", based_on=1)).status_code for _ in range(2)]

    assert statuses == [302, 409]
    assert webchat.consent_versions.count() == 2
