"""Test the account pages: password reset, e-mail addresses, second factor, language."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.auth.password_validation import validate_password
from django.core import mail
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils.translation import override

from mluvii_gdpr.checks import check_mail_is_sent
from mluvii_gdpr.models import Profile
from tests.factories import PASSWORD, StaffFactory, WebChatFactory
from tests.pages import LogIn

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

RESET = "/accounts/password/reset/"


@pytest.fixture
def no_mail(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"


@pytest.mark.parametrize(
    ("language", "said"), [("en", "You are logged in."), ("cs", "Jste přihlášeni.")]
)
def test_the_login_is_confirmed_in_our_words(client: Client, language: str, said: str) -> None:
    StaffFactory(role="support")
    page = client.post(
        "/accounts/login/",
        {"login": "support", "password": PASSWORD},
        headers={"Accept-Language": language},
        follow=True,
    )
    assert [str(message) for message in page.context["messages"]] == [said]


def test_with_mail_the_log_in_leads_to_a_reset(client: Client) -> None:
    StaffFactory(role="support")
    assert f'href="{RESET}"' in client.get("/accounts/login/").content.decode()
    assert client.get(RESET).status_code == 200
    assert client.post(RESET, {"email": "support@example.com"}).status_code == 302
    assert [message.to for message in mail.outbox] == [["support@example.com"]]
    assert check_mail_is_sent(None) == []


@pytest.mark.usefixtures("no_mail")
def test_without_mail_nothing_leads_to_a_reset(client: Client, log_in: LogIn) -> None:
    assert RESET not in client.get("/accounts/login/").content.decode()
    for path in ("/accounts/password/change/", "/accounts/reauthenticate/"):
        assert RESET not in log_in("support").get(path, follow=True).content.decode()


@pytest.mark.usefixtures("no_mail")
def test_without_mail_the_reset_names_a_contact(client: Client) -> None:
    for response in (client.get(RESET), client.post(RESET, {"email": "support@example.com"})):
        assert response.status_code == 404
        assert "Ask your system administrator for a new password." in response.content.decode()


@pytest.mark.usefixtures("no_mail")
def test_without_mail_the_deploy_check_warns() -> None:
    assert [message.id for message in check_mail_is_sent(None)] == ["mluvii_gdpr.W002"]


@pytest.mark.usefixtures("no_mail")
def test_without_mail_no_address_can_be_managed(log_in: LogIn) -> None:
    support = log_in("support")
    sent = {"email": "support@example.com", "action_send": ""}
    for response in (support.get("/accounts/email/"), support.post("/accounts/email/", sent)):
        assert response.status_code == 404
        assert "This installation does not send e-mail" in response.content.decode()
    assert log_in("").get("/accounts/email/").headers["Location"].startswith("/accounts/login/")


def test_with_mail_the_verification_is_sent() -> None:
    client = Client()
    client.force_login(
        StaffFactory(role="support", username="unverified")
    )  # logins are throttled by address
    assert client.get("/accounts/email/").status_code == 200
    client.post("/accounts/email/", {"email": "unverified@example.com", "action_send": ""})
    assert [message.to for message in mail.outbox] == [["unverified@example.com"]]


@pytest.mark.parametrize("language", ["cs", "de", "sk"])
def test_a_short_password_is_refused_in_the_language_of_the_page(language: str) -> None:
    with override(language), pytest.raises(ValidationError) as refused:
        validate_password("x7!K")
    assert "password" not in refused.value.messages[0]
    assert "8" in refused.value.messages[0]


@pytest.mark.parametrize(
    ("path", "title", "crumbs"),
    [
        ("/accounts/password/change/", "Change password", ["Change password"]),
        ("/accounts/email/", "E-mail addresses", ["E-mail addresses"]),
        ("/accounts/2fa/", "Two-factor login", ["Two-factor login"]),
        (
            "/accounts/2fa/totp/activate/",
            "Activate the authenticator app",
            ["Two-factor login", "Activate the authenticator app"],
        ),
        (
            "/accounts/2fa/recovery-codes/",
            "Recovery codes",
            ["Two-factor login", "Recovery codes"],
        ),
        (
            "/accounts/2fa/recovery-codes/generate/",
            "Create new recovery codes",
            ["Two-factor login", "Create new recovery codes"],
        ),
        (
            "/accounts/2fa/totp/deactivate/",
            "Deactivate the authenticator app",
            ["Two-factor login", "Deactivate the authenticator app"],
        ),
    ],
)
def test_pages_of_the_account_stand_in_the_frame_of_the_house(
    path: str, title: str, crumbs: list[str]
) -> None:
    user, client = StaffFactory(role="support"), Client()
    client.post("/accounts/login/", {"login": "support", "password": PASSWORD})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    if path != "/accounts/2fa/totp/activate/":
        TOTP.activate(user, "A" * 32)
        RecoveryCodes.activate(user)
    html = client.get(path).content.decode()
    assert re.findall(r"<h1[^>]*>([^<]+)</h1>", html) == [title]
    assert f"<title>{title} · mluvii GDPR</title>" in html
    trail = html.split('class="breadcrumb"')[1].split("</ol>")[0]
    assert [text.strip() for text in re.findall(r">([^<>]+)<", trail) if text.strip()] == crumbs
    assert not re.search(r"\b(Email|Two-Factor|New Password|Recovery Codes)\b", html)


def test_messages_stand_below_the_title() -> None:
    StaffFactory(role="support")
    client = Client()
    client.post("/accounts/login/", {"login": "support", "password": PASSWORD})
    html = client.get("/accounts/password/change/").content.decode()
    assert html.index("<h1") < html.index('class="alert alert-')


def test_the_pages_that_ask_again_say_why(log_in: LogIn) -> None:
    html = log_in("support").get("/accounts/reauthenticate/").content.decode()
    assert "Confirm your identity" in html
    assert "placeholder" not in html


def test_the_second_factor_logs_in() -> None:
    user, client = StaffFactory(role="support"), Client()
    TOTP.activate(user, "A" * 32)
    RecoveryCodes.activate(user)
    code = RecoveryCodes(user.authenticator_set.get(type="recovery_codes")).get_unused_codes()[0]
    asked = client.post("/accounts/login/", {"login": "support", "password": PASSWORD}, follow=True)
    assert ">Two-factor login</h1>" in asked.content.decode()
    assert client.get("/").status_code == 302
    client.post("/accounts/2fa/authenticate/", {"code": code})
    assert client.get("/").status_code == 200
    html = client.get("/accounts/2fa/").content.decode()
    assert "Unused codes: 9 of 10." in html


def test_staff_choose_the_language_of_their_pages(client: Client) -> None:
    """The choice overrides the browser's language at each login, but not on visitor pages."""
    user, webchat = StaffFactory(role="support"), WebChatFactory()
    client.force_login(user)
    german = {"headers": {"Accept-Language": "de"}}
    assert "Sitzungen" in client.get("/sessions/", **german).content.decode()
    saved = client.post("/accounts/language/", {"language": "cs"}, follow=True, **german)
    assert "Jazyk byl uložen." in saved.content.decode()
    assert 'value="cs" selected>Česky' in saved.content.decode()
    again = Client()
    again.force_login(user)
    for browser in (client, again):
        page = browser.get("/sessions/", **german)
        assert (page.headers["Content-Language"], "Relace" in page.content.decode()) == ("cs", True)
        form = browser.get(f"/w/{webchat.public_id}/", headers={"Accept-Language": "en"})
        assert form.headers["Content-Language"] == "en"
    client.post("/accounts/language/", {"language": ""})
    assert "Sitzungen" in client.get("/sessions/", **german).content.decode()


def test_a_language_that_there_is_not_is_refused(log_in: LogIn) -> None:
    refused = log_in("support").post("/accounts/language/", {"language": "xx"})
    assert refused.status_code == 422
    assert not Profile.objects.exists()
