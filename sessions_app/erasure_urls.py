"""Where an erasure is confirmed."""

from django.urls import path

from anonymization import ids  # noqa: F401  registers the converter "id"
from sessions_app.staff import erasures

urlpatterns = [
    path("sessions/anonymize/", erasures.ConfirmSessionsErasureView.as_view(), name="sessions_anonymize"),
    path(
        "sessions/<id:pk>/anonymize/",
        erasures.ConfirmSessionErasureView.as_view(),
        name="session_anonymize",
    ),
    path("guests/<id:pk>/anonymize/", erasures.ConfirmGuestErasureView.as_view(), name="guest_anonymize"),
]
