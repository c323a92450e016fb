"""How staff log in."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.views import EmailView, PasswordResetView
from django.contrib.auth import password_validation
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import method_decorator

from sessions_app.consent_mail import sends_mail


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


class MinimumLengthValidator(password_validation.MinimumLengthValidator):
    """Refuses a short password in the words of its help text: Django 5.2 has no Czech text for the refusal itself."""

    def get_error_message(self) -> str:
        return self.get_help_text()
