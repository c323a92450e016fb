"""My consent: the consent of a person, a receipt and the withdrawal (GDPR Art. 7(3), 15).

The pages need no login. Their secret URL works until the session is anonymized. The secret is the
only protection: the pages read and set no cookie, and no site can show them in a frame. The answer
for an unknown secret is the same as for an anonymized session.
"""

from __future__ import annotations

import base64
from typing import Any

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from anonymization import held
from lib.mail import sends_mail
from sessions_app import consent, lock
from sessions_app.models import ConsentEvent, Session
from sessions_app.ticket import consent_key, room_key
from sessions_app.visitor.consent_mail import MailRefused, TooManyMails, send_link
from sessions_app.visitor.forms import MailLinkForm, focus_first_error
from sessions_app.visitor.receipt import consent_receipt, withdrawal_receipt
from sessions_app.withdrawal_mail import tell_officers
from webchat.models import DataController, OnWithdrawal


def session_behind(token: str) -> Session | None:
    """Return the session that has this secret, or None.

    Sessions that are older than this page have no secret for it. The room's secret opens it then.
    """
    behind = Q(consent_key=consent_key(token)) | Q(consent_key=None, room_key=room_key(token))
    sessions = Session.objects.select_related("webchat", "receipt_terms")
    return sessions.filter(behind, anonymized_in=None).first()


@method_decorator([csrf_exempt, never_cache], name="dispatch")
class ConsentView(View):
    """Show the page, or return 404 with "this conversation is not stored here"."""

    http_method_names = ["get", "head"]
    token: str
    session: Session
    given: ConsentEvent | None

    def dispatch(self, request: HttpRequest, token: str, **kwargs: Any) -> HttpResponseBase:
        session = session_behind(token)
        if session is None:
            return _secret(self._nothing_stored())
        self.token, self.session, self.given = token, session, session.consent_given
        with translation.override(session.language):
            response = _secret(super().dispatch(request, **kwargs))
        response.headers["Content-Language"] = session.language
        return response

    def get(self, request: HttpRequest) -> HttpResponseBase:
        return self._show()

    def _show(
        self, *, mail: MailLinkForm | None = None, problem: str = "", status: int = 200
    ) -> HttpResponse:
        sent = "sent" in self.request.GET and not problem
        context = {
            "mail": mail or MailLinkForm(),
            "sends_mail": sends_mail(),
            "sent": sent,
            "problem": problem,
        }
        return self._render("my_consent.html", context, status=status)

    def _render(self, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
        context |= {
            "session": self.session,
            "webchat": self.session.webchat,
            "given": self.given,
            "notice": None if self.given else self.session.notice_shown,
            "token": self.token,
            "link": self._address("my_consent"),
            "controller": DataController.current(),
            "at_once": self.session.webchat.on_withdrawal == OnWithdrawal.ANONYMIZE,
        }
        return render(self.request, f"sessions_app/visitor/{template}", context, status=status)

    def _address(self, name: str) -> str:
        return self.request.build_absolute_uri(reverse(name, args=[self.token]))

    def withdrawal_receipt(self) -> bytes | None:
        """Return the receipt of the withdrawal, or None if nothing was withdrawn."""
        withdrawn = self.session.consent_withdrawn
        at = self.session.withdrawn_at
        if self.given is None or withdrawn is None or at is None:
            return None
        return withdrawal_receipt(
            self.session, self.given, via=withdrawn.via, token=self.token, at=at
        )

    def _nothing_stored(self) -> HttpResponse:
        return render(self.request, "sessions_app/visitor/nothing_stored.html", status=404)


class ReceiptView(ConsentView):
    """Return the receipt of the consent as a JSON file, or 404 if no consent was required."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        if self.given is None:
            raise Http404
        receipt = consent_receipt(self.session, self.given, token=self.token)
        return _json_file(receipt, name="consent-receipt.json")


class WithdrawalReceiptView(ConsentView):
    """Return the receipt of the withdrawal as a JSON file, or 404 if nothing was withdrawn."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        if (receipt := self.withdrawal_receipt()) is None:
            raise Http404
        return _json_file(receipt, name="withdrawal-receipt.json")


class WithdrawView(ConsentView):
    """Show what a withdrawal does, and withdraw the consent on POST.

    Returns 200 also the second time, and 409 if no consent was required.
    """

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponseBase:
        if self.given is None:
            return self._show(status=409)
        if self.session.withdrawn_at is not None:
            return self._withdrawn(already=True)
        return self._render("withdraw.html", {})

    def post(self, request: HttpRequest) -> HttpResponseBase:
        wants_erasure = request.POST.get("all") == "on"
        try:
            record = consent.withdraw_consent(self.session, wants_erasure=wants_erasure)
        except consent.NothingToWithdraw:
            return self._show(status=409)
        except lock.ConsentWithdrawn:
            self.session.refresh_from_db(fields=["withdrawn_at", "wants_erasure"])
            return self._withdrawn(already=True)
        except lock.SessionClosed:
            # The session was anonymized after this request read it.
            return self._nothing_stored()
        link = request.build_absolute_uri(reverse("withdrawals"))
        told = record is None and tell_officers(self.session, link=link)
        return self._withdrawn(record=record, told=told)

    def _withdrawn(self, **context: Any) -> HttpResponse:
        receipt = self.withdrawal_receipt() or b""
        return self._render(
            "withdrawn.html",
            {
                "due": held.is_due(self.session),
                "receipt": receipt.decode(),
                "receipt_base64": base64.b64encode(receipt).decode(),
                **context,
            },
        )


class MailLinkView(ConsentView):
    """Send the link to an e-mail address.

    Returns 302 if it was sent, 404 if no mail server is configured, 422 if the address is invalid,
    429 if the limit is reached, and 503 if sending failed.
    """

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponseBase:
        if not sends_mail():
            raise Http404
        form = MailLinkForm(request.POST)
        if not form.is_valid():
            focus_first_error(form)
            return self._show(mail=form, status=422)
        try:
            send_link(
                form.cleaned_data["email"], session=self.session, link=self._address("my_consent")
            )
        except MailRefused as refused:
            response = self._show(mail=form, problem=str(refused), status=refused.status)
            if isinstance(refused, TooManyMails):
                response.headers["Retry-After"] = str(refused.retry_after)
            return response
        return HttpResponseRedirect(reverse("my_consent", args=[self.token]) + "?sent#keep")


def _json_file(content: bytes, *, name: str) -> HttpResponse:
    response = HttpResponse(content, content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _secret(response: HttpResponseBase) -> HttpResponseBase:
    """Keep the URL secret: out of referrers of other sites and out of search engines."""
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
