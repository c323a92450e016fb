"""Routes of the staff pages about sessions and guests, and of the settings that depend on sessions."""

from django.urls import path

from lib import ids  # noqa: F401  registers the converter "id"
from sessions_app.staff.calls import session_ice_servers, session_signals
from sessions_app.staff.erasures import (
    ConfirmGuestErasureView,
    ConfirmSessionErasureView,
    ConfirmSessionsErasureView,
)
from sessions_app.staff.export import SessionExport
from sessions_app.staff.guests import FindPerson, guest_page
from sessions_app.staff.holds import HoldGuestView, HoldSessionView
from sessions_app.staff.live import live_sessions
from sessions_app.staff.operator_acts import (
    AcceptSession,
    AnswerSession,
    EndSession,
    ReleaseSession,
    SendFile,
    TakeNote,
)
from sessions_app.staff.prove import ProveErasure
from sessions_app.staff.record_withdrawal import RecordWithdrawal
from sessions_app.staff.retention import webchat_retention
from sessions_app.staff.session_detail import session_detail, session_file, session_transcript
from sessions_app.staff.session_list import SessionList, set_columns
from sessions_app.staff.withdrawals import withdrawals

urlpatterns = [
    path("sessions/", SessionList.as_view(), name="sessions"),
    path("sessions/live/", live_sessions, name="sessions_live"),
    path("sessions/columns/", set_columns, name="sessions_columns"),
    path("sessions/export/", SessionExport.as_view(), name="sessions_export"),
    path("sessions/anonymize/", ConfirmSessionsErasureView.as_view(), name="sessions_anonymize"),
    path("sessions/<id:pk>/", session_detail, name="session"),
    path("sessions/<id:pk>/transcript/", session_transcript, name="session_transcript"),
    path("sessions/<id:pk>/accept/", AcceptSession.as_view(), name="session_accept"),
    path("sessions/<id:pk>/release/", ReleaseSession.as_view(), name="session_release"),
    path("sessions/<id:pk>/answer/", AnswerSession.as_view(), name="session_answer"),
    path("sessions/<id:pk>/files/", SendFile.as_view(), name="session_send_file"),
    path("sessions/<id:pk>/files/<id:file>/", session_file, name="session_file"),
    path("sessions/<id:pk>/note/", TakeNote.as_view(), name="session_note"),
    path("sessions/<id:pk>/signal/", session_signals, name="session_signals"),
    path("sessions/<id:pk>/ice/", session_ice_servers, name="session_ice"),
    path(
        "sessions/<id:pk>/withdrawal/", RecordWithdrawal.as_view(), name="session_record_withdrawal"
    ),
    path("sessions/<id:pk>/end/", EndSession.as_view(), name="session_end"),
    path(
        "sessions/<id:pk>/anonymize/", ConfirmSessionErasureView.as_view(), name="session_anonymize"
    ),
    path("sessions/<id:pk>/hold/", HoldSessionView.as_view(), name="session_hold"),
    path("settings/webchat/<int:pk>/retention/", webchat_retention, name="webchat_retention"),
    path("withdrawals/", withdrawals, name="withdrawals"),
    path("prove/", ProveErasure.as_view(), name="prove"),
    path("guests/find/", FindPerson.as_view(), name="guest_find"),
    path("guests/<id:pk>/", guest_page, name="guest"),
    path("guests/<id:pk>/hold/", HoldGuestView.as_view(), name="guest_hold"),
    path("guests/<id:pk>/anonymize/", ConfirmGuestErasureView.as_view(), name="guest_anonymize"),
]
