"""Test that passwords which are easy to guess from their context are refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import override

from tests.factories import PASSWORD
from tests.pages import LogIn

JANA = User(
    username="jnovak77",
    first_name="Jana",
    last_name="Nováková",
    email="recepce.brno@modryzub.example",
)
CHANGE = "/accounts/password/change/"


@pytest.mark.parametrize(
    "password",
    [
        "Summer2026",
        "Léto2026!",
        "Leto2026!",
        "Podzim2026",
        "Frühling2026",
        "Sommer2026!",
        "Jeseň2026!",
        "Prosinec2026",
        "Heslo123456",
        "Passwort2026!",
        "Qwertzuiop1",
        "jnovak772026",
        "Novakova1985",
        "Nováková1985",
        "Modryzub2026",
        "RecepceBrno1",
        "MluviiGdpr2026",
        "Zelenarium2026",
        "Kolonada2026!",
    ],
)
def test_a_password_of_context_words_is_refused(settings: Any, password: str) -> None:
    settings.CONTROLLER_NAME = "Zelenarium a.s."
    settings.ALLOWED_HOSTS = ["chat.kolonada.example"]
    with pytest.raises(ValidationError) as refused:
        validate_password(password, JANA)
    assert "password_too_guessable" in {error.code for error in refused.value.error_list}


@pytest.mark.parametrize(
    "password", [PASSWORD, "traktor-okurka-mlha-violka", "g7#Kp2vX9!qe", "ß" * 3 + "kVrt9-Lomná"]
)
def test_a_password_that_needs_many_guesses_is_accepted(password: str) -> None:
    validate_password(password, JANA)


def test_only_the_beginning_of_a_long_password_is_analysed() -> None:
    validate_password("g7#Kp2vX9!qe" + "x" * 100_000)
    with pytest.raises(ValidationError):
        validate_password("a" * 100_000)


def test_a_new_account_without_values_can_be_validated() -> None:
    validate_password("traktor-okurka-mlha", User())
    validate_password("traktor-okurka-mlha", None)


@pytest.mark.parametrize("language", ["cs", "de", "sk"])
def test_the_refusal_is_in_the_language_of_the_page(language: str) -> None:
    with override(language), pytest.raises(ValidationError) as refused:
        validate_password("Summer2026")
    (said,) = refused.value.messages
    assert "password" not in said


@pytest.mark.django_db
@pytest.mark.any_database
def test_the_page_refuses_the_password_at_its_field(log_in: LogIn) -> None:
    new = {"oldpassword": PASSWORD, "password1": "Summer2026", "password2": "Summer2026"}
    page = log_in("support").post(CHANGE, new)
    assert "easy to guess" in page.content.decode()
    assert User.objects.get(username="support").check_password(PASSWORD)
