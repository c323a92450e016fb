"""Routes of the visitor pages."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from lib import ids  # noqa: F401  registers the converter "id"
from sessions_app.models import Channel
from sessions_app.visitor import calls, my_consent, room
from sessions_app.visitor.entry import EntryView
from webchat import converters  # noqa: F401  registers the converter "public_id"


class SecretConverter(StringConverter):
    """The secret of a room or of "My consent": 256 bits as hexadecimal digits."""

    regex = "[0-9a-f]{64}"


register_converter(SecretConverter, "secret")

urlpatterns = [
    path("w/<public_id:public_id>/", EntryView.as_view(), name="entry"),
    path(
        "w/<public_id:public_id>/showroom/", EntryView.as_view(channel=Channel.AV), name="showroom"
    ),
    path("r/<secret:token>/", room.RoomView.as_view(), name="room"),
    path("r/<secret:token>/message/", room.RoomMessageView.as_view(), name="room_message"),
    path("r/<secret:token>/file/", room.RoomFileView.as_view(), name="room_file"),
    path("r/<secret:token>/feedback/", room.RoomFeedbackView.as_view(), name="room_feedback"),
    path("r/<secret:token>/leave/", room.RoomLeaveView.as_view(), name="room_leave"),
    path("r/<secret:token>/transcript/", room.RoomTranscriptView.as_view(), name="room_transcript"),
    path("r/<secret:token>/signal/", calls.RoomSignals.as_view(), name="room_signals"),
    path("r/<secret:token>/ice/", calls.RoomIceServers.as_view(), name="room_ice"),
    path("r/<secret:token>/files/<id:pk>/", room.RoomDownloadView.as_view(), name="room_download"),
    path("c/<secret:token>/", my_consent.ConsentView.as_view(), name="my_consent"),
    path("c/<secret:token>/receipt.json", my_consent.ReceiptView.as_view(), name="consent_receipt"),
    path(
        "c/<secret:token>/withdrawal-receipt.json",
        my_consent.WithdrawalReceiptView.as_view(),
        name="withdrawal_receipt",
    ),
    path("c/<secret:token>/withdraw/", my_consent.WithdrawView.as_view(), name="withdraw_consent"),
    path("c/<secret:token>/mail/", my_consent.MailLinkView.as_view(), name="mail_consent_link"),
]
