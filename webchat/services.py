"""Publish consent texts and change the settings of a WebChat."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from anonymization.files import delete_file
from anonymization.ledger.recording import erasing
from anonymization.storage import require_storage, storing
from webchat import slots
from webchat.consent_html import (
    MAX_BODY,
    MAX_LABEL,
    DraftText,
    render_document,
    sanitise,
    sha256_hex,
)
from webchat.models import (
    ConsentText,
    ConsentVersion,
    DataController,
    EntryForm,
    Retirement,
    TextKind,
    WebChat,
)
from webchat.setting_changes import (
    PUBLISHED,
    RETIRED,
    differences,
    record_setting_changes,
    recorded_values,
)


class PublicationRefused(Exception):
    """Nothing was published. The message can be shown to the administrator."""


class NothingChanged(PublicationRefused):
    """After sanitizing, every text equals the published one."""


class LanguageMissing(PublicationRefused):
    """A language that is offered or to be published has no label or no text."""


class TextTooLong(PublicationRefused):
    """A label or a body is longer than allowed."""


class SlotOpen(PublicationRefused):
    """A slot such as ``{contact}`` has no value in the settings, or does not exist."""


class TextsDiffer(PublicationRefused):
    """The texts differ from those that were shown for the review, because a setting changed."""


class NewerVersionExists(PublicationRefused):
    """A version was published after the administrator started. ``version`` is the current one."""

    def __init__(self, version: ConsentVersion) -> None:
        super().__init__(
            _("Version %(number)d was published in the meantime.") % {"number": version.number}
        )
        self.version = version


class NothingPublished(Exception):
    """The GDPR form requires a published text in every language of the WebChat.

    The message says what is missing.
    """


class TakesMore(Exception):
    """The new retention period anonymizes more sessions than the stored one, without a preview."""


class NoneNotConfirmed(Exception):
    """The form *None* was chosen without a confirmation. Nothing was stored."""


@dataclass(frozen=True)
class Publication:
    """A publication that is not stored yet.

    ``rows`` are the unsaved texts, with exactly the documents that would be served. ``filled_from``
    are the values that filled their slots.
    """

    version: ConsentVersion
    rows: list[ConsentText]
    current: ConsentVersion | None

    @property
    def number(self) -> int:
        return self.version.number

    @property
    def texts(self) -> dict[str, DraftText]:
        """Return the texts by language, with filled slots."""
        return {row.language: DraftText(row.label, row.body) for row in self.rows}

    def store(self, *, published_at: datetime, published_by: User | None) -> ConsentVersion:
        """Insert the version and its texts."""
        self.version.published_at, self.version.published_by = published_at, published_by
        self.version.save(force_insert=True)
        for row in self.rows:
            row.version = self.version
        ConsentText.objects.bulk_create(self.rows)
        return self.version

    @property
    def digest(self) -> str:
        """Return a hash over all documents, by which a later publication is compared."""
        return hashlib.sha256(" ".join(row.sha256 for row in self.rows).encode()).hexdigest()


def clean_texts(texts: Mapping[str, DraftText]) -> dict[str, DraftText]:
    """Return the texts as they would be published: labels on one line, bodies sanitized."""
    return {
        language: DraftText(label=" ".join(text.label.split()), body=sanitise(text.body))
        for language, text in texts.items()
    }


def fill_texts(
    webchat: WebChat, texts: Mapping[str, DraftText], *, values: Mapping[str, Any] | None = None
) -> dict[str, DraftText]:
    """Return the texts with their slots filled from the settings of now. Open slots remain."""
    if values is None:
        values = slots.values_for(webchat, DataController.current())
    return {
        language: slots.fill(text, values, language=language) for language, text in texts.items()
    }


def texts_of(version: ConsentVersion | None) -> dict[str, DraftText]:
    """Return the published texts of a version by language. Without a version, return none."""
    texts = version.texts.all() if version else []
    return {text.language: DraftText(label=text.label, body=text.body) for text in texts}


def written_of(version: ConsentVersion | None) -> dict[str, DraftText]:
    """Return the texts of a version as they were written, with slots, by language."""
    texts = version.texts.all() if version else []
    return {
        text.language: DraftText(text.written_label or text.label, text.written_body or text.body)
        for text in texts
    }


def outdated_versions(webchats: Iterable[WebChat]) -> list[ConsentVersion]:
    """Return the current versions that were filled from settings which have changed since."""
    newest = {}
    versions = ConsentVersion.objects.filter(webchat__in=list(webchats)).order_by("number")
    for version in versions.select_related("webchat"):
        newest[version.webchat_id, version.kind] = version
    controller = DataController.current()
    return [version for version in newest.values() if _is_outdated(version, controller)]


def _is_outdated(version: ConsentVersion, controller: DataController) -> bool:
    now = slots.values_for(version.webchat, controller)
    return any(now.get(slot) != value for slot, value in (version.filled_from or {}).items())


def prepare_publication(
    webchat: WebChat,
    *,
    texts: Mapping[str, DraftText],
    based_on: int,
    kind: str = TextKind.CONSENT,
) -> Publication:
    """Return what would be published now, without storing anything.

    ``texts`` must contain every language of the WebChat. Texts in other languages are published
    too, so that a text can be ready before its language is offered.

    Raises:
        NewerVersionExists: Another version was published since ``based_on``.
        LanguageMissing: A language has no label or no text.
        TextTooLong: A label or a body is longer than allowed.
        SlotOpen: A slot has no value, or does not exist.
        NothingChanged: After sanitizing, all texts equal the current ones.
    """
    current = webchat.current_version(kind)
    if current is not None and current.number != based_on:
        raise NewerVersionExists(current)
    cleaned = clean_texts(
        {code: texts[code] for code, _name in settings.LANGUAGES if code in texts}
    )
    _require_texts(webchat, cleaned, kind)
    values = slots.values_for(webchat, DataController.current())
    filled = fill_texts(webchat, cleaned, values=values)
    _require_filled(filled)
    _require_texts(webchat, filled, kind)
    if current is not None and not current.is_retired and texts_of(current) == filled:
        message = _("Nothing was published: the texts are identical to version %(number)d.")
        raise NothingChanged(message % {"number": current.number})
    version = ConsentVersion(
        webchat=webchat,
        kind=kind,
        number=current.number + 1 if current else 1,
        filled_from=slots.used_values(cleaned.values(), values) or None,
    )
    rows = [
        text_of(version, language, text, written=cleaned[language])
        for language, text in filled.items()
    ]
    return Publication(version=version, rows=rows, current=current)


def publish_consent(
    webchat: WebChat,
    *,
    texts: Mapping[str, DraftText],
    based_on: int,
    published_by: User | None,
    shown: str = "",
    kind: str = TextKind.CONSENT,
) -> ConsentVersion:
    """Publish the texts as the next version, and record the change of the setting.

    Raises:
        NewerVersionExists: Another version was published since ``based_on``.
        LanguageMissing: A language has no label or no text.
        TextTooLong: A label or a body is longer than allowed.
        SlotOpen: A slot has no value, or does not exist.
        TextsDiffer: The texts differ from those that were ``shown`` (``Publication.digest``).
        NothingChanged: After sanitizing, all texts equal the current ones.
        NotRecorded: The erasure ledger cannot be written. Nothing was published.
    """
    with erasing():
        version = store_version(
            webchat,
            texts=texts,
            based_on=based_on,
            published_by=published_by,
            shown=shown,
            kind=kind,
        )
        numbers = (version.number - 1 or None, version.number)
        record_setting_changes(webchat, changes={PUBLISHED[kind]: numbers}, by=published_by)
        return version


@transaction.atomic
def store_version(
    webchat: WebChat,
    *,
    texts: Mapping[str, DraftText],
    based_on: int,
    published_by: User | None,
    shown: str = "",
    kind: str = TextKind.CONSENT,
) -> ConsentVersion:
    """Store the texts as the next version, each with the document that is served permanently.

    ``based_on`` is the version number that was current when the administrator started, or 0. The
    WebChat row is locked. Of two administrators who publish concurrently, the second one therefore
    gets the next number or an exception. The exceptions are those of ``publish_consent``.
    """
    webchat = WebChat.objects.select_for_update().get(pk=webchat.pk)
    publication = prepare_publication(webchat, texts=texts, based_on=based_on, kind=kind)
    if shown and shown != publication.digest:
        raise TextsDiffer(
            _("A setting has changed since you saw the texts. Please check them again.")
        )
    return publication.store(published_at=timezone.now(), published_by=published_by)


def retire_version(version: ConsentVersion, *, reason: str, by: User | None) -> bool:
    """Retire a version, so that nobody can consent to it, and return whether it was not before.

    The WebChat row is locked, so a concurrent submit either sees the retirement or is committed
    before it.

    Raises:
        NotRecorded: The erasure ledger cannot be written. Nothing was retired.
    """
    with erasing():
        webchat = WebChat.objects.select_for_update().get(pk=version.webchat_id)
        _retirement, is_new = Retirement.objects.get_or_create(
            version=version, defaults={"reason": reason, "retired_by": by}
        )
        if is_new:
            changes = {RETIRED[version.kind]: (None, version.number)}
            record_setting_changes(webchat, changes=changes, by=by)
        return is_new


def _require_texts(webchat: WebChat, texts: Mapping[str, DraftText], kind: str) -> None:
    names = dict(settings.LANGUAGES)
    for language in [*webchat.languages, *texts]:
        text = texts.get(language, DraftText("", ""))
        if not text.body or (kind == TextKind.CONSENT and not text.label):
            message = _("Checkbox label or consent text is missing: %(language)s.")
            raise LanguageMissing(message % {"language": names[language]})
        if len(text.label) > MAX_LABEL or len(text.body) > MAX_BODY:
            message = _("Checkbox label or consent text is too long: %(language)s.")
            raise TextTooLong(message % {"language": names[language]})


def _require_filled(texts: Mapping[str, DraftText]) -> None:
    names = dict(settings.LANGUAGES)
    for language, text in texts.items():
        if open_slots := slots.slots_in(text):
            message = _("These slots have no value yet: %(slots)s (%(language)s).")
            listed = ", ".join(f"{{{slot}}}" for slot in open_slots)
            raise SlotOpen(message % {"slots": listed, "language": names[language]})


def text_of(
    version: ConsentVersion, language: str, text: DraftText, *, written: DraftText | None = None
) -> ConsentText:
    """Return an unsaved text of a version in one language, with its document and hash.

    ``written`` is the text before its slots were filled. It is stored if it differs.
    """
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
        written_label=written.label if written and written != text else "",
        written_body=written.body if written and written != text else "",
        document=document,
        sha256=sha256_hex(document),
    )


def save_settings(
    webchat: WebChat,
    *,
    changes: Mapping[str, object],
    by: User | None,
    previewed: bool = False,
    none_confirmed: bool = False,
) -> set[str]:
    """Store settings of a WebChat under its lock and return the names of the changed ones.

    Changes of settings that decide about personal data are recorded with ``by``, the staff member.
    A retention period that anonymizes more sessions than the stored one is refused, unless it was
    ``previewed``: shown with numbers and confirmed. The form *None* connects visitors without
    consent, so choosing it needs ``none_confirmed``. The time of this confirmation is stored. The
    replaced logo file is deleted after the commit.

    Raises:
        NotRecorded: The change cannot be recorded. Nothing was stored.
        TakesMore: The retention period was not previewed. Nothing was stored.
        NoneNotConfirmed: The form *None* was chosen for a channel and not confirmed. Nothing was
            stored.
        NothingPublished: The GDPR form is chosen, but a language of the WebChat has no published
            text. Nothing was stored.
        StorageUnavailable: The logo cannot be stored now. Nothing was stored.
    """
    if changes.get("logo"):
        require_storage()
    with erasing():
        locked = WebChat.objects.select_for_update().get(pk=webchat.pk)
        before = recorded_values(locked)
        changed = _save_settings(
            locked, changes=changes, previewed=previewed, none_confirmed=none_confirmed
        )
        after = recorded_values(locked)
        record_setting_changes(locked, changes=differences(before, after), by=by)
        return changed


def _save_settings(
    locked: WebChat, *, changes: Mapping[str, object], previewed: bool, none_confirmed: bool
) -> set[str]:
    old_days, old_logo = locked.retention_days, locked.logo.name
    old_confirmation = locked.none_confirmed_at
    changed = {name for name, value in changes.items() if getattr(locked, name) != value}
    for name, value in changes.items():
        setattr(locked, name, value)
    if not previewed and _takes_more(old_days, locked.retention_days):
        raise TakesMore
    _confirm_none(locked, changed, confirmed=none_confirmed)
    if locked.none_confirmed_at != old_confirmation:
        changed.add("none_confirmed_at")
    if changed & {"entry_form", "showroom_form", "languages"}:
        _require_published(locked)
    with storing():
        # A new logo's file is written here and not by save(), so that storing() covers only the
        # file storage and not the SQL statements.
        WebChat._meta.get_field("logo").pre_save(locked, add=False)
    locked.save(update_fields=changed)
    if old_logo and old_logo != locked.logo.name:
        transaction.on_commit(lambda: delete_file(old_logo))
    return changed


def _confirm_none(webchat: WebChat, changed: set[str], *, confirmed: bool) -> None:
    """Set the time of the confirmation, or remove it if no form is *None* any longer.

    Raises:
        NoneNotConfirmed: A changed menu is *None*, and this was not confirmed.
    """
    if EntryForm.NONE not in webchat.forms:
        webchat.none_confirmed_at = None
    elif confirmed:
        webchat.none_confirmed_at = timezone.now()
    elif any(
        getattr(webchat, name) == EntryForm.NONE
        for name in changed & {"entry_form", "showroom_form"}
    ):
        raise NoneNotConfirmed


def _takes_more(old: int | None, new: int | None) -> bool:
    """Return whether the new retention period anonymizes sessions that the old one keeps.

    This is so if retention is switched on or the period is shorter.
    """
    return new is not None and (old is None or new < old)


def archive(webchat: WebChat) -> None:
    """Archive a WebChat, so that visitors cannot reach it. Safe to repeat.

    Its sessions and published consent texts are kept.
    """
    WebChat.objects.open().filter(pk=webchat.pk).update(archived_at=timezone.now())


def restore(webchat: WebChat) -> None:
    """Restore an archived WebChat, so that visitors can reach it again. Safe to repeat."""
    WebChat.objects.filter(pk=webchat.pk).update(archived_at=None)


def missing_texts(webchat: WebChat, kind: str) -> str:
    """Return why a form that shows this kind of text cannot be offered, or an empty string."""
    version = webchat.current_version(kind)
    if version is None:
        return (
            _(
                "The GDPR form can't be chosen yet: no consent text is published. Publish one below first."
            )
            if kind == TextKind.CONSENT
            else _("No privacy notice is published. Publish it first, on the page Privacy notice.")
        )
    if version.is_retired:
        return _("Version %(number)d is retired. Publish the next one first.") % {
            "number": version.number
        }
    published = set(version.texts.values_list("language", flat=True))
    missing = [
        str(dict(settings.LANGUAGES)[code]) for code in webchat.languages if code not in published
    ]
    if not missing:
        return ""
    message = (
        _("The GDPR form needs a published consent text in each language. Missing: %(languages)s.")
        if kind == TextKind.CONSENT
        else _("The privacy notice is not published in each language. Missing: %(languages)s.")
    )
    return message % {"languages": ", ".join(missing)}


def _require_published(webchat: WebChat) -> None:
    """Require the texts that the WebChat's forms show, in each of its languages.

    A WebChat that never had a privacy notice works without one: earlier releases had none.
    """
    kinds = {TextKind.CONSENT} if webchat.uses_gdpr else set()
    if webchat.uses_notice and webchat.current_version(TextKind.NOTICE):
        kinds.add(TextKind.NOTICE)
    for kind in kinds:
        if reason := missing_texts(webchat, kind):
            raise NothingPublished(reason)
