"""Test the token endpoint: real clients can use it, and no request gets more than its rights."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken

from api import services
from api.models import ApiClient
from tests.api.conftest import Caller, ask_for_token, token_for
from tests.database import dump
from tests.factories import ApiClientFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "extra", [{}, {"response_type": "token"}, {"scope": "mluviiPublicApi"}, {"scope": ""}]
)
def test_it_gives_the_rights_of_the_client(extra: dict[str, str]) -> None:
    client = ApiClientFactory(rights=["read_sessions", "anonymize_guests"])
    response = ask_for_token(client.client_id, client.secret, **extra)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    answer = response.json()
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 3600
    assert set(answer["scope"].split()) == {"read_sessions", "anonymize_guests"}
    assert "refresh_token" not in answer
    assert "no-store" in response.headers["Cache-Control"]


def test_it_takes_http_basic() -> None:
    client = ApiClientFactory()
    credentials = base64.b64encode(f"{client.client_id}:{quote(client.secret)}".encode()).decode()
    response = Client().post(
        "/LOGIN/connect/token/",
        {"grant_type": "client_credentials"},
        headers={"Authorization": f"Basic {credentials}"},
    )
    assert response.status_code == 200


def test_a_narrower_scope_is_kept_and_a_wider_one_refused() -> None:
    client = ApiClientFactory(rights=["read_sessions", "anonymize_sessions"])
    narrow = ask_for_token(client.client_id, client.secret, scope="read_sessions").json()
    assert narrow["scope"] == "read_sessions"
    for scope in (
        "read_personal_data",
        "read_sessions anonymize_guests",
        "mluviiPublicApi anonymize_guests",
        "x",
    ):
        refused = ask_for_token(client.client_id, client.secret, scope=scope)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize(
    "fields",
    [
        {"client_secret": "wrong"},
        {"client_secret": ""},
        {"client_id": "nobody"},
        {"client_id": ""},
        {"client_id": "a\0b"},
        {"client_secret": "a\0b"},
    ],
)
def test_a_wrong_client_is_refused(fields: dict[str, str]) -> None:
    client = ApiClientFactory()
    body = {
        "grant_type": "client_credentials",
        "client_id": client.client_id,
        "client_secret": client.secret,
    }
    response = Client().post("/login/connect/token", body | fields)
    assert response.status_code in {400, 401}
    assert response.json()["error"] in {"invalid_client", "invalid_request"}
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize(
    "grant",
    [
        "password",
        "authorization_code",
        "refresh_token",
        "implicit",
        "urn:ietf:params:oauth:grant-type:device_code",
        "",
        "CLIENT_CREDENTIALS",
    ],
)
def test_no_other_grant_is_served(grant: str) -> None:
    client = ApiClientFactory()
    response = ask_for_token(
        client.client_id, client.secret, grant_type=grant, username="x", password="x"
    )
    assert response.status_code == 400
    assert response.json()["error"] == ("unsupported_grant_type" if grant else "invalid_request")


def test_credentials_in_the_address_are_refused() -> None:
    client = ApiClientFactory()
    query = (
        f"?grant_type=client_credentials&client_id={client.client_id}&client_secret={client.secret}"
    )
    assert Client().post(f"/login/connect/token{query}").status_code == 400
    for method in ("GET", "HEAD", "PUT", "OPTIONS"):
        assert Client().generic(method, f"/login/connect/token{query}").status_code == 405


def test_neither_token_nor_secret_is_readable_in_the_database() -> None:
    client = ApiClientFactory()
    token = token_for(client)
    stored = dump()
    assert client.client_id in stored, "the positive control"
    assert token not in stored
    assert client.secret not in stored


def test_a_token_counts_in_the_header_only() -> None:
    token = token_for(ApiClientFactory())
    path = "/api/v1/Sessions"
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert Client(headers={"Authorization": f"{scheme} {token}"}).get(path).status_code == 200
    anonymous = Client()
    for response in (
        anonymous.get(f"{path}?access_token={token}"),
        anonymous.post("/api/v1/Guests/find", {"access_token": token}),
        anonymous.get(path, headers={"Authorization": f"Basic {token}"}),
        anonymous.get(path, headers={"Authorization": token}),
        anonymous.get(path, headers={"Authorization": "Bearer"}),
        anonymous.get(path, headers={"Authorization": "Bearer nonsense"}),
        anonymous.get(path, headers={"Authorization": "Bearer Žluť"}),
    ):
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_ends_after_an_hour() -> None:
    caller = Caller(token_for(ApiClientFactory()))
    assert caller.get("/api/v1/Sessions").status_code == 200
    AccessToken.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert caller.get("/api/v1/Sessions").status_code == 401


def test_a_revoked_client_is_out_at_once() -> None:
    client = ApiClientFactory()
    caller = Caller(token_for(client))
    assert caller.get("/api/v1/Sessions").status_code == 200
    # This is true even if the tokens were kept.
    ApiClient.objects.update(revoked_at=timezone.now())
    assert caller.get("/api/v1/Sessions").status_code == 401
    ApiClient.objects.update(revoked_at=None)
    services.revoke_client(client, revoked_by=None)
    assert not AccessToken.objects.exists()
    assert caller.get("/api/v1/Sessions").status_code == 401
    refused = ask_for_token(client.client_id, client.secret)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_a_right_that_was_taken_away_is_gone_from_the_token_too() -> None:
    client = ApiClientFactory()
    caller = Caller(token_for(client))
    ApiClient.objects.update(rights=["anonymize_guests"])
    assert caller.get("/api/v1/Sessions").status_code == 403


def test_a_session_cookie_is_no_token(log_in: Any) -> None:
    assert log_in("superuser").get("/api/v1/Sessions").status_code == 401


def test_old_tokens_go_and_the_use_is_noted() -> None:
    client = ApiClientFactory()
    token_for(client)
    AccessToken.objects.update(expires=timezone.now() - timedelta(seconds=1))
    token_for(client)
    assert AccessToken.objects.count() == 1
    client.refresh_from_db()
    assert client.last_used_at is not None


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("?a=%zz", "grant_type=client_credentials"),
        ("?a=b", "grant_type=client_credentials"),
        ("", "grant_type=password&grant_type=client_credentials"),
        ("", "grant_type=client_credentials&scope=a&scope=b"),
        ("", "&".join(f"a{number}=1" for number in range(1500))),
        ("", "grant_type=client_credentials&resource=x y"),
        ("", "grant_type=%zz"),
    ],
)
def test_an_odd_request_is_refused_in_json(query: str, body: str) -> None:
    response = Client().post(
        f"/login/connect/token{query}", body, content_type="application/x-www-form-urlencoded"
    )
    assert response.status_code in {400, 401}
    assert response.headers["Content-Type"] == "application/json"
    assert response.json()["error"]


def test_broken_multipart_is_refused_in_json() -> None:
    response = Client().post(
        "/login/connect/token", b"--x", content_type="multipart/form-data; boundary=\x01"
    )
    assert (response.status_code, response.json()) == (400, {"error": "invalid_request"})


def test_a_narrow_token_calls_no_more_than_its_scope() -> None:
    caller = Caller(token_for(ApiClientFactory(), scope="anonymize_guests"))
    assert caller.get("/api/v1/Sessions").status_code == 403


def test_a_call_notes_the_use() -> None:
    client = ApiClientFactory()
    caller = Caller(token_for(client))
    ApiClient.objects.update(last_used_at=None)
    caller.get("/api/v1/Sessions")
    client.refresh_from_db()
    assert client.last_used_at is not None


def test_a_secret_is_checked_quickly_and_kept_as_a_salted_digest() -> None:
    """A wrong secret must not cost the server much time."""
    client = ApiClientFactory()
    assert client.client_secret.startswith("pbkdf2_sha256_secret$1000$")
