"""Test the access to the pages of packages: stock admin and login. All routes are listed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.test import Client

from tests.factories import ApiClientFactory, SessionFactory, StaffFactory
from tests.pages import LogIn
from tests.test_permission_matrix import ACCOUNTS, TABLE, ids, routes  # noqa: F401  the fixture ids

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

Statuses = tuple[int, int]
#: Statuses of a superuser's GET and empty POST for each page of a model, by permitted action.
READ_ONLY: dict[str, Statuses] = {
    "": (200, 200),
    "add/": (403, 403),
    "<path:object_id>/history/": (200, 200),
    "<path:object_id>/delete/": (403, 403),
    "<path:object_id>/change/": (200, 403),
    "<path:object_id>/": (302, 302),
}
EDITABLE = READ_ONLY | {
    "add/": (200, 200),
    "<path:object_id>/delete/": (200, 200),
    "<path:object_id>/change/": (200, 200),
}
MODELS = {
    "sessions_app.Session": READ_ONLY,
    "sessions_app.Guest": READ_ONLY,
    "auth.Group": EDITABLE,
    "auth.User": EDITABLE | {"<id>/password/": (200, 200)},
    "account.EmailAddress": EDITABLE,
    "mfa.Authenticator": EDITABLE,
    "api.ApiClient": READ_ONLY,
}
SITE: dict[str, Statuses] = {
    "": (200, 200),
    "login/": (302, 200),
    "logout/": (405, 302),
    "password_change/": (200, 200),
    "password_change/done/": (200, 405),
    "autocomplete/": (403, 405),
    "jsi18n/": (200, 405),
    "r/<path:content_type_id>/<path:object_id>/": (404, 404),
    "^(?P<app_label>sessions_app|api|auth|account|mfa)/$": (200, 200),
    "(?P<url>.*)$": (404, 404),
}
#: Statuses of an empty POST to the pages of the login: anonymous, logged in.
ACCOUNTS_POST: dict[str, Statuses] = {
    "accounts/login/": (200, 302),
    "accounts/logout/": (302, 302),
    "accounts/inactive/": (405, 405),
    "accounts/signup/": (200, 302),
    "accounts/reauthenticate/": (302, 200),
    "accounts/language/": (302, 302),
    "accounts/email/": (302, 302),
    "accounts/confirm-email/": (405, 405),
    "accounts/password/change/": (302, 200),
    "accounts/password/set/": (302, 302),
    "accounts/password/reset/": (200, 200),
    "accounts/login/code/confirm/": (302, 302),
    "accounts/^confirm-email/(?P<key>[-:\\w]+)/$": (404, 404),
    "accounts/password/reset/key/done/": (405, 405),
    "accounts/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$": (200, 200),
    "accounts/password/reset/done/": (405, 405),
    "accounts/2fa/": (302, 405),
    "accounts/2fa/authenticate/": (302, 302),
    "accounts/2fa/reauthenticate/": (302, 302),
    "accounts/2fa/totp/activate/": (302, 302),
    "accounts/2fa/totp/deactivate/": (302, 404),
    "accounts/2fa/recovery-codes/": (302, 405),
    "accounts/2fa/recovery-codes/generate/": (302, 302),
    "accounts/2fa/recovery-codes/download/": (302, 404),
}


def of_the_admin() -> dict[str, Statuses]:
    pages = {f"admin/{page}": statuses for page, statuses in SITE.items()}
    for label, actions in MODELS.items():
        prefix = f"admin/{label.lower().replace('.', '/')}/"
        pages |= {prefix + action: statuses for action, statuses in actions.items()}
    return pages


@pytest.fixture
def _unthrottled() -> Iterator[None]:
    """Reset the counters of the throttling of logins."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def keys() -> dict[str, int]:
    """Return the primary key of a row of each model in the admin."""
    session, other = SessionFactory(), StaffFactory(role="stranger", username="other")
    return {
        "sessions_app.Session": session.pk,
        "sessions_app.Guest": session.guest_id or 0,
        "auth.Group": Group.objects.get(name="support").pk,
        "auth.User": other.pk,
        "account.EmailAddress": EmailAddress.objects.create(
            user=other, email="other@example.com"
        ).pk,
        "mfa.Authenticator": Authenticator.objects.create(user=other, type="totp", data={}).pk,
        "api.ApiClient": ApiClientFactory().pk,
    }


def url_of(route: str, keys: dict[str, int]) -> str:
    """Return a URL of the route. If the route is about a row, the row exists."""
    for label, key in keys.items():
        if route.startswith(f"admin/{label.lower().replace('.', '/')}/"):
            route = re.sub(r"<[^>]+>", str(key), route)
    for pattern, example in (
        ("^(?P<app_label>sessions_app|api|auth|account|mfa)/$", "auth/"),
        ("(?P<url>.*)$", "x"),
        ("<path:content_type_id>/<path:object_id>", "0/0"),
        ("^confirm-email/(?P<key>[-:\\w]+)/$", "confirm-email/x/"),
        ("^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$", "password/reset/key/1-x/"),
    ):
        route = route.replace(pattern, example)
    return f"/{route}"


def test_every_model_and_route_of_the_admin_is_listed() -> None:
    assert {model._meta.label for model in admin.site._registry} == set(MODELS)
    assert {route for route in routes() if route.startswith("admin/")} == set(of_the_admin())


def test_what_a_superuser_gets_in_the_admin(log_in: LogIn, keys: dict[str, int]) -> None:
    wrong = []
    for route, statuses in of_the_admin().items():
        url = url_of(route, keys)
        # Log in again each time, because one of the pages logs out.
        got = (log_in("superuser").get(url).status_code, log_in("superuser").post(url).status_code)
        if got != statuses:
            wrong.append((route, got, "expected", statuses))
    assert "\n".join(map(str, wrong)) == ""


@pytest.mark.usefixtures("_unthrottled")
@pytest.mark.parametrize(
    "person", ["", "stranger", "administrator", "support", "operator", "officer", "superuser"]
)
def test_what_is_sent_to_the_log_in(person: str, log_in: LogIn) -> None:
    assert set(ACCOUNTS_POST) == set(ACCOUNTS) == {r for r in routes() if r.startswith("accounts/")}
    wrong = []
    for route, statuses in ACCOUNTS_POST.items():
        status = log_in(person).post(url_of(route, {})).status_code
        if status != statuses[bool(person)]:
            wrong.append((route, status, "expected", statuses[bool(person)]))
    assert "\n".join(map(str, wrong)) == ""


@pytest.mark.usefixtures("_unthrottled")
def test_no_form_of_staff_is_taken_without_its_token(log_in: LogIn, ids: dict[str, Any]) -> None:  # noqa: F811
    """Another site can send a form in a staff member's name, but it does not know the token."""
    known = log_in("superuser")
    client = Client(enforce_csrf_checks=True)
    client.cookies = known.cookies
    guarded = [
        (route, row.url.format(**ids))
        for route, row in TABLE.items()
        if "POST" in row.answers and row.right != "public"
    ]
    guarded += [
        (route, url_of(route, {}))
        for route, statuses in ACCOUNTS_POST.items()
        if statuses != (405, 405)
    ]
    guarded += [
        (r, url_of(r, {}))
        for r in ("admin/", "admin/auth/user/add/", "admin/sessions_app/session/", "admin/logout/")
    ]
    assert len(guarded) > 30
    for route, url in guarded:
        response = client.post(url)
        assert response.status_code == 403, route
        assert "403_csrf.html" in {template.name for template in response.templates}, route
    assert client.get("/").status_code == 200, "still logged in"
