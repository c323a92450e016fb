"""The page of the entry form, which visitors submit before a chat and before the showroom.

The page sets and reads no cookie, because it is also shown in a frame on another site. The signed
ticket protects the form, and the room's secret URL protects the conversation. Rendering the page
stores nothing.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from sessions_app import gate, limits, ticket
from sessions_app.http import is_from_another_origin, retry_after
from sessions_app.models import Channel
from sessions_app.visitor import visit
from sessions_app.visitor.forms import ENTRY_FORMS, NoEntryForm, focus_first_error
from webchat.framing import let_frame
from webchat.models import WebChat


@method_decorator([csrf_exempt, never_cache], name="dispatch")
class EntryView(View):
    """Show the entry form, and create a session from a valid submit.

    Returns 200 with the form, 302 to the room, 403 if the ticket is refused or another site sent
    the form, 404 if the WebChat is unknown or archived, 409 if another text is current or the form
    was used, 422 if the entry is incomplete, 429 if too many conversations began within a minute,
    and 503 if the form is unavailable or the channel is not open yet.
    """

    channel: str = Channel.CHAT
    http_method_names = ["get", "head", "post"]

    def dispatch(self, request: HttpRequest, public_id: str) -> HttpResponseBase:
        self.webchat = get_object_or_404(WebChat, public_id=public_id)
        self.language = visit.language_of(request, self.webchat)
        with translation.override(self.language):
            response = (
                super().dispatch(request)
                if self.webchat.archived_at is None
                else self._not_offered()
            )
        response.headers["Content-Language"] = self.language
        let_frame(response, self.webchat.origins)
        return response

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(self._form_class(region=self.webchat.phone_region))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = self._form_class(request.POST, region=self.webchat.phone_region)
        if "switch" in request.POST:
            typed = {name: request.POST.get(name, "") for name in form.fields if name != "consent"}
            return self._show(self._form_class(initial=typed, region=self.webchat.phone_region))
        if is_from_another_origin(request):
            # A hidden form on any page could otherwise "consent" for the visitor.
            notice = _(
                "Another website sent this form. Please check your entries and send it here."
            )
            return self._show(form, status=403, notice=notice)
        try:
            shown = ticket.read(
                request.POST.get("ticket", ""), webchat=self.webchat, channel=self.channel
            )
        except ticket.TicketRefused:
            return self._show(
                form,
                status=403,
                notice=_("This form has expired. Please check your entries and send it again."),
            )
        if not form.is_valid():
            focus_first_error(form)
            return self._show(form, status=422)
        try:
            self._count_entry()
            session = gate.start_session(
                self.webchat, ticket=shown, entry=form.entry, visit=visit.visit_of(request)
            )
        except limits.TooOften as refused:
            notice = _(
                "Too many conversations were started just now. Please try again in a minute. What "
                "you typed is kept."
            )
            return retry_after(self._show(form, status=429, notice=notice), refused)
        except gate.ConsentTextChanged as changed:
            notice = _(
                "The consent text has changed; version %(number)d now applies. Please read it and "
                "tick the box again."
            )
            return self._show(form, status=409, notice=notice % {"number": changed.number})
        except gate.NoticeChanged as changed:
            notice = _("The privacy notice has changed; version %(number)d now applies.")
            return self._show(form, status=409, notice=notice % {"number": changed.number})
        except (gate.ConsentNotShown, gate.EntryIncomplete):
            notice = _(
                "The form has changed since you opened it. Please check it and send it again."
            )
            return self._show(form, status=409, notice=notice)
        except gate.Unavailable:
            # The WebChat was archived or closed after the request arrived, or lacks a text.
            self.webchat = get_object_or_404(WebChat.objects.open(), pk=self.webchat.pk)
            return self._show(form)
        return HttpResponseRedirect(reverse("room", args=[shown.room_token_of(session.room_key)]))

    def _count_entry(self) -> None:
        """Count a valid form, before the gate's transaction. One address never uses up the total.

        Raises:
            TooOften: The limit of the address, or of all, is reached.
        """
        address = visit.address_to_limit(self.request)
        if address is not None:
            per_address = settings.ENTRIES_PER_MINUTE_PER_ADDRESS
            limits.Limit("entries of an address", per_address).count(address)
        limits.Limit("entries", settings.ENTRIES_PER_MINUTE).count()

    @property
    def _form_class(self) -> type[NoEntryForm]:
        return ENTRY_FORMS[gate.chosen_form(self.webchat, self.channel)]

    def _show(self, form: NoEntryForm, *, status: int = 200, notice: str = "") -> HttpResponse:
        """Render the current form with a new ticket. Keep typed values, but never the consent."""
        try:
            text = gate.required_text(self.webchat, channel=self.channel, language=self.language)
        except gate.NotOpen:
            return self._not_offered(status=503, not_open=True)
        except gate.Unavailable:
            return self._render({"unavailable": True}, status=503)
        issued = ticket.issue(self.webchat, channel=self.channel, language=self.language, text=text)
        sent = self.request.POST
        return self._render(
            {
                "form": form,
                "text": text,
                "ticket": issued,
                "notice": notice,
                "landing_page": visit.page_of(
                    sent.get("landing_page", self.request.headers.get("Referer", ""))
                ),
                "referrer": visit.page_of(sent.get("referrer", "")),
                "params": visit.parameters_of(sent),
            },
            status=status,
        )

    def _not_offered(self, *, status: int = 404, not_open: bool = False) -> HttpResponse:
        context = {
            "webchat": self.webchat,
            "not_open": not_open,
            "is_showroom": self.channel == Channel.AV,
        }
        return render(self.request, "sessions_app/visitor/not_offered.html", context, status=status)

    def _render(self, context: dict[str, object], *, status: int) -> HttpResponse:
        context |= {
            "webchat": self.webchat,
            "language": self.language,
            "languages": visit.language_choices(self.webchat),
            "is_showroom": self.channel == Channel.AV,
        }
        return render(self.request, "sessions_app/visitor/entry.html", context, status=status)
