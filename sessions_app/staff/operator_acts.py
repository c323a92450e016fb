"""The operator's actions in a conversation: take, return, answer, send a file, save a note, end.

Each action redirects to the session's page. It returns 409 if the conversation has ended, was
anonymized or was taken by another operator, 422 if a form is invalid, 429 if too much was sent
within a minute, and 503 if the file storage is unavailable. The text that was typed is kept on the page.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View

from anonymization.storage import StorageUnavailable
from lib.pages import staff_of
from sessions_app import conversation, limits, lock
from sessions_app.forms import BODY_OVERHEAD, AttachmentForm, MessageForm
from sessions_app.http import is_fetched, retry_after, too_often
from sessions_app.masking import Reader
from sessions_app.models import Party, Session
from sessions_app.staff.forms import NoteForm
from sessions_app.staff.pages import ANSWER_SESSIONS, session_page
from sessions_app.staff.session_detail import show_session


@method_decorator(session_page(*ANSWER_SESSIONS), name="dispatch")
class OperatorAct(View):
    """One action of an operator, by POST.

    Returns 403 if a legal hold hides the conversation from the operator.
    """

    http_method_names = ["post"]

    def dispatch(self, request: HttpRequest, session: Session, **kwargs: Any) -> HttpResponseBase:
        if session.is_held and not Reader.of(request.user).may_see(session):
            raise PermissionDenied
        return super().dispatch(request, session, **kwargs)

    def back(self, session: Session, message: str = "", *, place: str = "") -> HttpResponse:
        if is_fetched(self.request):
            return HttpResponse(status=204)
        if message:
            messages.success(self.request, message)
        return HttpResponseRedirect(session.get_absolute_url() + place)

    def refused(self, session: Session, reason: Exception, **forms: Any) -> HttpResponse:
        """Return 409 with the current page. The text that was typed is kept."""
        session.refresh_from_db()
        messages.error(self.request, str(reason))
        return show_session(self.request, session, status=409, **forms)


class AcceptSession(OperatorAct):
    """Take a waiting conversation. An answer already typed is not sent; the page (200) keeps it."""

    def post(self, request: HttpRequest, session: Session) -> HttpResponse:
        begun: dict[str, Any] = {}
        if request.POST.get("text", "").strip():
            begun["message_form"] = MessageForm(request.POST, auto_id="message_%s")
        try:
            conversation.accept_session(session, operator=staff_of(request))
        except (conversation.AlreadyAccepted, lock.SessionClosed) as reason:
            return self.refused(session, reason, **begun)
        if not begun:
            return self.back(session, _("You have taken this conversation."))
        messages.success(request, _("You have taken this conversation."))
        session.refresh_from_db()
        return show_session(request, session, **begun)


class ReleaseSession(OperatorAct):
    """Return the operator's conversation to the queue, for another operator to take."""

    def post(self, request: HttpRequest, session: Session) -> HttpResponse:
        try:
            conversation.release_session(session, operator=staff_of(request))
        except (conversation.NotTheirs, lock.SessionClosed) as reason:
            return self.refused(session, reason)
        return self.back(session, _("Returned to the queue."))


class AnswerSession(OperatorAct):
    """Send a message to the visitor. The first answer takes the conversation."""

    def post(self, request: HttpRequest, session: Session) -> HttpResponse:
        form = MessageForm(request.POST, auto_id="message_%s")
        if not form.is_valid():
            return show_session(request, session, status=422, message_form=form)
        try:
            limits.count_message(session, sender=Party.OPERATOR)
            conversation.post_message(
                session,
                sender=Party.OPERATOR,
                text=form.cleaned_data["text"],
                author=staff_of(request),
            )
        except limits.TooOften as too_many:
            form.add_error("text", too_often())
            return retry_after(
                show_session(request, session, status=429, message_form=form), too_many
            )
        except (conversation.AlreadyAccepted, lock.SessionClosed) as reason:
            return self.refused(session, reason, message_form=form)
        return self.back(session, place="#message_text")


class SendFile(OperatorAct):
    """Send a file to the visitor."""

    max_body = settings.ATTACHMENT_MAX_BYTES + BODY_OVERHEAD

    def post(self, request: HttpRequest, session: Session) -> HttpResponse:
        form = AttachmentForm(request.POST, request.FILES, auto_id="attachment_%s")
        if not form.is_valid():
            return show_session(request, session, status=form.status, attachment_form=form)
        try:
            limits.count_file(session, sender=Party.OPERATOR, size=form.attachment["size"])
            conversation.attach_file(
                session, sender=Party.OPERATOR, author=staff_of(request), **form.attachment
            )
        except limits.TooOften as too_many:
            form.add_error("file", too_often())
            return retry_after(
                show_session(request, session, status=429, attachment_form=form), too_many
            )
        except (conversation.AlreadyAccepted, lock.SessionClosed) as reason:
            return self.refused(session, reason)
        except StorageUnavailable as reason:
            form.add_error("file", str(reason))
            return show_session(request, session, status=503, attachment_form=form)
        return self.back(session, _("The file was sent."))


class TakeNote(OperatorAct):
    """Store the note and the result. This is also possible after the conversation."""

    def post(self, request: HttpRequest, session: Session) -> HttpResponse:
        form = NoteForm(request.POST, auto_id="note_%s")
        if not form.is_valid():
            return show_session(request, session, status=422, note_form=form)
        try:
            conversation.set_note(session, **form.cleaned_data)
        except lock.SessionClosed as reason:
            return self.refused(session, reason, note_form=form)
        return self.back(session, _("Note saved."))


class EndSession(OperatorAct):
    """End the conversation. Change nothing if it has already ended."""

    def post(self, request: HttpRequest, session: Session) -> HttpResponse:
        conversation.end_session(session, by=Party.OPERATOR)
        return self.back(session, _("The conversation has ended."))
