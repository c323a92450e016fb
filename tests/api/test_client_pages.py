"""Test Settings > API clients, and the command that creates a client."""

from __future__ import annotations

import json
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command

from api.models import ApiClient
from tests.api.conftest import Caller, ask_for_token, token_for
from tests.database import dump
from tests.factories import ApiClientFactory

pytestmark = pytest.mark.django_db


def secret_in(page: str) -> str:
    """Return the secret that the page shows for copying."""
    values: list[str] = [part.partition('"')[0] for part in page.split('data-copy="')[1:]]
    return max(values, key=len)


def test_an_administrator_adds_a_client_and_sees_its_secret_once(log_in: Any) -> None:
    administrator = log_in("administrator")
    response = administrator.post(
        "/settings/api/add/",
        {"name": "CRM nightly sync", "rights": ["read_sessions", "anonymize_guests"]},
    )
    assert response.status_code == 200
    assert "no-store" in response.headers["Cache-Control"]
    client = ApiClient.objects.get()
    secret = secret_in(response.content.decode())
    answer = ask_for_token(client.client_id, secret)
    assert set(answer.json()["scope"].split()) == {"read_sessions", "anonymize_guests"}
    assert client.created_by == User.objects.get(username="administrator")
    for page in ("/settings/api/", f"/settings/api/{client.pk}/", "/admin/api/apiclient/"):
        assert secret not in administrator.get(page).content.decode()
    assert secret not in dump()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "", "rights": ["read_sessions"]}, "This field is required."),
        ({"name": "x", "rights": []}, "Select at least one right."),
        ({"name": "x", "rights": ["everything"]}, "Select a valid choice."),
        ({"name": "x", "rights": ["read_personal_data"]}, "also requires “Read sessions”."),
        ({"name": "Known", "rights": ["read_sessions"]}, "A client with this name already exists."),
        ({"name": "a\0b", "rights": ["read_sessions"]}, "Null characters are not allowed."),
        ({"name": "x" * 101, "rights": ["read_sessions"]}, "at most 100 characters"),
    ],
)
def test_a_wrong_client_is_explained(log_in: Any, fields: dict[str, Any], message: str) -> None:
    ApiClientFactory(name="Known")
    response = log_in("administrator").post("/settings/api/add/", fields)
    assert response.status_code == 422
    assert message in response.content.decode()
    assert ApiClient.objects.count() == 1


def test_an_administrator_revokes_a_client(log_in: Any) -> None:
    client = ApiClientFactory(name="Old partner")
    caller = Caller(token_for(client))
    administrator = log_in("administrator")
    assert (
        "Revoke Old partner?"
        in administrator.get(f"/settings/api/{client.pk}/revoke/").content.decode()
    )
    assert caller.get("/api/v1/Sessions").status_code == 200, "asking revokes nothing"
    administrator.post(f"/settings/api/{client.pk}/revoke/")
    assert caller.get("/api/v1/Sessions").status_code == 401
    client.refresh_from_db()
    first = client.revoked_at
    assert (client.revoked_by.username, first is not None) == ("administrator", True)
    administrator.post(f"/settings/api/{client.pk}/revoke/")
    client.refresh_from_db()
    assert client.revoked_at == first
    assert administrator.get(f"/settings/api/{client.pk}/revoke/").status_code == 302
    assert "Revoked" in administrator.get("/settings/api/").content.decode()


def test_a_name_is_free_again_once_its_client_is_revoked(log_in: Any) -> None:
    client = ApiClientFactory(name="Partner")
    administrator = log_in("administrator")
    administrator.post(f"/settings/api/{client.pk}/revoke/")
    administrator.post("/settings/api/add/", {"name": "Partner", "rights": ["read_sessions"]})
    assert ApiClient.objects.filter(name="Partner").count() == 2


def test_the_admin_site_makes_no_client_and_lists_no_token(log_in: Any) -> None:
    client = ApiClientFactory()
    superuser = log_in("superuser")
    assert superuser.get("/admin/api/apiclient/").status_code == 200
    page = superuser.get(f"/admin/api/apiclient/{client.pk}/change/")
    assert page.status_code == 200
    assert client.client_secret not in page.content.decode()
    assert superuser.get("/admin/api/apiclient/add/").status_code == 403
    assert (
        superuser.post(f"/admin/api/apiclient/{client.pk}/delete/", {"post": "yes"}).status_code
        == 403
    )
    for model in ("accesstoken", "grant", "idtoken", "refreshtoken", "devicegrant"):
        assert superuser.get(f"/admin/oauth2_provider/{model}/").status_code == 404


def run(*arguments: str) -> str:
    printed = StringIO()
    call_command("create_api_client", *arguments, stdout=printed)
    return printed.getvalue()


def test_the_command_prints_what_a_program_needs(db: None) -> None:
    made = json.loads(
        run("Nightly", "--right", "read_sessions", "--right", "anonymize_sessions", "--json")
    )
    assert made["rights"] == ["read_sessions", "anonymize_sessions"]
    assert ask_for_token(made["client_id"], made["client_secret"]).status_code == 200
    words = dict(
        line.split(maxsplit=1) for line in run("Other", "--right", "read_sessions").splitlines()[:2]
    )
    assert ask_for_token(words["client_id"], words["client_secret"]).status_code == 200


@pytest.mark.parametrize(
    "arguments",
    [
        ["x"],
        ["x", "--right", "everything"],
        ["", "--right", "read_sessions"],
        ["x", "--right", "read_personal_data"],
    ],
)
def test_the_command_refuses_what_the_page_refuses(db: None, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        run(*arguments)
    assert not ApiClient.objects.exists()


def test_the_upgrade_gives_no_role_back_what_a_company_took(db: None) -> None:
    support, administrator = (Group.objects.get(name=role) for role in ("support", "administrator"))
    support.permissions.remove(Permission.objects.get(codename="see_personal_data"))
    administrator.permissions.remove(Permission.objects.get(codename="manage_api_clients"))
    upgrade = import_module("sessions_app.migrations.0004_api_client_right")
    upgrade.let_administrators_manage(apps, None)
    assert not support.permissions.filter(codename="see_personal_data").exists()
    assert administrator.permissions.filter(codename="manage_api_clients").exists()


def test_an_officer_reads_clients_and_has_nothing_to_press(log_in: Any) -> None:
    client, officer = ApiClientFactory(name="Warehouse"), log_in("officer")
    for page in ("/settings/api/", f"/settings/api/{client.pk}/"):
        shown = officer.get(page).content.decode().partition("<main")[2]
        assert "Warehouse" in shown
        assert "/settings/api/add/" not in shown
        assert "revoke/" not in shown
        assert 'method="post"' not in shown
    assert officer.post(f"/settings/api/{client.pk}/revoke/").status_code == 403
