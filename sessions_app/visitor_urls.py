"""The visitor's side."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from anonymization import ids  # noqa: F401  registers the converter "id"
from sessions_app import call_views, consent_views, room_views
from sessions_app.models import Channel
from sessions_app.visitor_views import EntryView
from webchat import converters  # noqa: F401  registers the converter "public_id"


class SecretConverter(StringConverter):
    """The secret of a room or of "my consent": 256 bits as hexadecimal digits."""

    regex = "[0-9a-f]{64}"


register_converter(SecretConverter, "secret")

urlpatterns = [
    path("w/<public_id:public_id>/", EntryView.as_view(), name="entry"),
    path("w/<public_id:public_id>/showroom/", EntryView.as_view(channel=Channel.AV), name="showroom"),
    path("r/<secret:token>/", room_views.RoomView.as_view(), name="room"),
    path("r/<secret:token>/message/", room_views.RoomMessageView.as_view(), name="room_message"),
    path("r/<secret:token>/file/", room_views.RoomFileView.as_view(), name="room_file"),
    path("r/<secret:token>/feedback/", room_views.RoomFeedbackView.as_view(), name="room_feedback"),
    path("r/<secret:token>/leave/", room_views.RoomLeaveView.as_view(), name="room_leave"),
    path("r/<secret:token>/transcript/", room_views.RoomTranscriptView.as_view(), name="room_transcript"),
    path("r/<secret:token>/signal/", call_views.RoomSignals.as_view(), name="room_signals"),
    path("r/<secret:token>/ice/", call_views.RoomIceServers.as_view(), name="room_ice"),
    path("r/<secret:token>/files/<id:pk>/", room_views.RoomDownloadView.as_view(), name="room_download"),
    path("c/<secret:token>/", consent_views.ConsentView.as_view(), name="my_consent"),
    path("c/<secret:token>/receipt.json", consent_views.ReceiptView.as_view(), name="consent_receipt"),
    path("c/<secret:token>/withdraw/", consent_views.WithdrawView.as_view(), name="withdraw_consent"),
    path("c/<secret:token>/mail/", consent_views.MailLinkView.as_view(), name="mail_consent_link"),
]
