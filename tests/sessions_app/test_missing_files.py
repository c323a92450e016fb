"""Test that a stored file that is missing or unreadable says so, on both sides."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from sessions_app.models import Attachment, Session
from tests.factories import WebChatFactory
from tests.pages import LogIn, submit

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

WORDS = "This file is no longer stored"


def fail(*args: object, **kwargs: object) -> None:
    raise OSError("secret-name.txt")


@pytest.fixture
def addresses(client: Client) -> tuple[str, str, str]:
    room = submit(client, WebChatFactory()).headers["Location"]
    client.post(f"{room}file/", {"file": SimpleUploadedFile("secret-name.txt", b"content")})
    session, attachment = Session.objects.get(), Attachment.objects.get()
    return (
        room,
        f"{room}files/{attachment.pk}/",
        f"/sessions/{session.pk}/files/{attachment.pk}/",
    )


@pytest.mark.parametrize("fault", ["missing", "unreadable"])
def test_both_sides_are_told(
    log_in: LogIn,
    addresses: tuple[str, str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    room, visitors, staffs = addresses
    if fault == "missing":
        default_storage.delete(Attachment.objects.get().file.name)
    else:
        monkeypatch.setattr("django.core.files.storage.Storage.open", fail)
    logging.getLogger("sessions_app").propagate = True
    for client, url, back in (
        (Client(), visitors, room),
        (log_in("superuser"), staffs, f"/sessions/{Session.objects.get().pk}/"),
    ):
        response: Any = client.get(url)
        html = response.content.decode()
        assert response.status_code == 404
        assert WORDS in html
        assert f'href="{back}"' in html
        assert "no-store" in response.headers["Cache-Control"]
    number = Attachment.objects.get().pk
    told = {r.getMessage() for r in caplog.records if r.name == "sessions_app.http"}
    assert len(told) == 1
    assert told.pop().startswith(f"the stored file of attachment {number} ")


def test_a_file_that_never_existed_is_another_thing(
    client: Client, addresses: tuple[str, str, str]
) -> None:
    response = client.get(f"{addresses[0]}files/999999/")
    assert response.status_code == 404
    assert WORDS not in response.content.decode()
