"""Test the page of one published version."""

import re

import pytest

from tests.factories import SessionFactory, WebChatFactory
from tests.pages import compact

pytestmark = pytest.mark.django_db


@pytest.fixture
def webchat():
    processed = ("data", "name", "address")
    return WebChatFactory(
        published=[f"We process your {what} to answer you." for what in processed]
    )


@pytest.fixture
def version_page(log_in, webchat):
    administrator = log_in("administrator")
    return lambda number, query="": administrator.get(
        f"/settings/webchat/{webchat.pk}/forms/versions/{number}/{query}"
    )


def test_it_shows_exactly_what_was_published(version_page, webchat):
    page = version_page(2).content.decode()

    for text in webchat.consent_versions.get(number=2).texts.all():
        assert text.label in page
        assert text.body in page
        assert text.sha256 in page
        assert f'href="/w/{webchat.public_id}/consent/2/{text.language}/"' in page


def test_languages_stand_in_one_order_everywhere(log_in):
    webchat = WebChatFactory(
        languages=["sk", "cs", "en"], default_language="sk", published=["One", "Two"]
    )
    forms = f"/settings/webchat/{webchat.pk}/forms/"
    pages = [compact(log_in("administrator").get(path)) for path in (forms, f"{forms}versions/2/")]

    for page, headings in zip(pages, ("h3", "h2"), strict=True):
        names = re.findall(
            rf"<{headings} class=\"[\w-]+\">(English|Czech|German|Slovak)</{headings}>", page
        )
        assert [name for name in names if name != "German"] == ["English", "Czech", "Slovak"]
    assert "en, cs, sk" in pages[0]
    assert re.findall(r'<h3 class="h4">\s*(\w+)', pages[1]) == ["English", "Czech", "Slovak"]


def test_it_shows_the_difference_to_the_version_before(version_page):
    page = version_page(3).content.decode()

    assert "Changes from version 2 to version 3" in page
    assert "<del>name</del><ins>address</ins>" in page


def test_it_compares_with_an_earlier_version_that_was_chosen(version_page):
    page = version_page(3, "?against=1").content.decode()

    assert "Changes from version 1 to version 3" in page
    assert "<del>data</del><ins>address</ins>" in page


def test_the_first_version_has_nothing_before_it(version_page):
    page = version_page(1).content.decode()

    assert "Changes from version" not in page
    assert 'rel="next"' in page
    assert 'rel="prev"' not in page


@pytest.mark.parametrize("against", ["3", "4", "0", "x", "-1", "²", "9" * 5000, "1,2", "%00"])
def test_nothing_but_an_earlier_version_can_be_compared(version_page, against):
    assert version_page(3, f"?against={against}").status_code == 404


@pytest.mark.parametrize("number", ["0", "4", "x", "-1", "9223372036854775808"])
def test_an_unknown_version_is_404(version_page, number):
    assert version_page(number).status_code == 404


def test_it_counts_the_sessions_that_hold_it(version_page, webchat):
    SessionFactory.create_batch(3, webchat=webchat, new_guest=True)

    assert "<dd>3</dd>" in version_page(3).content.decode()
    assert "<dd>0</dd>" in version_page(2).content.decode()
