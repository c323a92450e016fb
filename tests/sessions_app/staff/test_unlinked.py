"""Test that no page or answer links the anonymized rows of one person to each other."""

from __future__ import annotations

import json
import logging
import re
from itertools import chain
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from anonymization import files
from anonymization.models import Erasure
from sessions_app.models import Guest, Message, Session
from tests.api.conftest import Caller, token_for
from tests.factories import (
    ApiClientFactory,
    AttachmentFactory,
    ConsentEventFactory,
    ErasureFactory,
    WebChatFactory,
)
from tests.pages import LogIn, compact

pytestmark = pytest.mark.django_db

#: The ids differ from every other number and hash on a page.
FIRST = 7_310_000_001


class Person:
    """Return a guest with sessions that have the same kept values as all other sessions."""

    def __init__(self, webchat: Any, number: int, *, sessions: int = 3) -> None:
        keys = [FIRST + 10 * number + place for place in range(sessions + 1)]
        at = timezone.now()
        self.guest = Guest.objects.create(pk=keys[0], name=f"Jana {number}", created_at=at)
        fields = {"webchat": webchat, "guest": self.guest, "channel": "chat", "language": "en"}
        self.sessions = [
            Session.objects.create(
                pk=key, created_at=at, entry_key=f"entry {key}", messages_visitor=1, **fields
            )
            for key in keys[1:]
        ]
        for session in self.sessions:
            ConsentEventFactory(session=session)
            Message.objects.create(session=session, sender="visitor", text="Hello")
        self.keys = list(map(str, keys))


@pytest.fixture
def people() -> list[Person]:
    webchat = WebChatFactory()
    return [Person(webchat, number) for number in range(3)]


@pytest.fixture
def anonymized(people: list[Person], log_in: LogIn) -> list[Person]:
    """Return guests who were anonymized with all of their sessions, each through the page."""
    for person in people:
        anonymize(log_in("support"), f"/guests/{person.guest.pk}/anonymize/")
    return people


def anonymize(client: Client, url: str, **sent: str) -> Any:
    page = client.get(url)
    shown = {f"shown-{label}": value for label, value in page.context["shown"]}
    response = client.post(url, {**shown, **sent})
    assert response.status_code == 302
    client.get(response.headers["Location"])  # This page shows the message.
    return response


def without_ids(text: str) -> str:
    """Return the text with placeholders for ids, without values that differ in every answer."""
    text = re.sub(r'(csrfmiddlewaretoken" value=|X-CSRFToken": |nonce=)"[^"]+"', "", text)
    return re.sub("73100000[0-9]{2}", "ID", text)


@pytest.mark.parametrize(
    "url",
    ["/sessions/{}/", "/guests/{}/", "/admin/sessions_app/session/{}/change/", "/admin/sessions_app/guest/{}/change/",
     "/api/v1/Sessions/{}", "/api/v1/Guests/{}"],
)  # fmt: skip
def test_pages_of_anonymized_rows_differ_in_their_own_id_only(
    anonymized: list[Person], log_in: LogIn, url: str
) -> None:
    of_guests = "uest" in url
    keys = [key for p in anonymized for key in (p.keys[:1] if of_guests else p.keys[1:])]
    client = Caller(token_for(ApiClientFactory())) if "api" in url else log_in("superuser")
    texts = {}
    for key in keys:
        response = client.get(url.format(key))
        assert response.status_code == 200
        texts[key] = response.content.decode()
        assert set(re.findall("73100000[0-9]{2}", texts[key])) == {key}, "no other row"
        assert not re.search("/erasures/[0-9a-f]", texts[key]), "no record"
    one, *others = ({*without_ids(text).splitlines()} for text in texts.values())
    assert [other ^ one for other in others] == [set()] * len(others)


def test_lines_of_the_table_and_the_files_differ_in_their_own_id_only(
    anonymized: list[Person], log_in: LogIn
) -> None:
    client = log_in("officer")
    lines = {
        "table": re.findall("<tr.*?</tr>", compact(client.get("/sessions/")).split("<tbody")[1]),
        "CSV": b"".join(client.get("/sessions/export/").streaming_content)
        .decode()
        .splitlines()[1:],  # type: ignore[attr-defined]
        "API": list(map(json.dumps, Caller(token_for(ApiClientFactory())).sessions())),
    }
    for name, found in lines.items():
        assert len(found) == 9, name
        assert len({without_ids(line) for line in found}) == 1, name


def test_no_page_about_erasures_names_a_row(anonymized: list[Person], log_in: LogIn) -> None:
    client = log_in("superuser")
    program = ApiClientFactory()
    ErasureFactory(subject__new_guest=True)
    paths = ["/", "/erasures/", "/withdrawals/", "/settings/gdpr/", f"/settings/api/{program.pk}/"]
    records = [record.get_absolute_url() for record in Erasure.objects.all()]
    for path in [*paths, *chain(*((url, f"{url}json/") for url in records))]:
        assert not re.findall("73100000[0-9]{2}", client.get(path).content.decode()), path


def test_the_answer_of_the_act_names_the_requested_row_and_only_once(
    people: list[Person], log_in: LogIn
) -> None:
    client, person = log_in("support"), people[0]
    url = f"/guests/{person.guest.pk}/anonymize/"
    shown = {f"shown-{label}": value for label, value in client.get(url).context["shown"]}
    response = client.post(url, shown)
    record = Erasure.objects.get()
    assert response.headers["Location"] == record.get_absolute_url()
    assert response.headers["Referrer-Policy"] == "strict-origin", "no Referer with both"
    sent = f"{response.headers} {response.cookies} {response.content.decode()}"
    assert not set(person.keys[1:]) & set(re.findall("73100000[0-9]{2}", sent))
    said = [str(message) for message in get_messages(response.wsgi_request)]
    assert said == [
        f"Guest {person.guest.pk} was anonymized: record 1 (guests: 1, sessions: 3, messages: 3)."
    ]
    client.get(response.headers["Location"])
    assert str(person.guest.pk) not in client.get(response.headers["Location"]).content.decode()


def test_a_repeated_act_names_no_record(
    anonymized: list[Person], log_in: LogIn, capsys: Any
) -> None:
    client = log_in("support")
    for url in (
        anonymized[0].guest.get_absolute_url(),
        anonymized[0].sessions[1].get_absolute_url(),
    ):
        for response in (client.get(f"{url}anonymize/"), client.post(f"{url}anonymize/")):
            assert (response.status_code, response.headers["Location"]) == (302, url)
    said = {str(message) for message in get_messages(response.wsgi_request)}
    assert said == {"This was already anonymized. Nothing was changed."}
    key = anonymized[0].keys[1]
    call_command("anonymize_session", key)
    call_command("anonymize_session", key, "--json")
    plain, as_json = capsys.readouterr().out.splitlines()
    assert plain == "already anonymized"
    assert json.loads(as_json) == {
        "result": "already anonymized", "counts": {}, "id": int(key), "pending_files": 0,
    }  # fmt: skip


def test_no_line_of_a_log_names_two_rows_or_a_row_and_a_record(
    people: list[Person],
    log_in: LogIn,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    for person in people:
        for session in person.sessions:
            AttachmentFactory(session=session)
    monkeypatch.setattr("anonymization.files.default_storage.delete", _fails)
    api = Caller(token_for(ApiClientFactory()))
    with caplog.at_level(logging.DEBUG), django_capture_on_commit_callbacks(execute=True):
        anonymize(log_in("support"), f"/guests/{people[0].guest.pk}/anonymize/")
        call_command("anonymize_guest", str(people[1].guest.pk))
        assert api.post(f"/api/v1/Guest/{people[2].guest.pk}/anonymous").status_code == 202
        files.delete_pending_files()
    logged = [logging.Formatter().format(record) for record in caplog.records]
    assert any("could not be deleted" in line for line in logged), "the positive control"
    numbers = "|".join(f"{word} {n}" for word in ("record", "erasure") for n in (1, 2, 3))
    for line in logged:
        rows = set(re.findall("73100000[0-9]{2}", line))
        assert len(rows) < 2, line
        assert not (rows and re.search(numbers, line)), line


def _fails(name: str) -> None:
    raise OSError("the storage is away")
