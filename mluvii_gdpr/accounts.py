"""How staff log in."""

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

#: Under which name a login keeps the language of its user; empty: none was chosen.
LANGUAGE = "language"


class StaffAccountAdapter(DefaultAccountAdapter):
    """Accounts are made by a superuser; nobody signs up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


class PasswordReset(PasswordResetView):
    """Asks for the address to send a reset to; where no mail is sent, 404 with whom to ask instead."""

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if not sends_mail():
            return render(request, "account/password_reset_closed.html", status=404)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response


@method_decorator(login_required, name="dispatch")
class EmailAddresses(EmailView):
    """One's own addresses, each verified by a mail; where no mail is sent, 404 with whom to ask instead."""

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
            (code, get_language_info(code)["name_local"].capitalize()) for code, _name in settings.LANGUAGES
        ]
        self.fields["language"].choices = [("", _("Browser language")), *names]  # type: ignore[attr-defined]


@login_required
@require_http_methods(["GET", "POST"])
def choose_language(request: HttpRequest) -> HttpResponse:
    """Let a staff member choose the language of their pages. 302 chosen, 422 no such language."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101  logged in
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
    """Keep the language of who logs in with the login, so that no page has to ask the database for it."""
    if request is not None and hasattr(request, "session"):
        chosen = Profile.objects.filter(user=user).values_list("language", flat=True)
        request.session[LANGUAGE] = chosen.first() or ""


class MinimumLengthValidator(password_validation.MinimumLengthValidator):
    """Refuses a short password in the words of its help text: Django 5.2 has no Czech text for the refusal itself."""

    def get_error_message(self) -> str:
        return self.get_help_text()
