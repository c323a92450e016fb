"""Test two administrators who publish at the same moment."""

from functools import partial

import pytest
from django.db import connection

from tests.factories import WebChatFactory
from tests.races import at_once
from webchat import services
from webchat.consent_html import DraftText

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _needs_two_connections():
    if connection.vendor != "postgresql":
        pytest.skip("needs two connections to a PostgreSQL")


def publish_at_once(webchat, bases):
    """Publish a text for each base. Return the numbers, and the class of each refusal."""

    def publish(wording, based_on):
        texts = {
            code: DraftText(f"Label {wording}", f"<p>Text {wording}</p>")
            for code in webchat.languages
        }
        return services.publish_consent(
            webchat, texts=texts, based_on=based_on, published_by=None
        ).number

    results = at_once([partial(publish, wording, base) for wording, base in enumerate(bases)])
    return [type(result) if isinstance(result, Exception) else result for result in results]


def test_one_gets_the_version_and_the_other_is_told(webchat):
    results = publish_at_once(webchat, [1, 1])

    assert set(results) == {2, services.NewerVersionExists}
    assert webchat.consent_versions.count() == 2


def test_the_first_version_is_published_once():
    webchat = WebChatFactory(published=[])

    results = publish_at_once(webchat, [0] * 6)

    assert results.count(1) == 1
    assert results.count(services.NewerVersionExists) == 5


def test_each_gets_a_separate_version_if_one_is_based_on_the_other(webchat):
    results = publish_at_once(webchat, [1, 2])

    assert results in ([2, 3], [2, services.NewerVersionExists])
    assert webchat.consent_versions.count() == webchat.current_version().number


def test_a_language_added_at_the_same_moment_never_lacks_a_text(webchat):
    texts = {code: DraftText("Label", "<p>Text</p>") for code in ("en", "cs", "de")}

    at_once(
        [
            partial(
                services.save_settings, webchat, changes={"languages": ["en", "cs", "de"]}, by=None
            ),
            partial(services.publish_consent, webchat, texts=texts, based_on=1, published_by=None),
        ]
    )

    webchat.refresh_from_db()
    assert all(webchat.current_text(code) for code in webchat.languages)
