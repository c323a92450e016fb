"""Fixtures for clients of the REST API and their calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from api.models import ApiClient, Right
from tests.factories import ApiClientFactory
from tests.server import Server, on_this_database, served


@pytest.fixture(scope="module")
def server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run gunicorn on the test's database, for all tests of a module."""
    with served(tmp_path_factory.mktemp("server"), **on_this_database()) as running:
        yield running


@pytest.fixture
def api(db: None) -> Callable[..., Caller]:
    """Return a function that makes a caller with the given rights, by default all of them."""
    return lambda *rights: Caller(token_for(ApiClientFactory(rights=rights or Right.values)))


def token_for(client: ApiClient, **fields: str) -> str:
    """Return a token, requested as clients do."""
    response = ask_for_token(client.client_id, client.secret, **fields)
    assert response.status_code == 200, response.content
    token: str = response.json()["access_token"]
    return token


def ask_for_token(client_id: str, secret: str, **fields: str) -> Any:
    body = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": secret,
        **fields,
    }
    return Client().post("/login/connect/token", body)


class Caller:
    """Calls the API with a token and reads the whole answer."""

    def __init__(self, token: str) -> None:
        self.headers = {"Authorization": f"Bearer {token}"}
        self.client = Client(headers=self.headers)

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path, query)

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        if body is not None:
            options |= {"data": json.dumps(body), "content_type": "application/json"}
            return self.client.post(path, **options)
        return self.client.generic("POST", path, **options)

    def sessions(self, **query: Any) -> list[dict[str, Any]]:
        response = self.get("/api/v1/Sessions", **query)
        assert response.status_code == 200, response.content
        rows: list[dict[str, Any]] = json.loads(response.getvalue())
        return rows
