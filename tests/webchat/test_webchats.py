"""Test Settings > WebChat: list, add, General, archive and restore."""

import phonenumbers
import pytest
from django.conf import settings
from django.core.exceptions import ValidationError

from tests.factories import WebChatFactory
from webchat.models import WebChat, validate_origins
from webchat.regions import read_regions, regions_by_name

pytestmark = pytest.mark.django_db

GOOD = {
    "name": "Shop Prague",
    "site": "https://www.example.com\nhttps://shop.example.com:8443",
    "languages": ["en", "cs"],
    "default_language": "cs",
    "phone_region": "SK",
    "colour": "#ffcc00",
}


def test_the_list_says_what_to_do_when_it_is_empty(administrator):
    page = administrator.get("/settings/webchat/").content.decode()

    assert "No WebChat yet" in page
    assert 'href="/settings/webchat/add/"' in page


def test_the_list_shows_forms_version_and_archived_ones_apart(
    administrator, django_assert_max_num_queries
):
    WebChatFactory(name="Open one")
    webchat = WebChatFactory(name="Closed one")
    administrator.post(f"/settings/webchat/{webchat.pk}/archive/")

    with django_assert_max_num_queries(8):
        page = administrator.get("/settings/webchat/").content.decode()

    assert page.index("Open one") < page.index("Archived") < page.rindex("Closed one")
    assert "version 1" in page


def test_add_proposes_the_region_that_the_model_has(administrator):
    page = administrator.get("/settings/webchat/add/").content.decode()

    assert '<option value="CZ" selected>' in page
    assert page.count(" selected>") == 2, "the region and the default language"


def test_general_shows_the_region_that_is_stored(administrator):
    webchat = WebChatFactory(phone_region="AT")

    page = administrator.get(f"/settings/webchat/{webchat.pk}/").content.decode()

    assert '<option value="AT" selected>' in page
    assert '<option value="CZ" selected>' not in page


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("en", ["Cuba", "Czechia", "Germany", "Slovakia", "Zimbabwe"]),
        (
            "cs",
            ["Curaçao", "Česko", "Čína", "Dánsko", "Německo", "Řecko", "Slovensko", "Švýcarsko"],
        ),
        ("de", ["Deutschland", "Österreich", "Schweiz", "Slowakei", "Tschechien"]),
        ("sk", ["Česko", "Nemecko", "Slovensko", "Španielsko", "Taliansko"]),
    ],
)
def test_the_regions_are_named_and_sorted_in_the_language_of_the_page(
    administrator, language, names
):
    page = administrator.get("/settings/webchat/add/", headers={"Accept-Language": language})

    options = page.content.decode().split('name="phone_region"')[1].split("</select>")[0]
    places = [options.find(f">{name} (+") for name in names]
    assert -1 not in places
    assert places == sorted(places)


def test_each_region_has_a_name_in_each_language():
    regions = read_regions()
    codes = {code for code, _name in settings.LANGUAGES}
    assert set(regions) == phonenumbers.SUPPORTED_REGIONS
    assert all(set(names) == codes and all(names.values()) for names in regions.values())
    for language in codes:
        assert len({name for name, _code in regions_by_name(language)}) == len(regions)


def test_a_language_without_names_of_regions_shows_the_english_ones():
    assert regions_by_name("fr") == regions_by_name("en")
    assert ("Germany", "DE") in regions_by_name("fr")


def test_a_new_webchat_is_closed(administrator):
    response = administrator.post("/settings/webchat/add/", GOOD)

    webchat = WebChat.objects.get()
    assert (response.status_code, response["Location"]) == (
        302,
        f"/settings/webchat/{webchat.pk}/forms/",
    )
    assert (webchat.name, webchat.languages, webchat.default_language) == (
        "Shop Prague",
        ["en", "cs"],
        "cs",
    )
    assert webchat.forms == ("not_chosen", "not_chosen")


def test_general_saves_every_field(administrator, webchat):
    assert administrator.post(f"/settings/webchat/{webchat.pk}/", GOOD).status_code == 302

    webchat.refresh_from_db()
    assert {name: getattr(webchat, name) for name in GOOD if name != "site"} == {
        name: value for name, value in GOOD.items() if name != "site"
    }
    assert webchat.site == "", "on the page Install"


def test_a_withdrawal_is_judged_by_a_person_unless_the_webchat_says_otherwise(
    administrator, webchat
):
    url = f"/settings/webchat/{webchat.pk}/"
    assert webchat.on_withdrawal == "review"
    assert '<option value="review" selected>' in administrator.get(url).content.decode()

    for sent, stored in (({"on_withdrawal": "anonymize"}, "anonymize"), ({}, "anonymize")):
        assert administrator.post(url, GOOD | sent).status_code == 302
        webchat.refresh_from_db()
        assert webchat.on_withdrawal == stored, "a page without the field leaves it as it is"
    assert administrator.post(url, GOOD | {"on_withdrawal": "x"}).status_code == 422


ORIGINS = {
    "https://www.example.com": "https://www.example.com",
    "HTTP://Shop.Example.com/": "http://shop.example.com",
    "https://shop.example.com:8443": "https://shop.example.com:8443",
    "https://müller.example": "https://xn--mller-kva.example",
    "http://localhost:8000": "http://localhost:8000",
    "http://192.0.2.1": "http://192.0.2.1",
    "http://[2001:DB8::1]:8080": "http://[2001:db8::1]:8080",
}
NO_ORIGINS = [
    "https://a.cz;script-src", "https://a.cz;", "https://*", "https://*.a.cz", "https://'self'", "https://a.cz,b",
    "https://a.cz；b", "https://a.cz，b", "https://a..cz", "https://.a.cz", "https://a.cz.", "https://-a.cz",
    "https://a_b.cz", "https://a.cz:", "https://a.cz:0", "https://a.cz:65536", "https://a.cz:٣", "https://a.cz//",
    "https://a.cz?b", "https://a.cz#b", "https://a.cz\\b", "https://[::1", "https://[::g]", "https://[a.cz]",
    "https://" + "a" * 64 + ".cz", "https://a%2fb.cz", "https://\"a.cz", "wss://a.cz", "//a.cz", "https://",
]  # fmt: skip


@pytest.mark.parametrize("line", ORIGINS)
def test_address_of_a_site_is_spelled_as_in_a_header(line):
    validate_origins(line)
    assert WebChat(site=line).origins == [ORIGINS[line]]


@pytest.mark.parametrize("line", NO_ORIGINS)
def test_what_a_header_would_read_otherwise_is_no_address(line):
    with pytest.raises(ValidationError):
        validate_origins(line)
    assert WebChat(site=line).origins == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 101),
        ("name", "a\0b"),
        ("languages", []),
        ("languages", ["xx"]),
        ("default_language", "de"),
        ("phone_region", "ZZ"),
        ("colour", "red"),
        ("colour", "#12345"),
        ("colour", "#123456;}"),
    ],
)
def test_a_wrong_value_is_shown_at_its_field_and_nothing_is_saved(administrator, field, value):
    webchat = WebChatFactory(name="As before")

    response = administrator.post(
        f"/settings/webchat/{webchat.pk}/", GOOD | {"name": "Typed just now"} | {field: value}
    )

    page = response.content.decode()
    webchat.refresh_from_db()
    assert response.status_code == 422
    assert f'id="id_{field}_error"' in page
    assert webchat.name == "As before"
    assert field == "name" or "Typed just now" in page


def test_a_language_without_a_published_text_is_refused_for_a_gdpr_webchat(administrator):
    webchat = WebChatFactory(name="As before")

    typed = GOOD | {"languages": ["en", "cs", "de"], "name": "Typed just now"}
    response = administrator.post(f"/settings/webchat/{webchat.pk}/", typed)

    page = response.content.decode()
    webchat.refresh_from_db()
    assert response.status_code == 422
    assert 'id="id_languages_error"' in page
    assert "Missing: German." in page
    assert "Typed just now" in page
    assert (webchat.name, webchat.languages) == ("As before", ["en", "cs"])


def test_only_what_changed_is_written(administrator, webchat):
    page = f"/settings/webchat/{webchat.pk}/"
    administrator.post(page, GOOD)
    WebChat.objects.update(name="Renamed meanwhile", retention_days=30)

    administrator.post(page, GOOD | {"name": "Renamed meanwhile", "colour": "#000000"})

    webchat.refresh_from_db()
    assert (webchat.name, webchat.colour, webchat.retention_days) == (
        "Renamed meanwhile",
        "#000000",
        30,
    )


def test_archive_asks_and_then_visitors_can_not_reach_it(administrator, client, webchat):
    visitor_page = f"/w/{webchat.public_id}/"
    assert client.get(visitor_page).status_code == 200

    assert administrator.get(f"/settings/webchat/{webchat.pk}/archive/").status_code == 200
    assert client.get(visitor_page).status_code == 200
    assert administrator.post(f"/settings/webchat/{webchat.pk}/archive/").status_code == 302

    assert client.get(visitor_page).status_code == 404
    assert client.get(f"{visitor_page}showroom/").status_code == 404
    administrator.post(f"/settings/webchat/{webchat.pk}/restore/")
    assert client.get(visitor_page).status_code == 200


def test_an_unknown_webchat_is_404(administrator):
    for pk in ("0", "999999", "9223372036854775808", "x", "-1"):
        assert administrator.get(f"/settings/webchat/{pk}/").status_code == 404
