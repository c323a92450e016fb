"""Test that a new WebChat is closed until a form is chosen, and that None needs a confirmation."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.utils import timezone

from sessions_app import gate, ticket
from sessions_app.models import Session
from tests.database import digest
from tests.factories import WebChatFactory, publish_notice
from tests.pages import COMPLETE, LogIn, compact, entry_url, ticket_in
from webchat import services
from webchat.models import EntryForm, WebChat

pytestmark = pytest.mark.django_db

CLOSED = {"entry_form": "not_chosen", "showroom_form": "not_chosen"}
LANGUAGES = {
    "en": ("This chat is not open yet", "Video calls are not open yet"),
    "cs": ("Tento chat ještě není spuštěn", "Videohovory ještě nejsou spuštěny"),
    "de": ("Dieser Chat ist noch nicht geöffnet", "Videoanrufe sind noch nicht möglich"),
    "sk": ("Tento chat ešte nie je spustený", "Videohovory ešte nie sú spustené"),
}


def forms_page(webchat: WebChat) -> str:
    return f"/settings/webchat/{webchat.pk}/forms/"


@pytest.mark.parametrize("showroom", [False, True], ids=["chat", "showroom"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_visitor_is_told_that_it_is_not_open(
    client: Client, language: str, showroom: bool
) -> None:
    webchat = WebChatFactory(**CLOSED, languages=list(LANGUAGES))

    response = client.get(f"{entry_url(webchat, showroom=showroom)}?lang={language}")

    assert response.status_code == 503
    assert f"<h1>{LANGUAGES[language][showroom]}</h1>" in compact(response)
    assert b"<form" not in response.content


def test_one_channel_can_be_open(client: Client) -> None:
    webchat = WebChatFactory(showroom_form="not_chosen")

    assert client.get(entry_url(webchat)).status_code == 200
    assert client.get(entry_url(webchat, showroom=True)).status_code == 503


def test_a_form_that_was_shown_before_opens_nothing(client: Client) -> None:
    webchat = WebChatFactory(entry_form=EntryForm.STANDARD)
    shown = ticket_in(client.get(entry_url(webchat)))
    WebChat.objects.update(**CLOSED)
    before = digest()

    for fields in (COMPLETE, COMPLETE | {"switch": "cs"}, COMPLETE | {"email": "x"}):
        assert client.post(entry_url(webchat), fields | {"ticket": shown}).status_code == 503

    assert digest() == before


def test_the_gate_refuses_it() -> None:
    webchat = WebChatFactory(**CLOSED)
    shown = ticket.read(
        ticket.issue(webchat, channel="chat", language="en", text=None),
        webchat=webchat,
        channel="chat",
    )

    with pytest.raises(gate.NotOpen):
        gate.start_session(webchat, ticket=shown, entry=gate.Entry(), visit=gate.Visit())
    assert not Session.objects.exists()


@pytest.mark.parametrize(
    ("forms", "closed"),
    [
        ({"entry_form": "gdpr", "showroom_form": "not_chosen"}, "showroom"),
        ({"entry_form": "not_chosen", "showroom_form": "gdpr"}, "chat"),
        ({"entry_form": "none", "showroom_form": "gdpr"}, None),
    ],
)
def test_the_widget_knows_the_closed_channel(
    client: Client, forms: dict[str, str], closed: str | None
) -> None:
    webchat = WebChatFactory(**forms)

    script = client.get(f"/w/{webchat.public_id}/widget.js").content.decode()

    config = json.loads(script[script.rindex("})({") + 3 : script.rindex(");")])
    assert config.get("shut") == closed
    assert 'if(own===config.shut)return console.log("closed");' in script


def test_the_widget_of_a_closed_webchat_adds_nothing_and_breaks_nothing(client: Client) -> None:
    script = client.get(f"/w/{WebChatFactory(**CLOSED).public_id}/widget.js").content.decode()

    assert "attachShadow" not in script
    assert script.startswith("window.mluviiGdpr=window.mluviiGdpr||{open(){},")
    assert 'console.log("closed")' in script


def test_the_install_page_says_that_the_code_shows_nothing(administrator: Client) -> None:
    for forms, says in ((CLOSED, True), ({"entry_form": "gdpr"}, False)):
        webchat = WebChatFactory(**forms)
        page = administrator.get(f"/settings/webchat/{webchat.pk}/install/").content.decode()
        assert ("is not open yet, so its code shows nothing" in page) == says


@pytest.mark.parametrize("menu", ["entry_form", "showroom_form"])
def test_none_asks_for_a_confirmation(administrator: Client, menu: str) -> None:
    webchat = WebChatFactory(**CLOSED)
    publish_notice(webchat)
    chosen = CLOSED | {menu: "none"}

    refused = administrator.post(forms_page(webchat), chosen)

    webchat.refresh_from_db()
    assert refused.status_code == 422
    assert 'id="id_confirm_none_error"' in refused.content.decode()
    assert webchat.forms == ("not_chosen", "not_chosen")

    before = timezone.now()
    saved = administrator.post(forms_page(webchat), chosen | {"confirm_none": "on"})
    webchat.refresh_from_db()
    assert saved.status_code == 302
    assert getattr(webchat, menu) == "none"
    assert webchat.none_confirmed_at >= before


def test_a_confirmed_none_is_not_asked_again_but_the_other_channel_is(
    administrator: Client,
) -> None:
    webchat = WebChatFactory(entry_form="none", showroom_form="gdpr")
    publish_notice(webchat)
    none = {"entry_form": "none", "showroom_form": "gdpr"}
    administrator.post(forms_page(webchat), none | {"confirm_none": "on"})

    assert administrator.post(forms_page(webchat), none).status_code == 302
    assert "“None” was confirmed:" in administrator.get(forms_page(webchat)).content.decode()
    both = none | {"showroom_form": "none"}
    assert administrator.post(forms_page(webchat), both).status_code == 422


def test_the_confirmation_ends_with_the_last_none(administrator: Client) -> None:
    webchat = WebChatFactory(entry_form="none", none_confirmed_at=timezone.now())

    administrator.post(forms_page(webchat), {"entry_form": "gdpr", "showroom_form": "gdpr"})

    webchat.refresh_from_db()
    assert webchat.none_confirmed_at is None


def test_the_service_refuses_none_without_a_confirmation(webchat: WebChat) -> None:
    with pytest.raises(services.NoneNotConfirmed):
        services.save_settings(webchat, changes={"showroom_form": EntryForm.NONE}, by=None)

    webchat.refresh_from_db()
    assert webchat.showroom_form == EntryForm.GDPR


def test_other_settings_of_an_existing_webchat_need_no_confirmation() -> None:
    webchat = WebChatFactory(entry_form="none")

    services.save_settings(webchat, changes={"name": "Renamed"}, by=None)

    webchat.refresh_from_db()
    assert (webchat.name, webchat.is_unconfirmed) == ("Renamed", True)


@pytest.mark.parametrize("role", ["administrator", "officer"])
def test_the_home_page_names_what_nobody_confirmed(log_in: LogIn, role: str) -> None:
    WebChatFactory(name="Old one", entry_form="none")
    WebChatFactory(name="Calm one", entry_form="none", none_confirmed_at=timezone.now())
    WebChatFactory(name="Gone one", showroom_form="none", archived_at=timezone.now())

    page = log_in(role).get("/").content.decode()

    alert = page[page.index("Unconfirmed: these WebChats") :].split("</ul>")[0]
    assert [name for name in ("Old", "Calm", "Gone") if f"{name} one" in alert] == ["Old"]
    shown = log_in(role).get(forms_page(WebChat.objects.get(name="Old one"))).content.decode()
    assert "Nobody has confirmed this yet" in " ".join(shown.split())


def test_gdpr_for_the_chat_is_offered_for_the_showroom(administrator: Client) -> None:
    webchat = WebChatFactory(**CLOSED)
    chosen = CLOSED | {"entry_form": "gdpr"}

    page = administrator.post(forms_page(webchat), chosen, follow=True).content.decode()
    assert "Use GDPR for the showroom too" in page
    offer = page[page.index('id="offer"') :].split("</form>")[0]
    assert 'name="entry_form" value="gdpr"' in offer
    assert 'name="showroom_form" value="gdpr"' in offer

    accepted = {"entry_form": "gdpr", "showroom_form": "gdpr"}
    page = administrator.post(forms_page(webchat), accepted, follow=True).content.decode()
    assert "Use GDPR for the showroom too" not in page
