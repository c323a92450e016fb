"""Test that each call returns every status that its description documents, and no other one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client

from tests.api.conftest import Caller
from tests.factories import AttachmentFactory, SessionFactory

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

PATHS = yaml.safe_load((Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml").read_text())[
    "paths"
]
DOCUMENTED = [
    (method, path, int(status))
    for path, methods in PATHS.items()
    for method, operation in methods.items()
    for status in operation["responses"]
]
LARGE = "x" * 3_000_000


class World:
    """A client, two sessions of different guests, and a request for each status."""

    def __init__(self, api: Callable[..., Caller], settings: Any) -> None:
        self.api, self.settings = api, settings
        self.one, self.other = SessionFactory(), SessionFactory(new_guest=True)

    def url(self, path: str, session: Any = None) -> str:
        session = session or self.one
        return path.format(id=session.pk if "/Sessions" in path else session.guest_id)

    def produce(self, method: str, path: str, status: int) -> int:
        client, url, options = self.api().client, self.url(path), {}
        if method == "post" and path.endswith("/find"):
            options = {"data": '{"email": "jana@example.com"}', "content_type": "application/json"}
        if status == 400:
            url += "?nonsense=1"
        elif status == 401:
            client = Client()
        elif status == 403:
            client = self.api(
                "anonymize_guests" if "Guest/" not in path else "read_sessions"
            ).client
        elif status == 404:
            url = path.format(id=999_999)
        elif status == 413:
            options = {"data": LARGE, "content_type": "application/json"}
        elif status == 415:
            options["content_type"] = "text/plain"
        elif "anonymous" in path:
            url = self.before_erasing(client, method, path, url, status, options)
        return int(client.generic(method.upper(), url, **options).status_code)

    def before_erasing(
        self, client: Client, method: str, path: str, url: str, status: int, options: dict[str, Any]
    ) -> str:
        if status == 200:
            return f"{url}?dry_run=true"
        if status == 202:
            AttachmentFactory(session=self.one)
        elif status == 409:
            options["headers"] = {"Idempotency-Key": "one"}
            client.generic(method.upper(), self.url(path, self.other), **options)
        elif status == 429:
            self.settings.API_ERASURES_PER_HOUR = {
                "sessions_app.Guest": 1,
                "sessions_app.Session": 1,
            }
            client.generic(method.upper(), self.url(path, self.other))
        return url


@pytest.mark.parametrize(("method", "path", "status"), DOCUMENTED, ids=lambda value: str(value))
def test_a_documented_status(method: str, path: str, status: int, api: Any, settings: Any) -> None:
    assert World(api, settings).produce(method, path, status) == status


def test_the_description_documents_enough() -> None:
    assert len(DOCUMENTED) > 50
    for path, methods in PATHS.items():
        for operation in methods.values():
            assert {"400", "401", "403"} <= set(operation["responses"]), path
