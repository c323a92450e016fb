"""Test the compressed size of the visitor's pages. The script is tested in test_widget.py."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from tests.factories import WebChatFactory
from tests.pages import entry_url

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

KILOBYTES = 1024


def loaded(client: Client, url: str) -> Iterator[bytes]:
    """Yield a page and all files that it loads, compressed."""
    page = client.get(url).content
    yield gzip.compress(page)
    own = page.decode()
    links = re.findall(r'<link rel="(?:stylesheet|icon)" href="([^"]+)"', own) + re.findall(
        r'src="([^"]+)"', own
    )
    links += [urlsplit(link).path for link in re.findall(r'<use href="([^"]+)"', own)]
    for link in set(links):
        if link.startswith("/static/"):
            with open(str(finders.find(link.removeprefix("/static/"))), "rb") as file:
                yield gzip.compress(file.read())
        else:
            yield gzip.compress(client.get(link).content)


@pytest.mark.parametrize("showroom", [False, True])
def test_the_entry_page_with_all_it_loads_is_smaller_than_60_kilobytes(
    client: Client, showroom: bool
) -> None:
    webchat = WebChatFactory(languages=["en", "cs", "de", "sk"])
    sizes = [len(part) for part in loaded(client, entry_url(webchat, showroom=showroom))]
    assert len(sizes) >= 5, "the page, two stylesheets, two scripts"
    assert sum(sizes) <= 60 * KILOBYTES
