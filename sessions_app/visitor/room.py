"""The visitor's room: the conversation behind its secret URL.

There is no cookie. Anyone with the URL is treated as the visitor.
"""

from __future__ import annotations

from typing import Any

from csp.constants import SELF
from csp.decorators import csp_update
from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    QueryDict,
)
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from anonymization.storage import StorageUnavailable
from sessions_app import conversation, limits, lock
from sessions_app.abandonment import give_sign
from sessions_app.calls import has_call, newest_signal
from sessions_app.forms import BODY_OVERHEAD, AttachmentForm, MessageForm
from sessions_app.http import (
    file_response,
    is_fetched,
    let_use_devices,
    retry_after,
    stream_address,
    too_often,
)
from sessions_app.models import Channel, Party, Session
from sessions_app.streams import Cursor
from sessions_app.ticket import consent_token, room_key
from sessions_app.transcript import transcript_of
from sessions_app.visitor.forms import FeedbackForm, focus_first_error
from webchat.framing import let_frame


@method_decorator([csrf_exempt, never_cache, csp_update({"frame-src": [SELF]})], name="dispatch")
class RoomView(View):
    """Show the room, also after the end of the conversation.

    Returns 404 if the secret is unknown or an erasure has revoked it.
    """

    http_method_names = ["get", "head"]
    token: str
    session: Session

    def dispatch(self, request: HttpRequest, token: str, **kwargs: Any) -> Any:
        sessions = Session.objects.select_related("webchat", "life_sign")
        session = sessions.filter(room_key=room_key(token), anonymized_in=None).first()
        if session is None:
            return self._gone(request)
        self.token, self.session = token, session
        with translation.override(session.language):
            response = super().dispatch(request, **kwargs)
        response.headers["Content-Language"] = session.language
        # The URL is a secret. Other sites must not learn it from the referrer.
        response.headers["Referrer-Policy"] = "no-referrer"
        let_frame(response, self.ancestors)
        return response

    @property
    def ancestors(self) -> list[str]:
        """Return the origins that may show this page in a frame."""
        return self.session.webchat.origins

    def get(self, request: HttpRequest) -> HttpResponse:
        give_sign(self.session)
        return self._show()

    def _show(
        self,
        *,
        message: MessageForm | None = None,
        attachment: AttachmentForm | None = None,
        feedback: FeedbackForm | None = None,
        status: int = 200,
    ) -> HttpResponse:
        lines, newest = transcript_of(self.session), newest_signal(self.session)
        context = {
            "session": self.session,
            "webchat": self.session.webchat,
            "token": self.token,
            "message": message or MessageForm(auto_id="message_%s"),
            "attachment": attachment or AttachmentForm(auto_id="attachment_%s"),
            "feedback": feedback or self._feedback_form(),
            "transcript": lines,
            "stream": stream_address(self.request, f"room/{self.token}/"),
            "cursor": Cursor.of(self.session, lines, newest),
            "consent_text": self.session.consented_text,
            "consent_link": self._consent_link(),
            "is_showroom": self.session.channel == Channel.AV,
            "call": has_call(self.session),
            "newest_signal": newest,
        }
        response = render(self.request, "sessions_app/visitor/room.html", context, status=status)
        if has_call(self.session):
            let_use_devices(response)
        return response

    def _consent_link(self) -> str:
        """Return the URL of "My consent".

        Sessions that are older than that page have no separate secret. Their room's secret is used.
        """
        token = consent_token(self.token) if self.session.consent_key else self.token
        return self.request.build_absolute_uri(reverse("my_consent", args=[token]))

    def _feedback_form(self, data: QueryDict | None = None) -> FeedbackForm:
        given = {"stars": self.session.feedback_stars, "text": self.session.feedback_text}
        return FeedbackForm(data, initial=given, auto_id="feedback_%s")

    def _closed(self, **forms: Any) -> HttpResponse:
        """Return 409 with the current room. Return 404 if the session was anonymized."""
        self.session = Session.objects.select_related("webchat").get(pk=self.session.pk)
        if self.session.anonymized_in is not None:
            return self._gone(self.request)
        return self._show(status=409, **forms)

    def _back(self, *, place: str = "") -> HttpResponse:
        """Redirect to the room, or return 204 to a script, which reads the stream instead."""
        if is_fetched(self.request):
            return HttpResponse(status=204)
        return HttpResponseRedirect(reverse("room", args=[self.token]) + place)

    @staticmethod
    def _gone(request: HttpRequest) -> HttpResponse:
        # After an anonymization, nothing links the URL to a WebChat. The page mentions nobody.
        # Any site may frame it, so that a frame that showed the room can show it. A list of all sites
        # would tell a stranger who uses this installation. The page has nothing to click.
        sites = ["*"]
        response = render(request, "sessions_app/visitor/gone.html", {"sites": sites}, status=404)
        let_frame(response, sites)
        return response


class RoomMessageView(RoomView):
    """Store a message.

    Returns 302 to the room, 409 if the conversation has ended, and 422 if the text is empty or too
    long, and 429 if too many were sent within a minute.
    """

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        form = MessageForm(request.POST, auto_id="message_%s")
        if not form.is_valid():
            focus_first_error(form)
            return self._show(message=form, status=422)
        try:
            limits.count_message(self.session, sender=Party.VISITOR)
            conversation.post_message(
                self.session, sender=Party.VISITOR, text=form.cleaned_data["text"]
            )
        except limits.TooOften as refused:
            form.add_error("text", too_often())
            return retry_after(self._show(message=form, status=429), refused)
        except lock.SessionClosed:
            return self._closed(message=form)
        return self._back(place="#message_text")


class RoomFileView(RoomView):
    """Store a file.

    Returns 302 to the room, 409 if the conversation has ended, 413 if the file is too large, 422 if
    it is not accepted, 429 if too many files or bytes were sent within a minute, and 503 if the file
    storage is unavailable.
    """

    http_method_names = ["post"]
    #: The limit is checked in this view, so that the error is shown on the room's page.
    max_body = None

    def post(self, request: HttpRequest) -> HttpResponse:
        if (
            int(request.META.get("CONTENT_LENGTH") or 0)
            > settings.ATTACHMENT_MAX_BYTES + BODY_OVERHEAD
        ):
            return self._too_large()
        form = AttachmentForm(request.POST, request.FILES, auto_id="attachment_%s")
        if not form.is_valid():
            focus_first_error(form)
            return self._show(attachment=form, status=form.status)
        try:
            limits.count_file(self.session, sender=Party.VISITOR, size=form.attachment["size"])
            conversation.attach_file(self.session, sender=Party.VISITOR, **form.attachment)
        except limits.TooOften as refused:
            form.add_error("file", too_often())
            return retry_after(self._show(attachment=form, status=429), refused)
        except lock.SessionClosed:
            return self._closed()
        except StorageUnavailable as reason:
            form.add_error("file", str(reason))
            return self._show(attachment=form, status=503)
        return self._back()

    def _too_large(self) -> HttpResponse:
        """Refuse the file by its announced length, before any of the body is read."""
        form = AttachmentForm({}, {}, auto_id="attachment_%s")
        form.errors.pop("file", None)
        megabytes = settings.ATTACHMENT_MAX_BYTES / 1024 / 1024
        form.add_error(
            "file",
            _("The file is too large. The limit is %(limit)s MB.") % {"limit": f"{megabytes:g}"},
        )
        return self._show(attachment=form, status=413)


class RoomLeaveView(RoomView):
    """End the conversation."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        conversation.end_session(self.session, by=Party.VISITOR)
        return self._back()


class RoomFeedbackView(RoomView):
    """Store the stars and the text of the feedback on an ended conversation.

    Returns 302 to the room, 409 if the conversation has not ended or consent was withdrawn, and 422
    without stars.
    """

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        form = self._feedback_form(request.POST)
        if not form.is_valid():
            return self._show(feedback=form, status=422)
        try:
            conversation.give_feedback(self.session, **form.cleaned_data)
        except (conversation.StillOpen, lock.SessionClosed):
            return self._closed(feedback=form)
        return self._back(place="#feedback")


class RoomTranscriptView(RoomView):
    """Return only the transcript.

    Without JavaScript a frame of the room shows it and reloads itself. Scripts fetch it.
    """

    @property
    def ancestors(self) -> list[str]:
        """Return the site's origins and this origin, because the room shows the frame."""
        return [SELF, *super().ancestors]

    def get(self, request: HttpRequest) -> HttpResponse:
        give_sign(self.session)
        context = {
            "session": self.session,
            "webchat": self.session.webchat,
            "token": self.token,
            "transcript": transcript_of(self.session),
        }
        return render(request, "sessions_app/visitor/transcript.html", context)


class RoomDownloadView(RoomView):
    """Download a file of the conversation, also after its end, as long as the room is available."""

    # The file is saved and not displayed, so no site may show it in a frame.
    ancestors = []

    def get(self, request: HttpRequest, pk: int = 0) -> HttpResponseBase:  # type: ignore[override]
        stored = file_response(get_object_or_404(self.session.attachments, pk=pk))
        template, context = "sessions_app/visitor/file_missing.html", {"token": self.token}
        return stored or render(request, template, context, status=404)
