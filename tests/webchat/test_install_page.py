"""Test Settings > WebChat > a WebChat > Install: code, allowed sites and button."""

import html

import pytest

from tests.factories import WebChatFactory

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

SITES = "https://www.example.com\nhttps://shop.example.com:8443"
GOOD = {
    "site": SITES,
    "button_position": "left",
    "chat_button_en": "Ask us",
    "showroom_button_cs": "Ukažte mi to",
}


def page_of(webchat):
    return f"/settings/webchat/{webchat.pk}/install/"


def test_the_code_is_one_line_and_a_link_for_each_channel(administrator):
    webchat = WebChatFactory(default_language="cs", showroom_button={"cs": "Ukažte <b>mi</b> to"})
    page = administrator.get(page_of(webchat)).content.decode()

    base = f"http://testserver/w/{webchat.public_id}/"
    for code in (
        f'<script src="{base}widget.js" async></script>\n<noscript><a href="{base}" target="_blank" rel="noopener">',
        f'<script src="{base}widget.js" data-channel="showroom" async></script>\n'
        f'<noscript><a href="{base}showroom/" target="_blank" rel="noopener">'
        "Ukažte &lt;b&gt;mi&lt;/b&gt; to</a></noscript>",
    ):
        # The code is there as text, and for the button that copies it.
        assert page.count(html.escape(code)) == 2
    assert f'<script src="{base}' not in page


def test_it_saves_sites_texts_and_position(administrator, webchat):
    assert administrator.post(page_of(webchat), GOOD).status_code == 302

    webchat.refresh_from_db()
    assert webchat.origins == SITES.split()
    assert (webchat.chat_button, webchat.showroom_button) == (
        {"en": "Ask us"},
        {"cs": "Ukažte mi to"},
    )
    assert webchat.button_position == "left"
    page = administrator.get(page_of(webchat)).content.decode()
    assert 'value="Ask us"' in page
    assert '<div class="left">' in page


def test_an_emptied_text_becomes_the_products_own_and_a_language_not_offered_keeps_its(
    administrator,
):
    webchat = WebChatFactory(chat_button={"en": "Ask us", "de": "Fragen Sie"})

    administrator.post(page_of(webchat), GOOD | {"chat_button_en": " "})

    webchat.refresh_from_db()
    assert webchat.chat_button == {"de": "Fragen Sie"}
    assert 'placeholder="Chat with us"' in administrator.get(page_of(webchat)).content.decode()


def test_only_what_changed_is_written(administrator, webchat):
    administrator.post(page_of(webchat), GOOD)
    type(webchat).objects.update(name="Renamed meanwhile", colour="#123456")

    administrator.post(page_of(webchat), GOOD | {"button_position": "right"})

    webchat.refresh_from_db()
    assert (webchat.name, webchat.colour) == ("Renamed meanwhile", "#123456")
    assert webchat.button_position == "right"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("site", "www.example.com"),
        ("site", "https://[half"),
        ("site", "https://example.com:port"),
        ("site", "https://example.com/path"),
        ("site", "https://user@example.com"),
        ("site", "https://*.example.com"),
        ("site", "javascript:alert(1)"),
        ("site", "https://example.com\n" * 100),
        ("button_position", "top"),
        ("chat_button_en", "x" * 31),
        ("showroom_button_cs", "a\0b"),
    ],
)
def test_a_wrong_value_is_shown_at_its_field_and_nothing_is_saved(administrator, field, value):
    webchat = WebChatFactory(site="https://as-before.example.com")

    response = administrator.post(page_of(webchat), GOOD | {field: value})

    webchat.refresh_from_db()
    assert response.status_code == 422
    assert f'id="id_{field}_error"' in response.content.decode()
    assert (webchat.site, webchat.chat_button) == ("https://as-before.example.com", {})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "the WebChat can't be embedded anywhere"),
        (
            {"archived_at": "2026-01-01T00:00Z", "site": SITES},
            "This WebChat is archived, so its code shows nothing on your site.",
        ),
    ],
)
def test_it_says_when_no_site_shows_anything(administrator, fields, said):
    assert said in administrator.get(page_of(WebChatFactory(**fields))).content.decode()
    assert said not in administrator.get(page_of(WebChatFactory(site=SITES))).content.decode()
