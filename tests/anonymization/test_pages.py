"""Test the base class of all staff pages."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from lib.pages import StaffPage
from tests.factories import StaffFactory
from tests.pages import LogIn

pytestmark = pytest.mark.django_db

SESSIONS, SETTINGS = "sessions_app.see_sessions", "webchat.manage_settings"
PERSONAL = "sessions_app.see_personal_data"


class Page(StaffPage):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("seen")


def is_let_in(user: User, **rights: object) -> bool:
    request = RequestFactory().get("/")
    request.user = user
    try:
        return Page.as_view(**rights)(request).status_code == 200
    except PermissionDenied:
        return False


def test_all_of_the_required_and_one_of_any() -> None:
    administrator, operator = StaffFactory(role="administrator"), StaffFactory()
    for rights, people in (
        ({"permission_required": SESSIONS}, [True, True]),
        ({"permission_required": (SESSIONS, PERSONAL)}, [False, True]),
        ({"any_permission": (SETTINGS, PERSONAL)}, [True, True]),
        ({"any_permission": (SETTINGS,)}, [True, False]),
        ({"permission_required": SESSIONS, "any_permission": (SETTINGS, "x.y")}, [True, False]),
    ):
        assert [is_let_in(user, **rights) for user in (administrator, operator)] == people, rights


def test_a_page_that_names_no_permission_opens_for_nobody() -> None:
    with pytest.raises(ImproperlyConfigured):
        is_let_in(StaffFactory(role="superuser"))


@pytest.mark.parametrize(
    "path", ["/settings/webchat/", "/settings/gdpr/", "/sessions/", "/erasures/"]
)
def test_no_staff_page_is_kept_or_told_to_the_next_one(log_in: LogIn, path: str) -> None:
    headers = log_in("administrator").get(path).headers
    assert "no-store" in headers["Cache-Control"]
    assert headers["Referrer-Policy"] == "strict-origin"
