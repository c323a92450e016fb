"""The page of one session, with its conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from anonymization.held import holds_on
from lib.pages import staff_of
from sessions_app.calls import has_call, newest_signal
from sessions_app.conversation import is_left_alone
from sessions_app.forms import AttachmentForm, MessageForm
from sessions_app.gate import Entry
from sessions_app.http import file_response, let_use_devices, stream_address
from sessions_app.masking import MANAGE_HOLDS, Reader, may_see_people
from sessions_app.models import Session
from sessions_app.staff.columns import duration_of
from sessions_app.staff.forms import NoteForm
from sessions_app.staff.pages import SEE_PEOPLE, session_page
from sessions_app.staff.same_values import same_values
from sessions_app.streams import Cursor
from sessions_app.transcript import transcript_of

#: One of these permissions opens the page of a consent version.
_SEE_VERSIONS = ("webchat.see_settings", "webchat.manage_settings", "webchat.publish_consent")
#: The HTTP status that tells htmx to stop polling.
STOP_POLLING = 286


def conversation_state(session: Session, *, sees_people: bool) -> str:
    """Return a text that changes whenever the transcript would look different."""
    hidden = "" if sees_people else "hidden"
    counts = (session.messages_visitor, session.messages_operator, session.attachments_count)
    return "-".join(
        map(str, (session.status, *counts, hidden, "gone" if session.anonymized_in else ""))
    )


@session_page("sessions_app.see_sessions")
@require_safe
def session_detail(request: HttpRequest, session: Session) -> HttpResponse:
    """Show everything about one session that the staff member may see."""
    return show_session(request, session)


def show_session(
    request: HttpRequest, session: Session, *, status: int = 200, **forms: Any
) -> HttpResponse:
    """Render the page. ``forms`` replace the empty forms, with errors or unsaved input."""
    reader = Reader.of(request.user)
    hidden = reader.why_hidden(session)
    sees_people = not hidden
    may = _rights(staff_of(request), session, sees_people=sees_people)
    lines = transcript_of(session) if sees_people and not session.anonymized_in else []
    newest = newest_signal(session)
    context = {
        "session": session,
        "sees_people": sees_people,
        "hidden": hidden,
        "same_values": same_values(session.guest, reader) if sees_people else [],
        "holds": holds_on(session) if session.is_held else [],
        "may": may,
        "lines": lines,
        "stream": stream_address(request, f"session/{session.pk}/"),
        "cursor": Cursor.of(session, lines, newest),
        "newest_signal": newest,
        "state": conversation_state(session, sees_people=sees_people),
        **facts(session, sees_people=sees_people),
        "consents": session.consent_events.select_related(
            "text__version__webchat", "text__version__retirement"
        ),
        "message_form": MessageForm(auto_id="message_%s"),
        "attachment_form": AttachmentForm(auto_id="attachment_%s"),
        "note_form": NoteForm(
            initial={"note": session.note, "result": session.result}, auto_id="note_%s"
        ),
        "refused": status == 409,
    }
    page = render(request, "sessions_app/staff/session_detail.html", context | forms, status=status)
    if may["call"]:
        let_use_devices(page)
    return page


def _rights(staff: User, session: Session, *, sees_people: bool) -> dict[str, bool]:
    """Return which actions are permitted to this staff member and possible now."""
    has_perm = staff.has_perm
    answers = has_perm("sessions_app.answer") and may_see_people(staff)
    anyones = session.operator_id in (None, staff.pk)
    anonymized = session.anonymized_in is not None
    return {
        "answer": answers and session.is_open and anyones,
        "accept": answers and session.is_open and session.operator_id is None,
        "take_over": answers and session.is_open and not anyones and is_left_alone(session),
        "release": answers and session.is_open and session.operator_id == staff.pk,
        "call": answers and has_call(session) and session.operator_id == staff.pk,
        "end": answers and session.is_open,
        "note": answers and sees_people and not anonymized and session.withdrawn_at is None,
        "record_withdrawal": has_perm("sessions_app.record_withdrawal")
        and sees_people
        and not anonymized
        and session.withdrawn_at is None,
        "anonymize_session": has_perm("sessions_app.anonymize_session") and not anonymized,
        "anonymize_guest": has_perm("sessions_app.anonymize_guest")
        and session.guest_id is not None,
        "hold": has_perm(MANAGE_HOLDS) and not anonymized,
        "see_versions": any(map(has_perm, _SEE_VERSIONS)),
    }


def facts(session: Session, *, sees_people: bool) -> dict[str, Any]:
    """Return the facts that the page shows next to the conversation."""
    return {
        "general": list(general_facts(session)),
        "personal": [] if session.anonymized_in else list(personal_facts(session)),
        "parameters": sorted(session.params.items()) if sees_people else [],
    }


def general_facts(session: Session) -> Iterator[tuple[str | Promise, Any]]:
    """Yield label and value of each fact that does not identify the person."""
    yield "WebChat", session.webchat.name
    yield _("Channel"), session.get_channel_display()
    yield _("Language"), session.get_language_display()
    yield _("Started"), session.started
    yield _("Taken"), session.accepted_at
    yield _("Ended"), session.ended
    if session.expires_on and not session.is_held:
        yield _("Will be anonymized on"), session.expires_on
    if session.withdrawn_at:
        yield _("Consent withdrawn"), session.withdrawn_at
    if session.ended_by:
        abandoned = _("System (conversation abandoned)") if session.is_abandoned else ""
        yield _("Ended by"), abandoned or session.get_ended_by_display()
    yield _("Waiting time"), duration_of(session, "waited")
    yield _("Duration"), duration_of(session, "duration")
    yield _("Operator"), session.operator.username if session.operator else ""
    yield _("Visitor messages"), session.messages_visitor
    yield _("Operator messages"), session.messages_operator
    yield _("Files"), session.attachments_count
    yield _("Stars"), session.feedback_stars


def personal_facts(session: Session) -> Iterator[tuple[str | Promise, str | None]]:
    """Yield label and value of each fact that identifies a person or was written by one."""
    labels = {field.name: field.verbose_name for field in Session._meta.concrete_fields}
    for column, value in Entry.of_session(session).columns.items():
        yield capfirst(labels[column]), value
    yield _("IP address"), session.ip_address
    yield _("Browser"), session.user_agent
    yield _("Landing page"), session.landing_page
    yield _("Referrer"), session.referrer
    yield _("Feedback"), session.feedback_text


@session_page(*SEE_PEOPLE)
@require_safe
def session_transcript(request: HttpRequest, session: Session) -> HttpResponse:
    """Return the parts of the page that change during a conversation.

    Returns 204 if nothing has changed, and 286 if the conversation is over. The facts are included
    with the transcript. After an erasure, a withdrawal or a hold, no name therefore remains on a
    page that is kept open because something was typed.
    """
    hidden = Reader.of(request.user).why_hidden(session)
    state = conversation_state(session, sees_people=not hidden)
    if request.GET.get("seen") == state and session.is_open:
        return HttpResponse(status=204)
    context = {
        "session": session,
        "state": state,
        "sees_people": not hidden,
        "hidden": hidden,
        "lines": [] if hidden or session.anonymized_in else transcript_of(session),
        **facts(session, sees_people=not hidden),
        "fetched": True,
    }
    status = 200 if session.is_open or not getattr(request, "htmx", False) else STOP_POLLING
    return render(request, "sessions_app/staff/transcript.html", context, status=status)


@session_page(*SEE_PEOPLE, content=True)
@require_safe
def session_file(request: HttpRequest, session: Session, file: int) -> HttpResponseBase:
    """Download a file of the conversation. It is never displayed in the browser."""
    stored = file_response(get_object_or_404(session.attachments, pk=file))
    template, context = "sessions_app/staff/file_missing.html", {"session": session}
    return stored or render(request, template, context, status=404)
