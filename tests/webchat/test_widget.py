"""Test the script that a site embeds: its parts, its delivery, and its small size."""

import json
import re

import pytest
from django.contrib.staticfiles import finders

from tests.factories import WebChatFactory
from webchat import services
from webchat.widget import script_of

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

KILOBYTES = 1024
FOUR = ["en", "cs", "de", "sk"]


def config_in(script):
    return json.loads(script[script.rindex("})({") + 3 : script.rindex(");")])


def get(client, webchat, **headers):
    return client.get(f"/w/{webchat.public_id}/widget.js", headers=headers)


def test_it_holds_the_settings_of_its_webchat(client):
    webchat = WebChatFactory(
        chat_button={"en": "Ask </script> us"},
        button_position="left",
        colour="#102030",
        default_language="cs",
        site="https://www.Example.com:443/\nhttp://127.0.0.1:8001\nhttps://müller.example",
    )

    config = config_in(get(client, webchat).content.decode())

    assert config["base"] == f"http://testserver/w/{webchat.public_id}/"
    assert config["words"]["en"] == {
        "chat": "Ask </script> us",
        "showroom": "Video call",
        "close": "Close",
    }
    assert config["words"]["cs"]["close"] == "Zavřít"
    assert list(config["words"]) == ["en", "cs"]
    assert (config["language"], config["position"]) == ("cs", "left")
    # As a browser spells the origin of a page.
    assert config["sites"] == [
        "https://www.example.com",
        "http://127.0.0.1:8001",
        "https://xn--mller-kva.example",
    ]
    assert ":host{--accent:#102030" in config["css"]


def test_it_is_served_as_a_script_to_every_site_and_not_kept_for_long(client):
    response = get(client, WebChatFactory())

    assert response.status_code == 200
    assert response["Content-Type"] == "text/javascript; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response["Cache-Control"] == "public, max-age=300"


def test_a_changed_setting_arrives(client, webchat):
    before = get(client, webchat)
    assert get(client, webchat, if_none_match=before["ETag"]).status_code == 304

    services.save_settings(webchat, changes={"button_position": "left"}, by=None)

    after = get(client, webchat, if_none_match=before["ETag"])
    assert (after.status_code, after["ETag"] != before["ETag"]) == (200, True)


def test_of_an_archived_webchat_it_adds_nothing_and_breaks_nothing(client, webchat):
    services.archive(webchat)

    script = get(client, webchat).content.decode()

    assert script == "window.mluviiGdpr=window.mluviiGdpr||{open(){},close(){},on(){}};\n"


def test_of_an_unknown_webchat_there_is_none(client):
    assert client.get("/w/unknown/widget.js").status_code == 404


@pytest.mark.parametrize("text", ["", "x" * 30, "ě" * 30])
def test_it_is_smaller_than_seven_kilobytes(text):
    """Uncompressed, with four languages, with the longest texts, and with five sites."""
    texts = dict.fromkeys(FOUR, text)
    webchat = WebChatFactory(
        languages=FOUR,
        published=[],
        chat_button=texts,
        showroom_button=texts,
        showroom_form="not_chosen",
        site="\n".join(f"https://{name}.some-customer.example.com" for name in "abcde"),
    )

    script = script_of(
        webchat, base=f"https://chat.some-customer.example.com/w/{webchat.public_id}/"
    )

    assert 4 * KILOBYTES < len(script.encode()) <= 7 * KILOBYTES
    if not text:
        assert len(script.encode()) <= 7000


def test_a_line_end_of_unicode_ends_no_line_of_the_script():
    """Before ES2019, these two characters were not allowed in a string."""
    script = script_of(
        WebChatFactory(chat_button={"en": "a\u2028b\u2029c"}), base="https://a.example.com/w/x/"
    )

    assert config_in(script)["words"]["en"]["chat"] == "a\u2028b\u2029c"
    assert not re.search("[\u2028\u2029]", script)


@pytest.mark.parametrize("script", ["webchat/widget.js", "visitor/frame.js"])
def test_each_message_names_the_origin_that_may_read_it(script):
    with open(finders.find(script), encoding="utf-8") as file:
        source = file.read()

    targets = re.findall(r"postMessage\(.*, ([^,)]+)\)", source)
    assert set(targets) == {"origin"}
    assert source.count("postMessage") == len(targets)
    assert not re.search("cookie|Storage|indexedDB|caches", source)
