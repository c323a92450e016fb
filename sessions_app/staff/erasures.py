"""Confirm and run the erasure of a session, a guest, or several sessions of the table."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, cast

from django.contrib import messages
from django.db import DatabaseError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from anonymization import engine
from anonymization.ledger import recording
from anonymization.models import Erasure, Ground, Source
from anonymization.staff.erasures import ConfirmErasureView, line_of, shown_in, source_of
from anonymization.staff.grounds import GroundForm
from lib.pages import StaffPage
from sessions_app.chosen import ChoiceRefused, chosen_ids
from sessions_app.masking import Reader, hidden_guests
from sessions_app.models import Attachment, Guest, Message, Session
from sessions_app.staff.same_values import same_values
from sessions_app.staff.session_list import table_address

#: The rows that the erasure of each session would change, by session key and then by model label.
Expected = Mapping[int, Mapping[str, str]]
#: The number of a guest's sessions that the confirmation page lists.
_NAMED = 10

logger = logging.getLogger(__name__)


class ConfirmSessionErasureView(ConfirmErasureView):
    model = Session
    permission_required = "sessions_app.anonymize_session"
    template_name = "sessions_app/staff/erasures/session_confirm.html"

    def default_ground(self, subject: Session) -> Ground:
        return ground_for([subject])

    def get_context_data(self, subject: Model, preview: engine.Preview) -> dict[str, Any]:
        session, reader = cast(Session, subject), Reader.of(self.request.user)
        hidden = reader.why_hidden(session)
        return {
            "session": session,
            "hidden": hidden,
            "same_values": [] if hidden else same_values(session.guest, reader),
            "guest_goes_too": preview.counts.get(Guest._meta.label, 0),
        }


class ConfirmGuestErasureView(ConfirmErasureView):
    model = Guest
    permission_required = "sessions_app.anonymize_guest"
    template_name = "sessions_app/staff/erasures/guest_confirm.html"

    def get_context_data(self, subject: Model, preview: engine.Preview) -> dict[str, Any]:
        sessions = Session.objects.filter(guest=subject.pk).select_related("webchat")[:_NAMED]
        more = preview.counts.get(Session._meta.label, 0) - len(sessions)
        reader = Reader.of(self.request.user)
        return {
            "guest": subject,
            "sessions": sessions,
            "more": more,
            "sees_people": reader.sees_people,
            "same_values": same_values(cast(Guest, subject), reader),
            "hidden": hidden_guests(reader, [subject.pk]).get(subject.pk, ""),
        }


class ConfirmSessionsErasureView(StaffPage):
    """Anonymize several sessions, each with a separate erasure record, after a confirmation page.

    All of them have one ground. Returns 200 with the page, or 302 to the table. Returns 409 if the
    data has changed since the page was shown, and erases nothing more. Returns 422 if the selection
    or the ground is invalid, and 503 if the database failed; the page then says what was erased
    before.
    """

    http_method_names = ["post"]
    permission_required = "sessions_app.anonymize_session"

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            sessions = self._sessions()
        except ChoiceRefused as refused:
            return self._show([], refusal=str(refused), status=422)
        if held := [session.pk for session in sessions if session.is_held]:
            return self._show([], refusal=_held(held), status=409)
        if request.POST.get("confirm") != "yes":
            return self._show(sessions)
        form = GroundForm.sent(request.POST)
        if not form.is_valid():
            return self._show(sessions, form=form, status=422)
        expected = engine.preview_several(sessions).each
        if not self._is_as_shown(expected):
            refusal = _("The data to be erased has changed since you saw it. Nothing was erased.")
            return self._show(sessions, form=form, refusal=refusal, status=409)
        return self._erase(sessions, expected, form)

    def _sessions(self) -> list[Session]:
        keys = chosen_ids(self.request.POST.getlist("session"))
        sessions = (
            Session.objects.with_holds()
            .filter(pk__in=keys)
            .select_related("webchat", "guest")
            .order_by("pk")
        )
        if len(sessions) != len(keys):
            raise ChoiceRefused(
                _("One of the selected records does not exist. Nothing was changed.")
            )
        return list(sessions)

    def _is_as_shown(self, expected: Expected) -> bool:
        """Return whether the erasure of each session would change exactly what was shown.

        Sessions that have been anonymized since are ignored.
        """
        shown = shown_in(self.request.POST)
        return all(
            not takes or shown.get(str(pk)) == _in_one(takes) for pk, takes in expected.items()
        )

    def _erase(self, sessions: list[Session], expected: Expected, form: GroundForm) -> HttpResponse:
        door = source_of(self.request)
        requester = recording.Requester(door, self.staff, ground=form.chosen)
        records: list[Erasure] = []
        try:
            for session in sessions:
                record = engine.erase(
                    session, requester=requester, expected=expected[session.pk] or None
                )
                records += [record] if record else []
        except recording.ErasureRefused as refused:
            stopped = _stopped(refused, records)
            return self._show(self._sessions(), form=form, refusal=stopped, status=409)
        except DatabaseError:
            logger.exception(
                "erasures stopped after %d of %d sessions", len(records), len(sessions)
            )
            return self._show(self._sessions(), form=form, refusal=_failed(records), status=503)
        if records:
            messages.success(self.request, self._told(records))
        else:
            messages.info(self.request, _("This was already anonymized. Nothing was changed."))
        return redirect(self._back())

    def _told(self, records: list[Erasure]) -> str:
        """Return a summary of the erasures, with a link to their records if permitted."""
        told = summary_of(records)
        if not self.request.user.has_perm("anonymization.see_erasures"):
            return told
        newest_first = f"{reverse('erasures')}?before={records[-1].number + 1}"
        return format_html('{} <a href="{}">{}</a>', told, newest_first, _("Open the records"))

    def _back(self) -> str:
        if source_of(self.request) == Source.ADMIN:
            return reverse("admin:sessions_app_session_changelist")
        return table_address(self.request.POST.get("query", ""))

    def _show(
        self,
        sessions: list[Session],
        *,
        form: GroundForm | None = None,
        refusal: str = "",
        status: int = 200,
    ) -> HttpResponse:
        preview = engine.preview_several(sessions)
        reader = Reader.of(self.request.user)
        context = {
            "sessions": [(session, reader.why_hidden(session)) for session in sessions],
            "shown": [(pk, _in_one(takes)) for pk, takes in preview.each.items()],
            "form": form or GroundForm.asking(ground_for(sessions)),
            "refusal": refusal,
            "door": source_of(self.request),
            "query": self.request.POST.get("query", ""),
            "back": self._back(),
            "open": [session for session in sessions if session.is_open],
            "count": sum(map(bool, preview.each.values())),
            "lines": [line_of(policy, count) for policy, count in preview.lines if count],
        }
        return render(
            self.request,
            "sessions_app/staff/erasures/sessions_confirm.html",
            context,
            status=status,
        )


def ground_for(sessions: Iterable[Session]) -> Ground:
    """Return the ground that the menu proposes: a withdrawal, if each session waits for one."""
    withdrawn = [s.withdrawn_at is not None for s in sessions if s.anonymized_in is None]
    return Ground.WITHDRAWAL if withdrawn and all(withdrawn) else Ground.REQUEST


def summary_of(records: list[Erasure]) -> str:
    """Return a sentence that says what the erasures of several sessions removed."""
    counts: Counter[str] = Counter()
    for record in records:
        counts.update(record.counts)
    done = ngettext(
        "%(n)s session was anonymized.", "%(n)s sessions were anonymized.", len(records)
    )
    rest = {
        Guest: _("Guests anonymized with their last session: %(n)s."),
        Message: _("Messages deleted: %(n)s."),
        Attachment: _("Files deleted: %(n)s."),
    }
    others = [text % {"n": n} for model, text in rest.items() if (n := counts[model._meta.label])]
    return " ".join([done % {"n": len(records)}, *others])


def _in_one(takes: Mapping[str, str]) -> str:
    """Return the rows that the erasure of one session changes, as the value of one hidden field."""
    return " ".join(takes.values())


def _held(keys: list[int]) -> str:
    """Return which of the selected sessions can't be anonymized."""
    return _(
        "A legal hold rests on these sessions: %(ids)s. Nothing was anonymized. Select sessions "
        "without a hold."
    ) % {"ids": ", ".join(map(str, keys))}


def _stopped(refused: recording.ErasureRefused, records: list[Erasure]) -> str:
    """Return why the erasures stopped, and what was erased before."""
    if not records:
        return str(refused)
    if isinstance(refused, engine.Held):
        stopped = _("A legal hold rests on the next session. It and the ones after it are kept.")
        return f"{summary_of(records)} {stopped}"
    stopped = _(
        "One session has changed since you saw it. That session and the ones after it were not erased."
    )
    return f"{summary_of(records)} {stopped}"


def _failed(records: list[Erasure]) -> str:
    """Return that the database failed, and what was erased before."""
    if not records:
        return _("A database error occurred. Nothing was erased.")
    failed = _("Then a database error occurred. One session and the ones after it were not erased.")
    return f"{summary_of(records)} {failed}"
