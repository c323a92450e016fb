"""Publishing consent texts and choosing the entry form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from anonymization.files import delete_file
from anonymization.storage import require_storage, storing
from webchat.consent_html import MAX_BODY, MAX_LABEL, DraftText, render_document, sanitise, sha256_hex
from webchat.models import ConsentText, ConsentVersion, WebChat


class PublicationRefused(Exception):
    """Nothing was published. The message is fit for the administrator."""


class NothingChanged(PublicationRefused):
    """Every text equals the published one after sanitising."""


class LanguageMissing(PublicationRefused):
    """An enabled language has no label or no text."""


class TextTooLong(PublicationRefused):
    """A label or a body is longer than a consent text may be."""


class NewerVersionExists(PublicationRefused):
    """Somebody published since the administrator began; ``version`` is what stands now."""

    def __init__(self, version: ConsentVersion) -> None:
        super().__init__(_("Version %(number)d was published in the meantime.") % {"number": version.number})
        self.version = version


class NothingPublished(Exception):
    """The GDPR form needs a published text in every language of the WebChat; the message says what lacks."""


class TakesMore(Exception):
    """The retention period takes sessions that the one that stands there keeps, and nobody was shown how many."""


@dataclass(frozen=True)
class Publication:
    """What would be published: the number it would get, the texts as served, the version that stands now."""

    number: int
    texts: dict[str, DraftText]
    current: ConsentVersion | None


def clean_texts(texts: Mapping[str, DraftText]) -> dict[str, DraftText]:
    """Return the texts as they would be published: labels on one line, bodies sanitised."""
    return {
        language: DraftText(label=" ".join(text.label.split()), body=sanitise(text.body))
        for language, text in texts.items()
    }


def texts_of(version: ConsentVersion | None) -> dict[str, DraftText]:
    """Return the published texts of a version by language; of no version none."""
    texts = version.texts.all() if version else []
    return {text.language: DraftText(label=text.label, body=text.body) for text in texts}


def prepare_publication(webchat: WebChat, *, texts: Mapping[str, DraftText], based_on: int) -> Publication:
    """Return what would be published now; nothing is stored.

    ``texts`` holds every language of the WebChat; texts in other languages are published too, so that one can
    be ready before its language is offered.

    Raises:
        NewerVersionExists: another version was published since ``based_on``.
        LanguageMissing: an enabled language has no label or no text.
        TextTooLong: a label or a body is longer than allowed.
        NothingChanged: all texts equal the current ones after sanitising.
    """
    current = webchat.current_version()
    if current is not None and current.number != based_on:
        raise NewerVersionExists(current)
    cleaned = clean_texts({code: texts[code] for code, _name in settings.LANGUAGES if code in texts})
    _require_texts(webchat, cleaned)
    if current is not None and texts_of(current) == cleaned:
        message = _("Nothing was published: the texts are identical to version %(number)d.")
        raise NothingChanged(message % {"number": current.number})
    return Publication(number=current.number + 1 if current else 1, texts=cleaned, current=current)


@transaction.atomic
def publish_consent(
    webchat: WebChat,
    *,
    texts: Mapping[str, DraftText],
    based_on: int,
    published_by: User | None,
) -> ConsentVersion:
    """Publish the texts as the next version, each with the document that is served for ever.

    ``based_on`` is the number that was current when the administrator began, 0 for none. Locks the WebChat,
    so that two administrators get one version each or the second is told.

    Raises:
        PublicationRefused: as ``prepare_publication`` says.
    """
    webchat = WebChat.objects.select_for_update().get(pk=webchat.pk)
    publication = prepare_publication(webchat, texts=texts, based_on=based_on)
    version = ConsentVersion.objects.create(
        webchat=webchat,
        number=publication.number,
        published_at=timezone.now(),
        published_by=published_by,
    )
    ConsentText.objects.bulk_create(
        text_of(version, language, text) for language, text in publication.texts.items()
    )
    return version


def _require_texts(webchat: WebChat, texts: Mapping[str, DraftText]) -> None:
    names = dict(settings.LANGUAGES)
    for language in [*webchat.languages, *texts]:
        text = texts.get(language, DraftText("", ""))
        if not text.label or not text.body:
            message = _("Checkbox label or consent text is missing: %(language)s.")
            raise LanguageMissing(message % {"language": names[language]})
        if len(text.label) > MAX_LABEL or len(text.body) > MAX_BODY:
            message = _("Checkbox label or consent text is too long: %(language)s.")
            raise TextTooLong(message % {"language": names[language]})


def text_of(version: ConsentVersion, language: str, text: DraftText) -> ConsentText:
    """Return the text of a version in one language, not stored yet, with its document and digest."""
    document = render_document(
        webchat_name=version.webchat.name,
        number=version.number,
        language=language,
        label=text.label,
        body=text.body,
        stylesheet_url=f"{settings.STATIC_URL}webchat/consent.css",
    )
    return ConsentText(
        version=version,
        language=language,
        label=text.label,
        body=text.body,
        document=document,
        sha256=sha256_hex(document),
    )


def save_settings(webchat: WebChat, *, changes: Mapping[str, object], previewed: bool = False) -> set[str]:
    """Store settings of a WebChat, under its lock, and return the names of those that changed.

    A retention period that takes more sessions than the one that stands there is only stored when it was
    ``previewed``: shown in numbers and confirmed. The file of a replaced logo goes after the commit.

    Raises:
        TakesMore: it was not; nothing was stored.
        NothingPublished: the GDPR form is chosen but a language of the WebChat has no published text.
        StorageUnavailable: the logo can't be stored now; nothing was stored.
    """
    if changes.get("logo"):
        require_storage()
    return _save_settings(webchat, changes=changes, previewed=previewed)


@transaction.atomic
def _save_settings(webchat: WebChat, *, changes: Mapping[str, object], previewed: bool) -> set[str]:
    locked = WebChat.objects.select_for_update().get(pk=webchat.pk)
    old_days, old_logo = locked.retention_days, locked.logo.name
    changed = {name for name, value in changes.items() if getattr(locked, name) != value}
    for name, value in changes.items():
        setattr(locked, name, value)
    if not previewed and _takes_more(old_days, locked.retention_days):
        raise TakesMore
    if locked.uses_gdpr:
        _require_published(locked)
    with storing():
        # Writes a new logo's file now, apart from the statements of the database.
        WebChat._meta.get_field("logo").pre_save(locked, add=False)
    locked.save(update_fields=changed)
    if old_logo and old_logo != locked.logo.name:
        transaction.on_commit(lambda: delete_file(old_logo))
    return changed


def _takes_more(old: int | None, new: int | None) -> bool:
    """Say whether another retention period takes sessions that this one keeps: it is switched on, or shorter."""
    return new is not None and (old is None or new < old)


def archive(webchat: WebChat) -> None:
    """Close a WebChat for visitors. Its sessions and its published consent texts stay. Safe to repeat."""
    WebChat.objects.open().filter(pk=webchat.pk).update(archived_at=timezone.now())


def restore(webchat: WebChat) -> None:
    """Open an archived WebChat for visitors again. Safe to repeat."""
    WebChat.objects.filter(pk=webchat.pk).update(archived_at=None)


def _require_published(webchat: WebChat) -> None:
    version = webchat.current_version()
    if version is None:
        raise NothingPublished(
            _("The GDPR form can't be chosen yet: no consent text is published. Publish one below first.")
        )
    published = set(version.texts.values_list("language", flat=True))
    missing = [str(dict(settings.LANGUAGES)[code]) for code in webchat.languages if code not in published]
    if missing:
        raise NothingPublished(
            _("The GDPR form needs a published consent text in each language. Missing: %(languages)s.")
            % {"languages": ", ".join(missing)}
        )
