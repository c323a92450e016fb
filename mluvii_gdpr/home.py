"""Collect the figures of the home page: open conversations, recent events and pending work."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, PermissionsMixin
from django.db.models import Count
from django.utils import timezone

from anonymization import runs
from anonymization.ledger import recording
from anonymization.ledger.chain import Head
from anonymization.models import Erasure, FileDeletion
from api.models import ApiClient
from lib.days import start_of_day
from sessions_app.models import Session, SessionQuerySet, Status
from webchat.models import ConsentText, TextKind, WebChat

_OPEN_SHOWN = 10


@dataclass(frozen=True)
class SessionFigures:
    """Open conversations and the sessions of today."""

    waiting: int
    active: int
    today: int
    day: date
    oldest: list[Session]

    @property
    def open(self) -> int:
        return self.waiting + self.active

    @property
    def more(self) -> int:
        return self.open - len(self.oldest)


@dataclass(frozen=True)
class ErasureFigures:
    """Erasures of this month, stored files to be deleted, and the latest ledger hash."""

    this_month: int
    pending_files: int
    head: Head


@dataclass(frozen=True)
class WebChatFigures:
    """WebChats that visitors can reach, and those among them that reject all visitors."""

    total: int
    #: WebChats whose form shows a text that is retired or not published in every language.
    closed: list[WebChat] = field(default_factory=list)
    #: WebChats that connect visitors without a form, which nobody has confirmed.
    unconfirmed: list[WebChat] = field(default_factory=list)
    #: WebChats that ask for no consent and inform nobody by a privacy notice.
    without_notice: list[WebChat] = field(default_factory=list)


@dataclass(frozen=True)
class Figures:
    """The figures of the home page. A part is None or empty if the user may not see it."""

    sessions: SessionFigures | None = None
    erasures: ErasureFigures | None = None
    webchats: WebChatFigures | None = None
    #: The number of sessions whose consent was withdrawn and that are not anonymized yet.
    withdrawals: int = 0
    #: The jobs that cron starts, for those who see or manage settings.
    jobs: list[runs.State] = field(default_factory=list)
    #: API clients that reached their limit, until an administrator has seen it.
    stopped_clients: list[ApiClient] = field(default_factory=list)


def figures_for(user: AbstractBaseUser | AnonymousUser) -> Figures:
    """Return the figures that the staff member may see, in at most fifteen queries."""
    may = user.has_perm if isinstance(user, PermissionsMixin) else lambda name: False
    settings = any(
        may(f"webchat.{name}") for name in ("see_settings", "manage_settings", "publish_consent")
    )
    return Figures(
        sessions=_sessions() if may("sessions_app.see_sessions") else None,
        erasures=_erasures() if may("anonymization.see_erasures") else None,
        webchats=_webchats() if settings else None,
        withdrawals=Session.objects.count_withdrawn()
        if may("sessions_app.anonymize_session")
        else 0,
        jobs=runs.states() if settings or may("webchat.see_settings") else [],
        stopped_clients=_stopped_clients() if may("api.manage_api_clients") else [],
    )


def _stopped_clients() -> list[ApiClient]:
    return list(
        ApiClient.objects.filter(limits_reached__seen_at=None, limits_reached__isnull=False)
    )


def _sessions() -> SessionFigures:
    open_ones = Session.objects.filter(status__in=[Status.WAITING, Status.ACTIVE])
    counts = dict(open_ones.order_by().values_list("status").annotate(Count("pk")))
    today = timezone.localdate()
    return SessionFigures(
        waiting=counts.get(Status.WAITING, 0),
        active=counts.get(Status.ACTIVE, 0),
        today=Session.objects.filter(created_at__gte=start_of_day(today)).count(),
        day=today,
        oldest=_longest_waiting(open_ones),
    )


def _longest_waiting(open_ones: SessionQuerySet) -> list[Session]:
    """Return the oldest open conversations, those waiting for an operator first."""
    return list(open_ones.select_related("webchat", "operator").waiting_first()[:_OPEN_SHOWN])


def _erasures() -> ErasureFigures:
    first = timezone.localdate().replace(day=1)
    return ErasureFigures(
        this_month=Erasure.objects.of_people().filter(day__gte=first).count(),
        # A row without an erasure is an upload that has not ended.
        pending_files=FileDeletion.objects.exclude(erasure=None).count(),
        head=recording.head(),
    )


def _webchats() -> WebChatFigures:
    webchats = list(WebChat.objects.open())
    usable = _usable_languages(webchats)
    closed, without_notice = [], []
    for webchat in webchats:
        offered = set(webchat.languages)
        consent = usable.get((webchat.pk, TextKind.CONSENT), set())
        notice = usable.get((webchat.pk, TextKind.NOTICE))
        if webchat.uses_notice and notice is None:
            without_notice.append(webchat)
        if (webchat.uses_gdpr and not offered <= consent) or (
            webchat.uses_notice and notice is not None and not offered <= notice
        ):
            closed.append(webchat)
    return WebChatFigures(
        total=len(webchats),
        closed=closed,
        unconfirmed=[webchat for webchat in webchats if webchat.is_unconfirmed],
        without_notice=without_notice,
    )


def _usable_languages(webchats: list[WebChat]) -> dict[tuple[int, str], set[str]]:
    """Return the languages of each newest version by WebChat and kind; of a retired one, none."""
    found: dict[tuple[int, str], tuple[int, set[str]]] = {}
    texts = ConsentText.objects.filter(version__webchat__in=webchats).order_by("version__number")
    for webchat, kind, number, language, retirement in texts.values_list(
        "version__webchat",
        "version__kind",
        "version__number",
        "language",
        "version__retirement",
    ):
        newest, languages = found.get((webchat, kind), (0, set()))
        languages = set() if number > newest else languages
        found[webchat, kind] = number, languages if retirement else languages | {language}
    return {key: languages for key, (_number, languages) in found.items()}
