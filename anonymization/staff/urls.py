"""URLs of the erasure ledger and of legal holds."""

from django.urls import path

from anonymization.staff.erasures import erasure_json, erasure_list, erasure_record
from anonymization.staff.holds import HoldDetail, ReleaseHold, hold_list
from anonymization.staff.replay import ReplayView
from lib import ids  # noqa: F401  registers the converter "id"

urlpatterns = [
    path("holds/", hold_list, name="holds"),
    path("holds/<id:pk>/", HoldDetail.as_view(), name="hold"),
    path("holds/<id:pk>/release/", ReleaseHold.as_view(), name="hold_release"),
    path("erasures/", erasure_list, name="erasures"),
    path("erasures/replay/", ReplayView.as_view(), name="erasure_replay"),
    path("erasures/<uuid:pk>/", erasure_record, name="erasure"),
    path("erasures/<uuid:pk>/json/", erasure_json, name="erasure_json"),
]
