"""Login, password reset and language of staff members."""

import logging
from smtplib import SMTPException
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import ResetPasswordForm
from allauth.account.models import EmailAddress
from allauth.account.views import EmailView, LogoutView, PasswordResetView
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import password_validation
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import get_language_from_request, get_language_info, override
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from lib.mail import mail_server_answers, sends_mail
from mluvii_gdpr.models import Profile
from sessions_app.limits import DAY, Limit, TooOften
from sessions_app.matching import email_key

logger = logging.getLogger(__name__)

#: Anybody can ask for a reset of any account.
RESETS = Limit("password resets to an address", 1, DAY)

#: The key of the user's language in the login session. The value is empty if none was chosen.
LANGUAGE = "language"


class StaffAccountAdapter(DefaultAccountAdapter):
    """Disable sign-up, since a superuser creates accounts, and keep mails to their addressee."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail. A failure is only logged: the page must not tell whether an account exists.

        Pages that send a mail first ask ``mail_server_answers``.
        """
        self._was_sent(template_prefix, email, context)

    def _was_sent(self, template_prefix: str, email: str, context: dict[str, Any]) -> bool:
        try:
            super().send_mail(template_prefix, email, context)
        except (OSError, SMTPException, UnicodeError) as failure:
            # The text of the exception contains the address.
            logger.warning("a mail for an account was not sent: %s", type(failure).__name__)
            return False
        return True

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        """Send a reset once a day for each account and address. The page never tells whether."""
        recipient = f"{user.pk} {email_key(email)}"
        try:
            RESETS.count(recipient)
        except TooOften:
            return
        if not self._was_sent("account/email/password_reset_key", email, context):
            RESETS.give_back(recipient)

    def send_confirmation_mail(
        self, request: HttpRequest, emailconfirmation: Any, signup: bool
    ) -> None:
        """Ask to verify an address, unless it is a colleague's: the page then says the same."""
        if not is_colleagues(emailconfirmation.email_address):
            super().send_confirmation_mail(request, emailconfirmation, signup)

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        return not is_colleagues(email_address) and super().confirm_email(request, email_address)

    def get_reset_password_from_key_url(self, key: str) -> str:
        return _with_own_port(super().get_reset_password_from_key_url(key))

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        return _with_own_port(super().get_email_confirmation_url(request, emailconfirmation))


def is_colleagues(address: EmailAddress) -> bool:
    """Return whether the address belongs to another account, verified or entered by a superuser."""
    same = address.email
    others = User.objects.exclude(pk=address.user_id).filter(email__iexact=same)
    verified = EmailAddress.objects.exclude(user_id=address.user_id).filter(
        email__iexact=same, verified=True
    )
    return others.exists() or verified.exists()


def _with_own_port(url: str) -> str:
    """Return the URL without a port that is not the installation's.

    It comes from the Host header, of which ALLOWED_HOSTS checks the name only. A link in a mail
    would otherwise lead to whatever listens on another port.
    """
    parts = urlsplit(url)
    ours = {urlsplit(origin).netloc for origin in settings.CSRF_TRUSTED_ORIGINS}
    if parts.netloc in ours or (not settings.HTTPS and parts.port == settings.PORT):
        return url
    host = parts.netloc.removesuffix(f":{parts.port}")
    return urlunsplit(parts._replace(netloc=host))


class ResetForm(ResetPasswordForm):
    """Reset only by an address that is verified, or that a superuser entered."""

    users: list[User]

    def clean_email(self) -> str:
        email: str = super().clean_email()
        verified = set(
            EmailAddress.objects.filter(email__iexact=email, verified=True).values_list(
                "user_id", flat=True
            )
        )
        self.users = [
            user
            for user in self.users
            if user.pk in verified or user.email.lower() == email.lower()
        ]
        return email


class PasswordReset(PasswordResetView):
    """Ask for the e-mail address for a password reset.

    If mail is not configured, the status is 404 and the page refers to the system administrator.
    The status is 503 if the mail server is unavailable, whatever was entered.
    """

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if not sends_mail():
            return render(request, "account/password_reset_closed.html", status=404)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response

    def form_valid(self, form: forms.Form) -> HttpResponse:
        if not mail_server_answers():
            form.add_error(None, mail_is_away())
            return self.render_to_response(self.get_context_data(form=form), status=503)
        response: HttpResponse = super().form_valid(form)
        return response


@method_decorator(login_required, name="dispatch")
class EmailAddresses(EmailView):
    """Show the user's own e-mail addresses, each verified by a mail.

    To add or change one, the password must have been entered within the last minutes. If mail is
    not configured, the status is 404 and the page refers to the system administrator. The status is
    503 if the mail server is unavailable.
    """

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if not sends_mail():
            return render(request, "account/email_closed.html", status=404)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = self.get_form()
        if {"action_add", "action_send"} & request.POST.keys() and not mail_server_answers():
            form.add_error(None, mail_is_away())
            return self.render_to_response(self.get_context_data(form=form), status=503)
        if "action_primary" in request.POST and not self._is_verified(request):
            messages.error(request, _("Verify the address before you make it the primary one."))
            return redirect("account_email")
        response: HttpResponse = super().post(request, *args, **kwargs)
        return response

    def _is_verified(self, request: HttpRequest) -> bool:
        address = self._get_email_address(request) if request.POST.get("email") else None
        return address is None or address.verified


def mail_is_away() -> str:
    return _(
        "The mail server can't be reached. Nothing was sent or changed. Please try again later."
    )


class LogOut(LogoutView):
    """Log out, and let the browser delete what it stored of pages with personal data.

    Otherwise the next user of the browser could go back to these pages.
    """

    def post(self, *args: Any, **kwargs: Any) -> HttpResponse:
        was_logged_in = self.request.user.is_authenticated
        response: HttpResponse = super().post(*args, **kwargs)
        if was_logged_in:
            # Without "cookies", which would also end the logins of sibling hosts of the domain.
            response.headers["Clear-Site-Data"] = '"cache", "storage"'
        return response


class LanguageForm(forms.ModelForm):
    class Meta:
        model = Profile
        fields = ("language",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [
            (code, get_language_info(code)["name_local"].capitalize())
            for code, _name in settings.LANGUAGES
        ]
        self.fields["language"].choices = [("", _("Browser language")), *names]  # type: ignore[attr-defined]


@login_required
@require_http_methods(["GET", "POST"])
def choose_language(request: HttpRequest) -> HttpResponse:
    """Let staff members choose the language of their pages.

    Status codes:

    - 200: the form
    - 302: redirect after the language was saved
    - 422: the language does not exist
    """
    user = request.user
    assert isinstance(user, User)  # noqa: S101  The user is logged in.
    profile = Profile.objects.filter(user=user).first() or Profile(user=user)
    form = LanguageForm(request.POST if request.method == "POST" else None, instance=profile)
    if request.method != "POST" or not form.is_valid():
        status = 422 if form.is_bound else 200
        return render(request, "account/language.html", {"form": form}, status=status)
    Profile.objects.update_or_create(user=user, defaults=form.cleaned_data)
    request.session[LANGUAGE] = form.cleaned_data["language"]
    with override(form.cleaned_data["language"] or get_language_from_request(request)):
        messages.success(request, _("The language was saved."))
    return redirect("language")


def remember_language(request: HttpRequest | None, user: User, **_signal: object) -> None:
    """Store the user's language in the login session, so that pages need no query for it."""
    if request is not None and hasattr(request, "session"):
        chosen = Profile.objects.filter(user=user).values_list("language", flat=True)
        request.session[LANGUAGE] = chosen.first() or ""


class MinimumLengthValidator(password_validation.MinimumLengthValidator):
    """Reject a short password with the help text as the error message.

    Django 5.2 has no Czech translation of the error message itself.
    """

    def get_error_message(self) -> str:
        return self.get_help_text()
