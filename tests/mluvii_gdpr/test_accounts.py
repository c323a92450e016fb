"""A forgotten password is no dead end: reset by mail where mail is sent, else whom to ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from mluvii_gdpr.checks import check_mail_is_sent

pytestmark = pytest.mark.django_db

RESET = "/accounts/password/reset/"


@pytest.fixture
def no_mail(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"


def test_with_mail_the_log_in_leads_to_a_reset(client: Client, make_user: Callable[..., User]) -> None:
    make_user("support")
    assert f'href="{RESET}"' in client.get("/accounts/login/").content.decode()
    assert client.get(RESET).status_code == 200
    assert client.post(RESET, {"email": "support@example.com"}).status_code == 302
    assert [message.to for message in mail.outbox] == [["support@example.com"]]
    assert check_mail_is_sent(None) == []


@pytest.mark.usefixtures("no_mail")
def test_without_mail_nothing_leads_to_a_reset(client: Client, log_in: Callable[[str], Client]) -> None:
    assert RESET not in client.get("/accounts/login/").content.decode()
    for path in ("/accounts/password/change/", "/accounts/reauthenticate/"):
        assert RESET not in log_in("support").get(path, follow=True).content.decode()


@pytest.mark.usefixtures("no_mail")
def test_without_mail_the_reset_says_whom_to_ask(client: Client) -> None:
    for response in (client.get(RESET), client.post(RESET, {"email": "support@example.com"})):
        assert response.status_code == 404
        assert "Ask your system administrator for a new password." in response.content.decode()


@pytest.mark.usefixtures("no_mail")
def test_without_mail_the_deploy_check_warns() -> None:
    assert [message.id for message in check_mail_is_sent(None)] == ["mluvii_gdpr.W002"]
