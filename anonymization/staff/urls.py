"""URLs of the erasure ledger."""

from django.urls import path

from anonymization.staff.erasures import erasure_json, erasure_list, erasure_record
from anonymization.staff.replay import ReplayView

urlpatterns = [
    path("erasures/", erasure_list, name="erasures"),
    path("erasures/replay/", ReplayView.as_view(), name="erasure_replay"),
    path("erasures/<uuid:pk>/", erasure_record, name="erasure"),
    path("erasures/<uuid:pk>/json/", erasure_json, name="erasure_json"),
]
