"""German messages of Django and of the installed packages address the reader with "Sie", as the product does."""

from __future__ import annotations

import gettext
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import override, trans_real

OVERRIDES = Path(settings.BASE_DIR) / "locale_packages" / "de" / "LC_MESSAGES" / "django.mo"
#: Pronouns of the informal address, and the informal imperatives that need no pronoun.
INFORMAL = re.compile(
    r"\b(du|dein\w*|dir|dich|euch|euer\w*"
    r"|gib|lass|klicke|bitte klick|prüfe|überprüfe|nutze|benutze|stelle sicher|lade|nimm|wähle|kontaktiere"
    r"|bitte (bestätige|folge|habe|melde|verwende|versuche))\b",
    re.I,
)


def messages(path: Path) -> dict[str, str]:
    """Return the messages of a compiled catalogue, without its header."""
    with path.open("rb") as compiled:
        catalogue = gettext.GNUTranslations(compiled)._catalog  # type: ignore[attr-defined]
    return {key: text for key, text in catalogue.items() if key}


def package_messages() -> set[str]:
    """Return the keys of all German messages that Django and the installed packages bring."""
    django = find_spec("django")
    assert django is not None
    assert django.origin is not None
    folders = [
        Path(django.origin).parent / "conf",
        *(Path(app.path) for app in apps.get_app_configs()),
    ]
    paths = [folder / "locale" / "de" / "LC_MESSAGES" / "django.mo" for folder in folders]
    return {key for path in paths if path.exists() for key in messages(path)}


def test_no_message_addresses_the_reader_informally() -> None:
    """Look at what Django shows: its own messages and those of every package, after all overrides."""
    # A lookup returns the message of the first catalogue that has it, as a page does.
    catalogue = trans_real.translation("de")._catalog  # type: ignore[attr-defined]
    shown = {key: catalogue[key] for key in catalogue.keys()}  # noqa: SIM118
    assert {"You have signed out.", "Enter a valid email address."} <= shown.keys()
    assert {key: text for key, text in shown.items() if INFORMAL.search(str(text))} == {}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Please type your current password.", "Bitte geben Sie Ihr aktuelles Passwort ein."),
        ("Enter a valid email address.", "Bitte eine gültige E-Mail-Adresse eingeben."),
    ],
)
def test_gettext_gives_the_formal_message(message: str, expected: str) -> None:
    with override("de"):
        assert _(message) == expected


def test_each_override_is_still_a_message_of_a_package() -> None:
    """An update of a package can change a message. Its override then has no effect."""
    assert sorted(messages(OVERRIDES).keys() - package_messages()) == []
