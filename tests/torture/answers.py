"""Run a process with one new database that answers requests from its standard input.

Two processes, on SQLite and on PostgreSQL, get the same requests in the same order. Their answers
must agree. An input line is ``[method, path, headers, body in base64]``. An output line is
``[status, names of the refused fields]``.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

from tests.torture.child import Child

#: The number of sessions. Half of them are anonymized, and higher ids are unknown.
SESSIONS = 12

Request = tuple[str, str, dict[str, str], bytes]


class Answers(Child):
    """Starts such a process and sends requests to it."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(
            "tests.torture.answers",
            said=folder.with_suffix(".log"),
            DATABASE_URL=url,
            MEDIA_ROOT=str(folder),
        )

    def ask(self, request: Request) -> list[Any]:
        method, path, headers, body = request
        self.send([method, path, headers, base64.b64encode(body).decode()])
        answer: list[Any] = self.receive()
        return answer


def prepare() -> str:
    """Migrate and fill the database identically on each. Return a token with all rights."""
    from django.core.management import call_command
    from django.test import Client

    from tests.factories import ApiClientFactory, SessionFactory, WebChatFactory

    call_command("migrate", verbosity=0)
    webchat = WebChatFactory(name="Shop Prague")
    for number in range(SESSIONS):
        SessionFactory(
            webchat=webchat,
            email=f"guest{number}@example.com",
            messages=["Hello"],
            anonymized=bool(number % 2),
        )
    client = ApiClientFactory()
    form = {
        "grant_type": "client_credentials",
        "client_id": client.client_id,
        "client_secret": client.secret,
    }
    token: str = Client().post("/login/connect/token", form).json()["access_token"]
    return token


def answer(client: Any, token: str, request: list[Any]) -> list[Any]:
    """Return the status and the names of the refused fields. Messages may differ."""
    method, path, headers, body = request
    response = client.open(
        path,
        method=method,
        headers={"Authorization": f"Bearer {token}", **headers},
        data=base64.b64decode(body),
    )
    content, names = response.data, []
    if content and response.content_type == "application/json":
        found = json.loads(content)
        names = sorted(found) if response.status_code >= 400 else _ids_in(found)
    return [response.status_code, names]


def _ids_in(found: Any) -> list[int]:
    return [row["id"] for row in found] if isinstance(found, list) else []


def main() -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.test.utils import setup_test_environment
    from werkzeug.test import Client

    from mluvii_gdpr.wsgi import application

    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.MD5PasswordHasher",
        "api.hashers.SecretHasher",
    ]
    setup_test_environment(debug=False)
    token, client = prepare(), Client(application)
    for line in sys.stdin:
        print(json.dumps(answer(client, token, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
