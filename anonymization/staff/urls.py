"""The ledger of erasures."""

from django.urls import path

from anonymization.staff.erasures import ErasureJsonView, ErasureListView, ErasureView
from anonymization.staff.replay import ReplayView

urlpatterns = [
    path("erasures/", ErasureListView.as_view(), name="erasures"),
    path("erasures/replay/", ReplayView.as_view(), name="erasure_replay"),
    path("erasures/<uuid:pk>/", ErasureView.as_view(), name="erasure"),
    path("erasures/<uuid:pk>/json/", ErasureJsonView.as_view(), name="erasure_json"),
]
