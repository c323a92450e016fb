"""Test the permanent page of a consent text: exactly the hashed bytes, forever, for everybody."""

import hashlib

import pytest
from django.contrib.staticfiles import finders

from tests.factories import WebChatFactory
from webchat import services
from webchat.consent_html import DraftText

pytestmark = pytest.mark.django_db


@pytest.fixture
def webchat():
    return WebChatFactory(published=["The first wording", "The second wording, žluťoučký kůň"])


def address(webchat, number, language):
    return f"/w/{webchat.public_id}/consent/{number}/{language}/"


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("language", ["en", "cs"])
def test_it_serves_the_bytes_whose_digest_was_stored(client, webchat, number, language):
    text = webchat.consent_versions.get(number=number).texts.get(language=language)

    response = client.get(text.get_absolute_url())

    assert text.get_absolute_url() == address(webchat, number, language)
    assert hashlib.sha256(response.content).hexdigest() == text.sha256
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert response["Content-Language"] == language


def test_caches_ask_again_soon_because_a_version_can_be_retired(client, webchat):
    text = webchat.current_text("en")
    response = client.get(text.get_absolute_url())

    assert response["Cache-Control"] == "public, max-age=300"
    assert response["ETag"] == f'"{text.sha256}"'
    again = client.get(text.get_absolute_url(), headers={"if-none-match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("page", ["consent/2/cs/", "theme.css"])
def test_it_reads_and_sets_no_cookie(log_in, webchat, page, django_assert_num_queries):
    administrator = log_in("administrator")

    with django_assert_num_queries(1):
        response = administrator.get(f"/w/{webchat.public_id}/{page}")

    assert not response.cookies
    assert "Cookie" not in response.get("Vary", "")


def test_it_outlives_its_webchat_and_the_webchats_name(client, webchat):
    before = client.get(address(webchat, 1, "cs")).content
    services.archive(webchat)
    services.save_settings(webchat, changes={"name": "Another name", "languages": ["en"]}, by=None)

    response = client.get(address(webchat, 1, "cs"))

    assert (response.status_code, response.content) == (200, before)
    assert client.get(f"/w/{webchat.public_id}/theme.css").status_code == 200


def test_the_default_icon_of_a_document_is_found(client):
    """The document names no icon and never changes. The browser requests the default icon."""
    response = client.get("/favicon.ico")

    assert (response.status_code, response["Location"]) == (302, "/static/look/favicon.svg")
    assert finders.find("look/favicon.svg")


@pytest.mark.parametrize(
    "rest", ["0/en/", "3/en/", "1/de/", "1/xx/", "9223372036854775808/en/", "-1/en/"]
)
def test_what_was_never_published_is_404(client, webchat, rest):
    assert client.get(f"/w/{webchat.public_id}/consent/{rest}").status_code == 404
    assert (
        client.get(f"/w/{WebChatFactory(published=[]).public_id}/consent/1/en/").status_code == 404
    )


@pytest.mark.parametrize("page", ["consent/1/en/", "theme.css", "logo/"])
def test_it_can_only_be_read(client, webchat, page):
    for method in (client.post, client.put, client.patch, client.delete):
        assert method(f"/w/{webchat.public_id}/{page}").status_code == 405


def test_a_hostile_label_and_body_are_served_as_text(client, log_in):
    webchat = WebChatFactory(published=[], name="<script>name()</script>")
    hostile = DraftText(
        "<script>label()</script>",
        "<p>Fine<img src=x onerror=body()></p><script>body()</script>"
        '<a href="javascript:body()">link</a>&lt;script&gt;text()&lt;/script&gt;',
    )
    services.publish_consent(
        webchat, texts=dict.fromkeys(("en", "cs"), hostile), based_on=0, published_by=None
    )
    administrator = log_in("administrator")
    publishing = f"/settings/webchat/{webchat.pk}/forms/publish/"
    typed = {
        f"{part}_{c}": getattr(hostile, part) + "2"
        for part in ("label", "body")
        for c in ("en", "cs")
    }

    pages = [
        client.get(address(webchat, 1, "en")),
        client.get(f"/w/{webchat.public_id}/"),
        administrator.get("/settings/webchat/"),
        administrator.get(f"/settings/webchat/{webchat.pk}/forms/"),
        administrator.get(f"/settings/webchat/{webchat.pk}/forms/versions/1/"),
        *[
            administrator.post(publishing, typed | {"act": act, "based_on": 1})
            for act in ("preview", "review", "edit")
        ],
        administrator.post(publishing, typed | {"act": "publish", "based_on": 0}),
    ]

    assert [page.status_code for page in pages] == [200] * 8 + [409]
    for page in pages:
        html = page.content.decode()
        for attack in (
            "<script>name",
            "<script>label",
            "<script>body",
            "<script>text",
            "<img src=x",
            'href="javascript',
        ):
            assert attack not in html
