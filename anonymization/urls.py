"""The ledger of erasures."""

from django.urls import path

from anonymization.replay_views import ReplayView
from anonymization.views import ErasureJsonView, ErasureListView, ErasureView

urlpatterns = [
    path("erasures/", ErasureListView.as_view(), name="erasures"),
    path("erasures/replay/", ReplayView.as_view(), name="erasure_replay"),
    path("erasures/<uuid:pk>/", ErasureView.as_view(), name="erasure"),
    path("erasures/<uuid:pk>/json/", ErasureJsonView.as_view(), name="erasure_json"),
]
