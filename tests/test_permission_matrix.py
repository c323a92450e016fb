"""Test the expected status of every route, method and role. An unlisted route fails.

``right`` is the permission of a route, or a tuple of permissions that are all needed. PUBLIC needs
nothing, STAFF a login, SUPERUSER the stock admin. ``answers`` is the status by method with this
right. Every other method is 405.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from sessions_app.models import Session
from sessions_app.ticket import consent_token
from tests.factories import (
    ApiClientFactory,
    ErasureFactory,
    HoldFactory,
    SessionFactory,
    WebChatFactory,
    publish_notice,
)
from tests.pages import LogIn, close_files, submit

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

PUBLIC, STAFF, SUPERUSER = "public", "staff", "superuser"
ANONYMOUS = {"nobody", "visitor"}
PEOPLE = [
    *sorted(ANONYMOUS),
    "stranger",
    "administrator",
    "support",
    "operator",
    "officer",
    "superuser",
]
METHODS = ["OPTIONS", "PUT", "PATCH", "DELETE", "HEAD", "GET", "POST"]
#: They try every method. Nobody and a stranger have no right, a superuser has all of them.
TRY_EVERYTHING = {"nobody", "stranger", "superuser"}

SEE, PERSONAL = "sessions_app.see_sessions", "sessions_app.see_personal_data"
ANSWER = (SEE, "sessions_app.answer", PERSONAL)
SEE_SETTINGS = "webchat.see_settings"
SETTINGS, PUBLISH = "webchat.manage_settings", "webchat.publish_consent"
EDIT_GDPR = "webchat.edit_gdpr_data"
CLIENTS, SEE_CLIENTS = "api.manage_api_clients", "api.see_api_clients"
HOLDS = "anonymization.manage_holds"

#: The roles with each right, written by hand. If the code gives a right to another role, a test
#: fails.
HOLDERS = {
    SEE: {"administrator", "support", "operator", "officer"},
    PERSONAL: {"support", "operator", "officer"},
    "sessions_app.answer": {"operator"},
    "sessions_app.record_withdrawal": {"support", "operator", "officer"},
    "sessions_app.anonymize_session": {"support", "officer"},
    "sessions_app.anonymize_guest": {"support", "officer"},
    "sessions_app.export_sessions": {"officer"},
    "anonymization.see_erasures": {"administrator", "support", "officer"},
    "anonymization.replay_erasures": {"administrator", "officer"},
    HOLDS: {"officer"},
    SEE_SETTINGS: {"officer"},
    SETTINGS: {"administrator"},
    PUBLISH: {"administrator"},
    EDIT_GDPR: {"administrator", "officer"},
    CLIENTS: {"administrator"},
    SEE_CLIENTS: {"officer"},
}


class Row(NamedTuple):
    url: str
    right: str | tuple[str, ...]
    answers: dict[str, int]
    either: bool = False
    #: Whether the right to see settings opens the page by GET.
    readable: bool = False


def read(status: int = 200) -> dict[str, int]:
    return {"GET": status, "HEAD": status}


TABLE: dict[str, Row] = {
    # The visitor's side has no login. The ticket protects the form, the secret URL the room.
    "w/<public_id:public_id>/": Row("/w/{public_id}/", PUBLIC, read() | {"POST": 403}),
    "w/<public_id:public_id>/showroom/": Row(
        "/w/{public_id}/showroom/", PUBLIC, read() | {"POST": 403}
    ),
    "w/<public_id:public_id>/theme.css": Row("/w/{public_id}/theme.css", PUBLIC, read()),
    "w/<public_id:public_id>/widget.js": Row("/w/{public_id}/widget.js", PUBLIC, read()),
    "w/<public_id:public_id>/logo/": Row("/w/{public_id}/logo/", PUBLIC, read(404)),
    "w/<public_id:public_id>/consent/<int:number>/<language:lang>/": Row(
        "/w/{public_id}/consent/1/en/", PUBLIC, read()
    ),
    "w/<public_id:public_id>/notice/<int:number>/<language:lang>/": Row(
        "/w/{public_id}/notice/1/en/", PUBLIC, read()
    ),
    "r/<secret:token>/": Row("{room}", PUBLIC, read()),
    "r/<secret:token>/message/": Row("{room}message/", PUBLIC, {"POST": 422}),
    "r/<secret:token>/file/": Row("{room}file/", PUBLIC, {"POST": 422}),
    "r/<secret:token>/feedback/": Row("{room}feedback/", PUBLIC, {"POST": 422}),
    "r/<secret:token>/leave/": Row("{room}leave/", PUBLIC, {"POST": 302}),
    "r/<secret:token>/transcript/": Row("{room}transcript/", PUBLIC, read()),
    "r/<secret:token>/signal/": Row("{call}signal/", PUBLIC, read() | {"POST": 422}),
    "r/<secret:token>/ice/": Row("{call}ice/", PUBLIC, read()),
    "r/<secret:token>/files/<id:pk>/": Row("{room}files/{file}/", PUBLIC, read()),
    "c/<secret:token>/": Row("{consent}", PUBLIC, read()),
    "c/<secret:token>/receipt.json": Row("{consent}receipt.json", PUBLIC, read()),
    # Nothing was withdrawn.
    "c/<secret:token>/withdrawal-receipt.json": Row(
        "{consent}withdrawal-receipt.json", PUBLIC, read(404)
    ),
    "c/<secret:token>/withdraw/": Row("{consent}withdraw/", PUBLIC, read() | {"POST": 200}),
    "c/<secret:token>/mail/": Row("{consent}mail/", PUBLIC, {"POST": 422}),
    # Staff.
    "": Row("/", STAFF, read()),
    "sessions/": Row("/sessions/", SEE, read()),
    "sessions/live/": Row("/sessions/live/", SEE, read()),
    "sessions/columns/": Row("/sessions/columns/", SEE, {"POST": 302}),
    "sessions/export/": Row(
        "/sessions/export/", (SEE, "sessions_app.export_sessions"), {"GET": 200}
    ),
    "sessions/<id:pk>/": Row("/sessions/{session}/", SEE, read()),
    "sessions/<id:pk>/transcript/": Row("/sessions/{session}/transcript/", (SEE, PERSONAL), read()),
    "sessions/<id:pk>/accept/": Row("/sessions/{session}/accept/", ANSWER, {"POST": 302}),
    # The operator has taken the session with "accept".
    "sessions/<id:pk>/release/": Row("/sessions/{session}/release/", ANSWER, {"POST": 302}),
    "sessions/<id:pk>/answer/": Row("/sessions/{session}/answer/", ANSWER, {"POST": 422}),
    "sessions/<id:pk>/files/": Row("/sessions/{session}/files/", ANSWER, {"POST": 422}),
    "sessions/<id:pk>/files/<id:file>/": Row(
        "/sessions/{session}/files/{file}/", (SEE, PERSONAL), read()
    ),
    "sessions/<id:pk>/note/": Row("/sessions/{session}/note/", ANSWER, {"POST": 302}),
    # Nobody has taken this call yet.
    "sessions/<id:pk>/signal/": Row(
        "/sessions/{called}/signal/", ANSWER, read(409) | {"POST": 409}
    ),
    "sessions/<id:pk>/ice/": Row("/sessions/{called}/ice/", ANSWER, read(409)),
    "sessions/<id:pk>/withdrawal/": Row(
        "/sessions/{session}/withdrawal/",
        (SEE, PERSONAL, "sessions_app.record_withdrawal"),
        # This consent was withdrawn through its link before.
        read() | {"POST": 409},
    ),
    "sessions/<id:pk>/end/": Row("/sessions/{session}/end/", ANSWER, {"POST": 302}),
    "sessions/anonymize/": Row(
        "/sessions/anonymize/", "sessions_app.anonymize_session", {"POST": 422}
    ),
    "sessions/<id:pk>/anonymize/": Row(
        "/sessions/{session}/anonymize/",
        "sessions_app.anonymize_session",
        {"GET": 200, "POST": 409},
    ),
    "sessions/<id:pk>/hold/": Row(
        "/sessions/{session}/hold/", (SEE, HOLDS), read() | {"POST": 422}
    ),
    "guests/<id:pk>/hold/": Row("/guests/{guest}/hold/", (SEE, HOLDS), read() | {"POST": 422}),
    "holds/": Row("/holds/", HOLDS, read()),
    "holds/<id:pk>/": Row("/holds/{hold}/", HOLDS, read() | {"POST": 422}),
    "holds/<id:pk>/release/": Row("/holds/{hold}/release/", HOLDS, read() | {"POST": 302}),
    "withdrawals/": Row("/withdrawals/", (SEE, "sessions_app.anonymize_session"), read()),
    "guests/find/": Row("/guests/find/", PERSONAL, read() | {"POST": 422}),
    "guests/<id:pk>/": Row("/guests/{guest}/", SEE, read()),
    "guests/<id:pk>/anonymize/": Row(
        "/guests/{guest}/anonymize/", "sessions_app.anonymize_guest", {"GET": 200, "POST": 409}
    ),
    "erasures/": Row("/erasures/", "anonymization.see_erasures", read()),
    "erasures/replay/": Row(
        "/erasures/replay/", "anonymization.replay_erasures", read() | {"POST": 409}
    ),
    "erasures/<uuid:pk>/": Row("/erasures/{erasure}/", "anonymization.see_erasures", read()),
    "erasures/<uuid:pk>/json/": Row(
        "/erasures/{erasure}/json/", "anonymization.see_erasures", read()
    ),
    "prove/": Row("/prove/", "anonymization.see_erasures", read() | {"POST": 422}),
    "settings/webchat/": Row(
        "/settings/webchat/", (SETTINGS, PUBLISH), read(), either=True, readable=True
    ),
    "settings/webchat/add/": Row("/settings/webchat/add/", SETTINGS, read() | {"POST": 422}),
    "settings/webchat/<int:pk>/": Row(
        "/settings/webchat/{webchat}/", SETTINGS, read() | {"POST": 422}, readable=True
    ),
    "settings/webchat/<int:pk>/retention/": Row(
        "/settings/webchat/{webchat}/retention/?days=30",
        SETTINGS,
        read() | {"POST": 302},
        readable=True,
    ),
    "settings/webchat/<int:pk>/archive/": Row(
        "/settings/webchat/{webchat}/archive/", SETTINGS, read() | {"POST": 302}
    ),
    "settings/webchat/<int:pk>/restore/": Row(
        "/settings/webchat/{webchat}/restore/", SETTINGS, read() | {"POST": 302}
    ),
    "settings/webchat/<int:pk>/install/": Row(
        "/settings/webchat/{webchat}/install/", SETTINGS, read() | {"POST": 422}, readable=True
    ),
    "settings/webchat/<int:pk>/forms/": Row(
        "/settings/webchat/{webchat}/forms/", SETTINGS, read() | {"POST": 422}, readable=True
    ),
    "settings/webchat/<int:pk>/forms/publish/": Row(
        "/settings/webchat/{webchat}/forms/publish/", PUBLISH, read(302) | {"POST": 200}
    ),
    "settings/webchat/<int:pk>/forms/versions/<int:number>/": Row(
        "/settings/webchat/{webchat}/forms/versions/1/",
        (SETTINGS, PUBLISH),
        read(),
        either=True,
        readable=True,
    ),
    "settings/webchat/<int:pk>/forms/versions/<int:number>/retire/": Row(
        "/settings/webchat/{webchat}/forms/versions/1/retire/", PUBLISH, read() | {"POST": 422}
    ),
    "settings/webchat/<int:pk>/notice/": Row(
        "/settings/webchat/{webchat}/notice/",
        (SETTINGS, PUBLISH),
        read(),
        either=True,
        readable=True,
    ),
    "settings/webchat/<int:pk>/notice/publish/": Row(
        "/settings/webchat/{webchat}/notice/publish/", PUBLISH, read(302) | {"POST": 200}
    ),
    "settings/webchat/<int:pk>/notice/versions/<int:number>/": Row(
        "/settings/webchat/{webchat}/notice/versions/1/",
        (SETTINGS, PUBLISH),
        read(),
        either=True,
        readable=True,
    ),
    "settings/webchat/<int:pk>/notice/versions/<int:number>/retire/": Row(
        "/settings/webchat/{webchat}/notice/versions/1/retire/", PUBLISH, read() | {"POST": 422}
    ),
    "settings/webchat/<int:pk>/history/": Row(
        "/settings/webchat/{webchat}/history/",
        (SETTINGS, PUBLISH),
        read(),
        either=True,
        readable=True,
    ),
    "settings/gdpr/": Row(
        "/settings/gdpr/", (SETTINGS, "anonymization.see_erasures"), read(), either=True
    ),
    "settings/gdpr/edit/": Row("/settings/gdpr/edit/", EDIT_GDPR, read() | {"POST": 302}),
    "settings/gdpr/history/": Row(
        "/settings/gdpr/history/", (SETTINGS, "anonymization.see_erasures"), read(), either=True
    ),
    "settings/api/": Row("/settings/api/", (CLIENTS, SEE_CLIENTS), read(), either=True),
    "settings/api/add/": Row("/settings/api/add/", CLIENTS, read() | {"POST": 422}),
    "settings/api/<id:pk>/": Row(
        "/settings/api/{client}/", (CLIENTS, SEE_CLIENTS), read(), either=True
    ),
    "settings/api/<id:pk>/revoke/": Row(
        "/settings/api/{client}/revoke/", CLIENTS, read() | {"POST": 302}
    ),
    "settings/api/<id:pk>/seen/": Row("/settings/api/{client}/seen/", CLIENTS, {"POST": 302}),
    # The REST API is tested in tests/api/test_rights.py.
    "login/connect/token": Row("/login/connect/token", PUBLIC, {"POST": 400}),
    "api/": Row("/api/", PUBLIC, read()),
    "api/schema": Row("/api/schema", PUBLIC, read()),
    # Files that browsers request without a link.
    "favicon.ico": Row("/favicon.ico", PUBLIC, read(302)),
    # Health.
    "livez": Row("/livez", PUBLIC, read()),
    "readyz": Row("/readyz", PUBLIC, read()),
}


def routes(patterns: list[Any] | None = None, prefix: str = "") -> Iterator[str]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            yield prefix + str(pattern.pattern)


def ours() -> set[str]:
    return {route for route in routes() if not route.startswith(("accounts/", "admin/", "api/v1"))}


def test_every_route_is_in_the_table() -> None:
    assert ours() == set(TABLE)


@pytest.fixture
def ids() -> dict[str, Any]:
    webchat = WebChatFactory()
    publish_notice(webchat)
    response = submit(Client(), webchat)
    session = Session.objects.get()
    room = response.headers["Location"]
    from django.core.files.uploadedfile import SimpleUploadedFile

    Client().post(f"{room}file/", {"file": SimpleUploadedFile("a.txt", b"a")})
    erasure = ErasureFactory(subject__new_guest=True)
    call = submit(Client(), webchat, showroom=True, email="petr@example.com").headers["Location"]
    return {
        "public_id": webchat.public_id,
        "webchat": webchat.pk,
        "session": session.pk,
        "guest": session.guest_id,
        "room": room,
        "call": call,
        "called": Session.objects.latest("pk").pk,
        "consent": f"/c/{consent_token(room.split('/')[2])}/",
        "file": session.attachments.get().pk,
        "erasure": erasure.pk,
        "client": ApiClientFactory().pk,
        "hold": HoldFactory(subject__new_guest=True).pk,
    }


def is_let_in(person: str, row: Row, method: str) -> bool:
    if row.right == PUBLIC or person == "superuser":
        return True
    if person in ANONYMOUS:
        return False
    if row.readable and method in {"GET", "HEAD"} and person in HOLDERS[SEE_SETTINGS]:
        return True
    rights = (row.right,) if isinstance(row.right, str) else row.right
    return row.right == STAFF or (any if row.either else all)(
        person in HOLDERS[right] for right in rights
    )


def expected(person: str, row: Row, method: str) -> int:
    if not is_let_in(person, row, method):
        return 302 if person in ANONYMOUS else 403
    return row.answers.get(method, 405)


def methods_of(person: str, row: Row) -> list[str]:
    """Return the methods that a person tries.

    If a superuser gets 405, the other people try only GET and POST.
    """
    if person in TRY_EVERYTHING:
        return METHODS
    return [method for method in METHODS if method in row.answers or method in {"GET", "POST"}]


def _what_ends_something_last(item: tuple[str, Row]) -> bool:
    return item[0].endswith(
        ("leave/", "end/", "withdraw/", "withdrawal/", "holds/<id:pk>/release/")
    )


@pytest.mark.parametrize("person", PEOPLE)
def test_matrix(person: str, ids: dict[str, Any], log_in: LogIn) -> None:
    client = Client() if person in ANONYMOUS else log_in(person)
    if person == "visitor":
        client.get(ids["room"])
    wrong = []
    for route, row in sorted(TABLE.items(), key=_what_ends_something_last):
        for method in methods_of(person, row):
            response = client.generic(method, row.url.format(**ids))
            close_files(response)
            wanted = expected(person, row, method)
            to_log_in = response.status_code == 302 and response.headers["Location"].startswith(
                "/accounts/login/"
            )
            sent_away = person in ANONYMOUS and wanted == 302 and row.right != PUBLIC
            if response.status_code != wanted or to_log_in != sent_away:
                wrong.append((route, method, response.status_code, "expected", wanted))
    assert "\n".join(map(str, wrong)) == ""


def test_strangers_get_no_hint_whether_a_record_exists(log_in: LogIn) -> None:
    stranger = log_in("stranger")
    session = SessionFactory()
    for pk in (session.pk, 999_999):
        assert stranger.get(f"/sessions/{pk}/").status_code == 403
        assert stranger.get(f"/guests/{pk}/").status_code == 403
    assert stranger.get(f"/erasures/{uuid.uuid4()}/").status_code == 403


#: The pages of the login package by GET: status without login, status of a logged-in stranger.
ACCOUNTS = {
    "accounts/login/": (200, 302),
    "accounts/logout/": (302, 200),
    "accounts/inactive/": (200, 200),
    "accounts/signup/": (200, 302),
    "accounts/reauthenticate/": (302, 200),
    "accounts/language/": (302, 200),
    "accounts/email/": (302, 200),
    "accounts/confirm-email/": (200, 200),
    "accounts/password/change/": (302, 200),
    "accounts/password/set/": (302, 302),
    "accounts/password/reset/": (200, 200),
    "accounts/login/code/confirm/": (302, 302),
    "accounts/^confirm-email/(?P<key>[-:\\w]+)/$": (200, 200),
    "accounts/password/reset/key/done/": (200, 200),
    "accounts/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$": (200, 200),
    "accounts/password/reset/done/": (200, 200),
    "accounts/2fa/": (302, 200),
    "accounts/2fa/authenticate/": (302, 302),
    "accounts/2fa/reauthenticate/": (302, 302),
    "accounts/2fa/totp/activate/": (302, 302),
    "accounts/2fa/totp/deactivate/": (302, 404),
    "accounts/2fa/recovery-codes/": (302, 404),
    "accounts/2fa/recovery-codes/generate/": (302, 302),
    "accounts/2fa/recovery-codes/download/": (302, 404),
}


@pytest.mark.parametrize("person", ["nobody", "stranger"])
def test_pages_of_the_log_in(person: str, log_in: LogIn) -> None:
    client = log_in("" if person == "nobody" else person)
    assert {route for route in routes() if route.startswith("accounts/")} == set(ACCOUNTS)
    wrong = []
    for route, statuses in ACCOUNTS.items():
        url = route.replace("^confirm-email/(?P<key>[-:\\w]+)/$", "confirm-email/x/").replace(
            "^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$", "password/reset/key/1-x/"
        )
        status = client.get(f"/{url}").status_code
        if status != statuses[person != "nobody"]:
            wrong.append((route, status, "expected", statuses[person != "nobody"]))
    assert "\n".join(map(str, wrong)) == ""


@pytest.mark.parametrize("person", [person for person in PEOPLE if person != "superuser"])
def test_admin_site_is_for_superusers(person: str, log_in: LogIn) -> None:
    """Every route below /admin/ redirects to the login without login, and without the right."""
    client = log_in("" if person in ANONYMOUS else person)
    in_admin = [route for route in routes() if route.startswith("admin/")]
    assert len(in_admin) > 40
    for route in in_admin:
        url = re.sub(r"<[^>]+>", "1", route)
        url = url.replace("^(?P<app_label>sessions_app|api|auth|account|mfa)/$", "auth/").replace(
            "(?P<url>.*)$", "x"
        )
        for method in ("GET", "POST"):
            response = client.generic(method, f"/{url}")
            assert response.status_code in {302, 403, 404}, (route, method, response.status_code)
            assert b"changelist" not in response.content


def test_admin_site_changes_no_session_and_no_guest(log_in: LogIn) -> None:
    client, session = log_in("superuser"), SessionFactory()
    for model, pk in (("session", session.pk), ("guest", session.guest_id)):
        assert client.get(f"/admin/sessions_app/{model}/").status_code == 200
        assert client.get(f"/admin/sessions_app/{model}/{pk}/change/").status_code == 200
        assert (
            client.post(f"/admin/sessions_app/{model}/{pk}/change/", {"name": "x"}).status_code
            == 403
        )
        assert (
            client.post(f"/admin/sessions_app/{model}/{pk}/delete/", {"post": "yes"}).status_code
            == 403
        )
        assert client.post(f"/admin/sessions_app/{model}/add/").status_code == 403


def test_nobody_signs_up() -> None:
    response = Client().post(
        "/accounts/signup/", {"username": "x", "email": "x@example.com", "password1": "abc"}
    )
    assert response.status_code == 200
    assert "closed" in response.content.decode().lower()
    assert not User.objects.exists()
