"""A WebChat (mluvii calls it a package) and its published consent texts."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
import uuid
from datetime import UTC
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from anonymization.ledger.chain import canonical

#: A hundred years. A longer period means never, and the calendar has an end.
MAX_RETENTION_DAYS = 36_500
#: Prefix that makes the hash of a change differ from any other hash of the same bytes.
_CHANGE = b"mluvii-gdpr/setting-change/1\0"


class EntryForm(models.TextChoices):
    """The kind of entry form that precedes a conversation."""

    #: A new WebChat has this value. Visitors are told that the chat is not open yet.
    NOT_CHOSEN = "not_chosen", _("Not chosen")
    NONE = "none", _("None")
    STANDARD = "standard", _("Standard")
    GDPR = "gdpr", _("GDPR")


class TextKind(models.TextChoices):
    """What a published text is for. Each kind has its own version numbers."""

    #: Shown at the GDPR form; visitors agree to it.
    CONSENT = "consent", _("Consent text")
    #: Shown at the forms Standard and None; visitors are informed by it (GDPR Art. 13).
    NOTICE = "notice", _("Privacy notice")


class OnWithdrawal(models.TextChoices):
    """The treatment of a session when the person withdraws their consent."""

    #: The default. A person must decide whether another lawful basis or a duty to keep something
    #: remains (GDPR Art. 17(1)(b), 17(3)), and an erasure cannot be undone.
    REVIEW = "review", _("Leave the decision to the data protection officer")
    ANONYMIZE = "anonymize", _("Anonymize the session immediately")


class SecondBasis(models.TextChoices):
    """The legal basis of the data that must be kept although the consent was withdrawn (Art. 6(1)).

    The consent is the first basis. A person must be told both (GDPR Art. 13(1)(c)).
    """

    NONE = "", _("None: everything is erased")
    CONTRACT = "b", _("Contract (Art. 6(1)(b))")
    OBLIGATION = "c", _("Legal obligation (Art. 6(1)(c))")
    CLAIMS = "f", _("Legal claims, a legitimate interest (Art. 6(1)(f))")


class ButtonPosition(models.TextChoices):
    """The position of the button on the pages of a site."""

    RIGHT = "right", _("Bottom right")
    LEFT = "left", _("Bottom left")


def new_public_id() -> str:
    """Return 96 random bits in URL-safe characters."""
    return secrets.token_urlsafe(12)


def default_languages() -> list[str]:
    return ["en"]


def validate_languages(codes: list[str]) -> None:
    """Refuse anything but a non-empty list of known language codes without duplicates.

    Raises:
        ValidationError: The list is empty, or a code is unknown or repeated.
    """
    known = dict(settings.LANGUAGES)
    if not codes or len(set(codes)) != len(codes) or any(code not in known for code in codes):
        raise ValidationError(_("Choose at least one of the offered languages."))


def validate_origins(text: str) -> None:
    """Refuse a line that is not an origin, for example ``https://www.example.com``.

    Raises:
        ValidationError: A line is not an origin.
    """
    for line in text.split():
        if not _origin_of(line):
            message = _(
                "“%(line)s” is not a valid address. Use, for example, https://www.example.com"
            )
            raise ValidationError(message, params={"line": line})


_ORIGIN = re.compile(
    r"(https?)://([^\s/:@\[\]]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?/?", re.IGNORECASE | re.ASCII
)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def _origin_of(line: str) -> str:
    """Return the origin in a line, as headers spell it (RFC 6454, in ASCII), or an empty string.

    Headers contain the origin between semicolons, commas and keywords. Therefore a host may contain
    only letters, digits, dots and hyphens.
    """
    match = _ORIGIN.fullmatch(line)
    if match is None or int((match[3] or ":0")[1:]) > 65535:
        return ""
    try:
        if match[2].startswith("["):
            host = f"[{ipaddress.IPv6Address(match[2][1:-1])}]"
        else:
            host = match[2].encode("idna").decode().lower()
    except ValueError:
        # The host is not an IPv6 address, or IDNA cannot encode its name.
        return ""
    if not host.startswith("[") and not _HOST.fullmatch(host):
        return ""
    scheme = match[1].lower()
    # A browser's origin has no default port, and the scripts compare the two as text.
    port = "" if match[3] == _DEFAULT_PORTS[scheme] else match[3] or ""
    return f"{scheme}://{host}{port}"


class WebChatQuerySet(models.QuerySet["WebChat"]):
    def unconfirmed(self) -> WebChatQuerySet:
        """Return the open WebChats that have the form *None* without anybody's confirmation."""
        without_form = Q(entry_form=EntryForm.NONE) | Q(showroom_form=EntryForm.NONE)
        return self.open().filter(without_form, none_confirmed_at=None)

    def open(self) -> WebChatQuerySet:
        """Return the WebChats that are not archived, so that visitors can reach them."""
        return self.filter(archived_at=None)


class WebChat(models.Model):
    """One chat on a customer's site: its look, its languages, its entry forms."""

    name = models.CharField(_("WebChat name"), max_length=100)
    public_id = models.CharField(
        _("public identifier"), max_length=32, unique=True, default=new_public_id, editable=False
    )
    site = models.TextField(
        _("allowed sites"),
        blank=True,
        validators=[validate_origins],
        help_text=_("One address per line, for example https://www.example.com."),
    )
    entry_form = models.CharField(
        _("entry form"), max_length=10, choices=EntryForm, default=EntryForm.NOT_CHOSEN
    )
    showroom_form = models.CharField(
        _("showroom entry form"), max_length=10, choices=EntryForm, default=EntryForm.NOT_CHOSEN
    )
    #: The time of the confirmation that visitors are connected without entering anything. NULL if
    #: nobody has confirmed it. Earlier releases chose the form *None* without asking.
    none_confirmed_at = models.DateTimeField(
        _("form “None” confirmed at"), null=True, blank=True, editable=False
    )
    languages = models.JSONField(
        _("languages"), default=default_languages, validators=[validate_languages]
    )
    default_language = models.CharField(
        _("default language"), max_length=5, choices=settings.LANGUAGES, default="en"
    )
    phone_region = models.CharField(
        _("default region for phones"),
        max_length=2,
        default="CZ",
        validators=[RegexValidator(r"^[A-Z]{2}$", _("Two capital letters, for example CZ."))],
        help_text=_("Numbers without a country code are treated as numbers of this country."),
    )
    colour = models.CharField(
        _("colour"),
        max_length=7,
        default="#1d5fa8",
        validators=[RegexValidator(r"^#[0-9a-fA-F]{6}$", _("A colour, for example #1d5fa8."))],
    )
    logo = models.ImageField(_("logo"), upload_to="logos/", blank=True)
    #: Button texts by language. For a missing language the product's own text is used.
    chat_button = models.JSONField(_("button text"), default=dict, blank=True)
    showroom_button = models.JSONField(_("showroom button text"), default=dict, blank=True)
    button_position = models.CharField(
        _("button position"), max_length=5, choices=ButtonPosition, default=ButtonPosition.RIGHT
    )
    #: The time without a life sign of the visitor's browser after which a conversation is ended.
    abandon_minutes = models.PositiveSmallIntegerField(
        _("end abandoned conversations after (minutes)"),
        default=30,
        # During a migration, servers of the previous release still add WebChats.
        db_default=30,
        validators=[MinValueValidator(5), MaxValueValidator(1440)],
    )
    retention_days = models.PositiveIntegerField(_("retention in days"), null=True, blank=True)
    on_withdrawal = models.CharField(
        _("on withdrawal of consent"),
        max_length=10,
        choices=OnWithdrawal,
        default=OnWithdrawal.REVIEW,
        # During a migration, servers of the previous release still add WebChats.
        db_default=OnWithdrawal.REVIEW,
    )
    second_basis = models.CharField(
        _("legal basis of what must be kept"),
        max_length=1,
        choices=SecondBasis,
        blank=True,
        default=SecondBasis.NONE,
        db_default=SecondBasis.NONE,
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    archived_at = models.DateTimeField(_("archived at"), null=True, blank=True)

    objects = WebChatQuerySet.as_manager()

    class Meta:
        verbose_name = "WebChat"
        verbose_name_plural = _("WebChats")
        ordering = ("name", "pk")
        default_permissions = ()
        permissions = (
            ("see_settings", "Can see settings"),
            ("manage_settings", "Can manage settings"),
            ("publish_consent", "Can publish consent texts"),
        )

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("webchat", args=[self.pk])

    @property
    def origins(self) -> list[str]:
        """Return the origins of the allowed sites, as headers spell them."""
        return [origin for line in self.site.split() if (origin := _origin_of(line))]

    @property
    def first_language(self) -> str:
        """Return the language for visitors who ask for no offered language."""
        return (
            self.default_language if self.default_language in self.languages else self.languages[0]
        )

    def current_version(self, kind: str = TextKind.CONSENT) -> ConsentVersion | None:
        """Return the newest published version, or None if nothing was published.

        The newest version may be retired.
        """
        versions = self.consent_versions.filter(kind=kind).select_related("retirement")
        return versions.order_by("-number").first()

    def current_text(self, language: str, kind: str = TextKind.CONSENT) -> ConsentText | None:
        """Return the newest version's text in a language, if the version is not retired.

        Without such a text (None), nobody can consent in this language.
        """
        version = self.current_version(kind)
        return version.usable_text(language) if version else None

    @property
    def forms(self) -> tuple[str, str]:
        """Return the entry forms of the chat and of the showroom."""
        return self.entry_form, self.showroom_form

    @property
    def is_closed(self) -> bool:
        """Return whether no entry form was chosen yet, so that visitors cannot enter anywhere."""
        return set(self.forms) == {EntryForm.NOT_CHOSEN}

    @property
    def uses_gdpr(self) -> bool:
        return EntryForm.GDPR in self.forms

    @property
    def uses_notice(self) -> bool:
        """Return whether a form shows the privacy notice, because it does not ask for consent."""
        return bool({EntryForm.STANDARD, EntryForm.NONE} & set(self.forms))

    @property
    def is_unconfirmed(self) -> bool:
        """Return whether a form is *None* and nobody has confirmed that."""
        return EntryForm.NONE in self.forms and self.none_confirmed_at is None


class ConsentVersion(models.Model):
    """One publication of a WebChat's consent texts. Append-only, which the database enforces."""

    webchat = models.ForeignKey(
        WebChat, models.PROTECT, related_name="consent_versions", verbose_name="WebChat"
    )
    kind = models.CharField(
        _("kind of text"),
        max_length=10,
        choices=TextKind,
        default=TextKind.CONSENT,
        db_default=TextKind.CONSENT,
    )
    number = models.PositiveIntegerField(_("number"))
    published_at = models.DateTimeField(_("published at"))
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("published by"),
    )
    #: The values that filled the slots of the texts, by slot. NULL if no text had a slot. A later
    #: change of such a value makes the version outdated.
    filled_from = models.JSONField(_("filled from"), null=True, editable=False)

    class Meta:
        verbose_name = _("consent version")
        verbose_name_plural = _("consent versions")
        ordering = ("-number",)
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(
                fields=("webchat", "kind", "number"), name="consent_version_number"
            ),
        )

    def __str__(self) -> str:
        return f"v{self.number}"

    def get_absolute_url(self) -> str:
        return reverse(f"{self.kind}_version", args=[self.webchat_id, self.number])

    @property
    def retire_url(self) -> str:
        return reverse(f"{self.kind}_retire", args=[self.webchat_id, self.number])

    @property
    def is_retired(self) -> bool:
        return hasattr(self, "retirement")

    def usable_text(self, language: str) -> ConsentText | None:
        """Return the text in a language, or None if it is missing or the version is retired."""
        return None if self.is_retired else self.texts.filter(language=language).first()

    @property
    def texts_in_order(self) -> list[ConsentText]:
        """Return the texts in the order of the settings, which every page uses."""
        order = {code: position for position, (code, _name) in enumerate(settings.LANGUAGES)}
        return sorted(self.texts.all(), key=lambda text: order.get(text.language, len(order)))


class ConsentText(models.Model):
    """The text of a version in one language. Append-only, which the database enforces.

    ``document`` is the complete page that is served at the text's permanent URL. ``sha256`` is the
    hash of exactly these bytes in UTF-8.
    """

    version = models.ForeignKey(
        ConsentVersion, models.PROTECT, related_name="texts", verbose_name=_("version")
    )
    language = models.CharField(_("language"), max_length=5, choices=settings.LANGUAGES)
    label = models.CharField(_("checkbox label"), max_length=300)
    body = models.TextField(_("consent text"))
    #: Label and body as they were written, with slots. Empty if they have no slot. The next version
    #: is edited from them.
    written_label = models.CharField(
        _("checkbox label as written"), max_length=300, blank=True, default="", db_default=""
    )
    written_body = models.TextField(
        _("consent text as written"), blank=True, default="", db_default=""
    )
    document = models.TextField(_("served document"))
    sha256 = models.CharField("SHA-256", max_length=64)

    class Meta:
        verbose_name = _("consent text")
        verbose_name_plural = _("consent texts")
        ordering = ("version", "language")
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("version", "language"), name="consent_text_language"),
        )

    def __str__(self) -> str:
        return f"{self.version} {self.language}"

    def get_absolute_url(self) -> str:
        """Return the permanent public URL of exactly this text."""
        version = self.version
        return reverse(
            f"{version.kind}_document",
            args=[version.webchat.public_id, version.number, self.language],
        )


class Retirement(models.Model):
    """The retirement of a faulty version: from then on, nobody can consent to it.

    Append-only, which the database enforces. The version itself and its texts remain.
    """

    version = models.OneToOneField(
        ConsentVersion, models.PROTECT, related_name="retirement", verbose_name=_("version")
    )
    reason = models.CharField(_("reason"), max_length=500)
    retired_at = models.DateTimeField(_("retired at"), default=timezone.now)
    retired_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("retired by"),
    )

    class Meta:
        verbose_name = _("retirement of a version")
        verbose_name_plural = _("retirements of versions")
        default_permissions = ()

    def __str__(self) -> str:
        return f"Retirement {self.pk}"


class DataController(models.Model):
    """The company behind the chat (GDPR Art. 4(7)) and its statements about personal data: one row.

    Until staff members save it for the first time, the environment variables give the values.
    """

    #: The key of the one row.
    KEY = 1

    name = models.CharField(_("data controller"), max_length=200, blank=True)
    address = models.CharField(_("address of the data controller"), max_length=300, blank=True)
    contact = models.CharField(
        _("contact for data protection"),
        max_length=200,
        blank=True,
        help_text=_("An e-mail address or a web page for requests about personal data."),
    )
    officer = models.CharField(
        _("data protection officer"),
        max_length=300,
        blank=True,
        help_text=_("Name or function, and contact. Leave empty if you have none."),
    )
    recipients = models.CharField(
        _("recipients"),
        max_length=1000,
        blank=True,
        help_text=_(
            "Processors by name, for example for hosting and mail. Outside the EEA, also the "
            "country and the safeguard (GDPR Art. 13(1)(f))."
        ),
    )
    storage_location = models.CharField(
        _("storage location"),
        max_length=300,
        blank=True,
        help_text=_("Where the data is stored, for example Czechia (EU)."),
    )
    authority = models.CharField(
        _("supervisory authority"),
        max_length=300,
        blank=True,
        help_text=_("The authority that receives complaints about you."),
    )
    agreement_contact = models.CharField(
        _("contact for the data processing agreement"), max_length=200, blank=True
    )
    agreement_with = models.CharField(
        _("other party of the data processing agreement"), max_length=200, blank=True
    )
    agreement_signed_on = models.DateField(
        _("data processing agreement signed on"), null=True, blank=True
    )

    class Meta:
        verbose_name = _("GDPR data of the company")
        verbose_name_plural = _("GDPR data of the company")
        default_permissions = ()
        permissions = (("edit_gdpr_data", "Can edit the GDPR data of the company"),)

    def __str__(self) -> str:
        return f"Data controller {self.pk}"

    @classmethod
    def current(cls) -> DataController:
        """Return the stored row, or an unsaved one with the values of the environment."""
        return cls.objects.filter(pk=cls.KEY).first() or cls(pk=cls.KEY, **cls.initial_values())

    @staticmethod
    def initial_values() -> dict[str, Any]:
        """Return the values of the environment variables by field."""
        return {
            "name": settings.CONTROLLER_NAME,
            "address": settings.CONTROLLER_ADDRESS,
            "contact": settings.CONTROLLER_CONTACT,
            "agreement_contact": settings.DPA_CONTACT,
            "agreement_with": settings.DPA_COUNTERPARTY,
            "agreement_signed_on": settings.DPA_SIGNED_ON,
        }

    @property
    def is_named(self) -> bool:
        """Return whether visitors are told who the controller is and how to contact it."""
        return bool(self.name and self.contact)

    @property
    def name_and_address(self) -> str:
        return ", ".join(filter(None, (self.name, self.address))) if self.name else ""


class SettingChange(models.Model):
    """A change of one setting: the values before and after, the time, and the staff member.

    Append-only, which the database enforces. The erasure ledger contains ``digest`` as a note, so
    that a changed, removed or added row is found by ``verify_ledger``.
    """

    uid = models.UUIDField(_("random identifier"), unique=True, default=uuid.uuid4, editable=False)
    #: None for a setting of the whole installation.
    webchat = models.ForeignKey(
        WebChat,
        models.PROTECT,
        null=True,
        related_name="setting_changes",
        verbose_name="WebChat",
        db_index=False,
    )
    field = models.CharField(_("setting"), max_length=50)
    before = models.JSONField(_("value before"), null=True)
    after = models.JSONField(_("value after"), null=True)
    changed_at = models.DateTimeField(_("changed at"), default=timezone.now)
    #: None for a command.
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("changed by"),
        db_index=False,
    )

    class Meta:
        verbose_name = _("change of a setting")
        verbose_name_plural = _("changes of settings")
        ordering = ("-pk",)
        default_permissions = ()
        indexes = (models.Index(fields=("webchat", "-id"), name="setting_change_newest"),)

    def __str__(self) -> str:
        return f"Setting change {self.pk}"

    @property
    def digest(self) -> str:
        """Return SHA-256 over all fields as canonical JSON, as docs/ledger.md describes it."""
        facts = {
            "uid": self.uid.hex,
            "webchat": self.webchat_id,
            "field": self.field,
            "before": self.before,
            "after": self.after,
            "changed_at": self.changed_at.astimezone(UTC).isoformat(timespec="microseconds"),
            "changed_by": self.changed_by_id,
        }
        return hashlib.sha256(_CHANGE + canonical(facts)).hexdigest()
