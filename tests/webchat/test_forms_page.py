"""Test Settings > WebChat > a WebChat > Forms: menus, published versions, and permissions."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import (
    ConsentVersionFactory,
    SessionFactory,
    WebChatFactory,
    publish_notice,
)
from tests.webchat.editor import sent

pytestmark = pytest.mark.django_db


def url(webchat):
    return f"/settings/webchat/{webchat.pk}/forms/"


CHOICES = ["not_chosen", "none", "standard", "gdpr"]


@pytest.mark.parametrize("entry", CHOICES)
@pytest.mark.parametrize("showroom", CHOICES)
def test_both_menus_are_saved_together(log_in, entry, showroom):
    webchat = WebChatFactory(entry_form="standard", showroom_form="standard")
    publish_notice(webchat)

    chosen = {"entry_form": entry, "showroom_form": showroom}
    sent = chosen | {"confirm_none": "on"}
    page = log_in("administrator").post(url(webchat), sent, follow=True).content.decode()

    webchat.refresh_from_db()
    assert {"entry_form": webchat.entry_form, "showroom_form": webchat.showroom_form} == chosen
    assert "alert-success" in page
    names = {"not_chosen": "Not chosen", "none": "None", "standard": "Standard", "gdpr": "GDPR"}
    assert f"Entry form: {names[entry]}. Showroom entry form: {names[showroom]}." in page


def test_the_menus_have_one_button(log_in):
    page = log_in("administrator").get(url(WebChatFactory())).content.decode()

    assert page.count(">Save</button>") == 1
    assert page.index('href="#versions"') < page.index('id="consent-editor"')


def test_the_import_map_of_the_editor_precedes_every_module(log_in):
    page = log_in("administrator").get(url(WebChatFactory())).content.decode()

    # Browsers without support for several import maps ignore one that comes after a module.
    assert page.count('type="importmap"') == 1
    assert page.index('type="importmap"') < page.index('type="module"')


@pytest.mark.parametrize("menu", ["entry_form", "showroom_form"])
def test_gdpr_is_refused_while_nothing_is_published(log_in, menu):
    webchat = WebChatFactory(published=[], entry_form="none", showroom_form="none")
    publish_notice(webchat)

    other = "entry_form" if menu == "showroom_form" else "showroom_form"
    response = log_in("administrator").post(url(webchat), {menu: "gdpr", other: "standard"})

    page = response.content.decode()
    webchat.refresh_from_db()
    assert response.status_code == 422
    assert f'id="id_{menu}_error"' in page
    assert f'id="id_{other}_error"' not in page
    assert '<option value="standard" selected>' in page
    assert "no consent text is published" in page
    assert '<option value="gdpr" selected>' in page
    assert (webchat.entry_form, webchat.showroom_form) == ("none", "none")


@pytest.mark.parametrize("choice", ["", "GDPR", "gdpr ", "none,gdpr", "\0", None])
@pytest.mark.parametrize("menu", ["entry_form", "showroom_form"])
def test_an_unknown_choice_is_refused_and_nothing_is_saved(log_in, menu, choice):
    webchat = WebChatFactory(entry_form="standard", showroom_form="standard")

    chosen = {"entry_form": "none", "showroom_form": "none"} | {menu: choice}
    if choice is None:
        del chosen[menu]
    response = log_in("administrator").post(url(webchat), chosen)

    webchat.refresh_from_db()
    assert response.status_code == 422
    assert f'id="id_{menu}_error"' in response.content.decode()
    assert (webchat.entry_form, webchat.showroom_form) == ("standard", "standard")


def test_a_menu_never_publishes(log_in, webchat):
    log_in("administrator").post(
        url(webchat), sent("publish", based_on=1) | {"entry_form": "none", "showroom_form": "none"}
    )

    assert webchat.consent_versions.count() == 1


def test_versions_are_listed_with_author_languages_and_sessions(log_in, webchat):
    SessionFactory(webchat=webchat, language="en")
    SessionFactory(webchat=webchat, language="cs", new_guest=True)
    ConsentVersionFactory(webchat=webchat, wording="The second")

    page = log_in("administrator").get(url(webchat)).content.decode()

    assert page.index("Version 2</a>") < page.index("Version 1</a>")
    assert '<td class="text-end">0</td>' in page
    assert '<td class="text-end">2</td>' in page


def test_no_query_a_version(log_in):
    webchat, administrator = WebChatFactory(), log_in("administrator")

    def queries():
        with CaptureQueriesContext(connection) as captured:
            administrator.get(url(webchat))
        return len(captured)

    few = queries()
    for wording in ("two", "three", "four"):
        ConsentVersionFactory(webchat=webchat, wording=wording)
    assert queries() == few


def give(client, permission):
    client.session  # noqa: B018  the client is logged in
    user_id = client.session["_auth_user_id"]
    Permission.objects.get(codename=permission).user_set.add(user_id)
    return client


def test_without_the_right_to_publish_there_is_no_editor_and_no_publication(log_in, webchat):
    client = give(log_in("stranger"), "manage_settings")

    assert 'id="consent-editor"' not in client.get(url(webchat)).content.decode()
    for act in ("preview", "review", "publish", "edit"):
        assert client.post(f"{url(webchat)}publish/", sent(act, based_on=1)).status_code == 403
    assert webchat.consent_versions.count() == 1


def test_the_right_to_publish_alone_does_not_change_settings(log_in, webchat):
    client = give(log_in("stranger"), "publish_consent")

    assert client.post(url(webchat), {"entry_form": "none"}).status_code == 403
    assert client.get(f"/settings/webchat/{webchat.pk}/").status_code == 403
    assert client.post(f"{url(webchat)}publish/", sent("publish", based_on=1)).status_code == 302


READABLE = ["", "{pk}/", "{pk}/install/", "{pk}/forms/", "{pk}/forms/versions/1/"]
PAGES = [*READABLE, "add/", "{pk}/archive/", "{pk}/restore/"]


@pytest.mark.parametrize("page", READABLE)
def test_the_officer_reads_every_page_and_changes_nothing(log_in, page):
    address = "/settings/webchat/" + page.format(pk=WebChatFactory().pk)
    officer = log_in("officer")

    shown = officer.get(address).content.decode()
    assert '<button class="btn btn-primary"' not in shown
    assert 'href="/settings/webchat/add/"' not in shown
    assert "/archive/" not in shown
    for form in shown.split("<main")[1].split("<form")[1:]:
        assert 'type="submit"' not in form.split("</form>")[0]
        assert " disabled>" in form
    assert officer.post(address, {"entry_form": "none"}).status_code in {403, 405}


@pytest.mark.parametrize("page", [*PAGES, "{pk}/forms/publish/"])
@pytest.mark.parametrize("role", ["support", "operator", "stranger"])
def test_other_staff_are_refused(log_in, role, page):
    if role == "officer" and page in READABLE:
        return
    address = "/settings/webchat/" + page.format(pk=WebChatFactory().pk)
    client = log_in(role)

    assert client.get(address).status_code == 403
    assert client.post(address, {"entry_form": "none"}).status_code == 403


@pytest.mark.parametrize("page", [*PAGES, "{pk}/forms/publish/"])
def test_nobody_is_sent_to_the_log_in(client, page):
    address = "/settings/webchat/" + page.format(pk=WebChatFactory().pk)

    for response in (client.get(address), client.post(address)):
        assert (response.status_code, response["Location"]) == (
            302,
            f"/accounts/login/?next={address}",
        )


@pytest.mark.parametrize("page", PAGES)
def test_the_administrator_opens_every_page(log_in, page):
    address = "/settings/webchat/" + page.format(pk=WebChatFactory().pk)

    assert log_in("administrator").get(address).status_code == 200
