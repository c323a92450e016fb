"""Routes of the REST API. The alternative spellings of a call are not in the API description."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import URLPattern
from rest_framework.views import APIView

from api.rest import NoSuchCall
from api.routes import call
from lib import ids  # noqa: F401  registers the converter "id"
from sessions_app.api import views


def _anonymize(first: str, *others: str, view: type[APIView]) -> Iterator[URLPattern]:
    """Yield the routes that anonymize: the documented one and the alternatives that clients use."""
    yield call(f"api/v1/{first}/<id:pk>/anonymous", view.as_view())
    spellings = [(name, verb) for name in (first, *others) for verb in ("anonymous", "anonymize")]
    for name, verb in spellings[1:]:
        yield call(f"api/v1/{name}/<id:pk>/{verb}", view.as_view(schema=None))


urlpatterns = [
    call("api/v1/Sessions", views.SessionsView.as_view()),
    call("api/v1/Sessions/<id:pk>", views.SessionView.as_view()),
    *_anonymize("Sessions", view=views.AnonymizeSessionView),
    call("api/v1/Guests/find", views.FindGuestsView.as_view()),
    call("api/v1/Guests/<id:pk>", views.GuestView.as_view()),
    *_anonymize("Guest", "Guests", view=views.AnonymizeGuestView),
    call("api/v1", NoSuchCall.as_view(schema=None)),
    call("api/v1/<path:rest>", NoSuchCall.as_view(schema=None)),
]
