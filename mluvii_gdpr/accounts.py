"""Login, password reset and language of staff members."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.views import EmailView, PasswordResetView
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

from lib.mail import sends_mail
from mluvii_gdpr.models import Profile

#: The key of the user's language in the login session. The value is empty if none was chosen.
LANGUAGE = "language"


class StaffAccountAdapter(DefaultAccountAdapter):
    """Disable sign-up: accounts are created by a superuser."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


class PasswordReset(PasswordResetView):
    """Ask for the e-mail address for a password reset.

    If mail is not configured, the status is 404 and the page refers to the system administrator.
    """

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if not sends_mail():
            return render(request, "account/password_reset_closed.html", status=404)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response


@method_decorator(login_required, name="dispatch")
class EmailAddresses(EmailView):
    """Show the user's own e-mail addresses, each verified by a mail.

    If mail is not configured, the status is 404 and the page refers to the system administrator.
    """

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if not sends_mail():
            return render(request, "account/email_closed.html", status=404)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
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
