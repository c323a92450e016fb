"""Test the guard of the staff pages, for functions and for classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from lib.pages import StaffPage, staff_page
from tests.factories import StaffFactory

SEE, ANSWER, ANONYMIZE = (
    "sessions_app.see_sessions",
    "sessions_app.answer",
    "sessions_app.anonymize_guest",
)


@staff_page(SEE, any_of=(ANSWER, ANONYMIZE))
def function(request: HttpRequest) -> HttpResponse:
    return HttpResponse("open")


class Page(StaffPage):
    permission_required = SEE
    any_permission = (ANSWER, ANONYMIZE)

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("open")


views = pytest.mark.parametrize("view", [function, Page.as_view()], ids=["function", "class"])


def ask(view: Callable[..., Any], user: Any, *, htmx: bool = False) -> Any:
    request = RequestFactory().get("/sessions/?status=open")
    request.user = user
    request.htmx = htmx  # type: ignore[attr-defined]
    return view(request)


@views
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "opens"), [("support", True), ("operator", True), ("administrator", False)]
)
def test_it_opens_for_all_of_the_permissions_and_one_of_the_others(
    view: Any, role: str, opens: bool
) -> None:
    if not opens:
        with pytest.raises(PermissionDenied):
            ask(view, StaffFactory(role=role))
        return
    response = ask(view, StaffFactory(role=role))
    assert response.content == b"open"
    assert "no-store" in response.headers["Cache-Control"]


@views
@pytest.mark.django_db
@pytest.mark.parametrize(
    "held", [{SEE}, {ANSWER}, {ANSWER, ANONYMIZE}, set()], ids=lambda held: "+".join(sorted(held))
)
def test_it_stays_shut_while_one_kind_of_permission_is_missing(view: Any, held: set[str]) -> None:
    user = StaffFactory(role="stranger")
    for name in held:
        user.user_permissions.add(Permission.objects.get(codename=name.partition(".")[2]))
    with pytest.raises(PermissionDenied):
        ask(view, user)


@views
def test_nobody_is_sent_to_the_login_and_back(view: Any) -> None:
    response = ask(view, AnonymousUser())
    assert (response.status_code, response.url) == (
        302,
        "/accounts/login/?next=/sessions/%3Fstatus%3Dopen",
    )
    assert "no-store" in response.headers["Cache-Control"]


@views
def test_a_part_of_a_page_loads_whole_when_the_login_has_ended(view: Any) -> None:
    assert ask(view, AnonymousUser(), htmx=True).headers["HX-Refresh"] == "true"


def test_a_page_names_a_permission() -> None:
    with pytest.raises(ImproperlyConfigured):
        staff_page()
    with pytest.raises(ImproperlyConfigured):
        ask(StaffPage.as_view(), AnonymousUser())
