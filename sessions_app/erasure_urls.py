"""Where an erasure is confirmed."""

from django.urls import path

from anonymization import ids  # noqa: F401  registers the converter "id"
from sessions_app import erasure_views

urlpatterns = [
    path(
        "sessions/anonymize/", erasure_views.ConfirmSessionsErasureView.as_view(), name="sessions_anonymize"
    ),
    path(
        "sessions/<id:pk>/anonymize/",
        erasure_views.ConfirmSessionErasureView.as_view(),
        name="session_anonymize",
    ),
    path(
        "guests/<id:pk>/anonymize/", erasure_views.ConfirmGuestErasureView.as_view(), name="guest_anonymize"
    ),
]
