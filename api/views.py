"""Settings > API clients, and the documentation of the API."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from anonymization.models import Erasure
from api import services
from api.forms import ClientForm
from api.models import ApiClient
from lib.pages import staff_of, staff_page

_MANAGE = "api.manage_api_clients"
#: One of these permissions opens the pages that only show clients.
_SEE = ("api.see_api_clients", _MANAGE)
_RECORDS_SHOWN = 10


@staff_page(any_of=_SEE)
@require_safe
def list_clients(request: HttpRequest) -> HttpResponse:
    """List all clients, the revoked ones separately."""
    unseen = Count("limits_reached", filter=Q(limits_reached__seen_at=None))
    clients = list(ApiClient.objects.select_related("created_by").annotate(unseen=unseen))
    context = {
        "clients": [client for client in clients if client.revoked_at is None],
        "revoked": [client for client in clients if client.revoked_at is not None],
    }
    return render(request, "api/clients.html", context)


@staff_page(_MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def add_client(request: HttpRequest) -> HttpResponse:
    """Add a client.

    The response to the form shows the secret. It is stored nowhere, not even in the login session.
    """
    form = ClientForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        status = 422 if form.is_bound else 200
        return render(request, "api/client_add.html", {"form": form}, status=status)
    client, secret = services.create_client(**form.cleaned_data, created_by=staff_of(request))
    return render(request, "api/client_secret.html", {"client": client, "secret": secret})


@staff_page(any_of=_SEE)
@require_safe
def client_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the rights, the last use, the erasures and the reached limits of a client."""
    client = _client_or_404(pk)
    context = {
        "client": client,
        "erasures": Erasure.objects.filter(client=client)[:_RECORDS_SHOWN],
        "limits": client.limits_reached.select_related("seen_by")[:_RECORDS_SHOWN],
        "unseen": client.limits_reached.filter(seen_at=None).exists(),
        "may_see_erasures": request.user.has_perm("anonymization.see_erasures"),
    }
    return render(request, "api/client.html", context)


@staff_page(_MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def revoke_client(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for confirmation, then revoke a client permanently."""
    client = _client_or_404(pk)
    if request.method == "POST":
        services.revoke_client(client, revoked_by=staff_of(request))
        said = _("%(name)s was revoked; its tokens no longer work.") % {"name": client.name}
        messages.success(request, said)
    elif client.revoked_at is None:
        return render(request, "api/client_revoke.html", {"client": client})
    return redirect("api_client", pk)


@staff_page(_MANAGE)
@require_POST
def mark_limits_seen(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark the reached limits of a client as seen by an administrator."""
    services.mark_limits_seen(_client_or_404(pk), seen_by=staff_of(request))
    return redirect("api_client", pk)


def _client_or_404(pk: int) -> ApiClient:
    return get_object_or_404(ApiClient.objects.select_related("created_by", "revoked_by"), pk=pk)


@require_safe
def documentation(request: HttpRequest) -> HttpResponse:
    """Show the calls with Swagger UI, to read and to try.

    The page is public because it contains no data.
    """
    return render(request, "api/documentation.html")
