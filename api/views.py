"""Settings > API clients, and the documentation of the API."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.generic import TemplateView
from django.views.generic.base import ContextMixin, TemplateResponseMixin
from django.views.generic.edit import FormMixin, ProcessFormView

from anonymization.models import Erasure
from api import services
from api.forms import ClientForm
from api.models import ApiClient
from lib.pages import StaffPage

_RECORDS_SHOWN = 10


class ClientsPage(StaffPage, TemplateResponseMixin, ContextMixin):
    """The base of the pages of Settings > API clients."""

    http_method_names = ["get", "head"]
    permission_required: str | tuple[str, ...] = "api.manage_api_clients"


#: One of these permissions opens the pages that only show clients.
_SEE = ("api.see_api_clients", "api.manage_api_clients")


class ClientsView(ClientsPage):
    """List all clients, the revoked ones separately."""

    permission_required = ()
    any_permission = _SEE
    template_name = "api/clients.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        unseen = Count("limits_reached", filter=Q(limits_reached__seen_at=None))
        clients = list(ApiClient.objects.select_related("created_by").annotate(unseen=unseen))
        context = {
            "clients": [client for client in clients if client.revoked_at is None],
            "revoked": [client for client in clients if client.revoked_at is not None],
        }
        return self.render_to_response(self.get_context_data(**context))


class ClientAddView(FormMixin, ClientsPage, ProcessFormView):
    """Add a client.

    The response to the form shows the secret. It is stored nowhere, not even in the login session.
    """

    http_method_names = ["get", "head", "post"]
    template_name = "api/client_add.html"
    form_class = ClientForm

    def form_valid(self, form: BaseForm) -> HttpResponse:
        client, secret = services.create_client(**form.cleaned_data, created_by=self.staff)
        return render(self.request, "api/client_secret.html", {"client": client, "secret": secret})

    def form_invalid(self, form: BaseForm) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)


class ClientPage(ClientsPage):
    """The base of the pages about one client."""

    @cached_property
    def client(self) -> ApiClient:
        return get_object_or_404(
            ApiClient.objects.select_related("created_by", "revoked_by"), pk=self.kwargs["pk"]
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(client=self.client, **kwargs)


class ClientView(ClientPage):
    """Show the rights, the last use, the erasures and the reached limits of a client."""

    permission_required = ()
    any_permission = _SEE
    template_name = "api/client.html"

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        erasures = Erasure.objects.filter(client=self.client)
        context = {
            "erasures": erasures[:_RECORDS_SHOWN],
            "limits": self.client.limits_reached.select_related("seen_by")[:_RECORDS_SHOWN],
            "unseen": self.client.limits_reached.filter(seen_at=None).exists(),
            "may_see_erasures": request.user.has_perm("anonymization.see_erasures"),
        }
        return self.render_to_response(self.get_context_data(**context))


class ClientRevokeView(ClientPage):
    """Ask for confirmation, then revoke a client permanently."""

    http_method_names = ["get", "head", "post"]
    template_name = "api/client_revoke.html"

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        if self.client.revoked_at is not None:
            return redirect("api_client", pk)
        return self.render_to_response(self.get_context_data())

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        services.revoke_client(self.client, revoked_by=self.staff)
        messages.success(
            request,
            _("%(name)s was revoked; its tokens no longer work.") % {"name": self.client.name},
        )
        return redirect("api_client", pk)


class LimitsSeenView(ClientPage):
    """Mark the reached limits of a client as seen by an administrator."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        services.mark_limits_seen(self.client, seen_by=self.staff)
        return redirect("api_client", pk)


class DocumentationView(TemplateView):
    """Show the calls with Swagger UI, to read and to try.

    The page is public because it contains no data.
    """

    http_method_names = ["get", "head"]
    template_name = "api/documentation.html"
