"""The OpenAPI description of the calls about sessions and guests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
    inline_serializer,
)
from rest_framework import serializers

from anonymization.models import CHOSEN_GROUNDS, Ground
from api.schema import refusals
from lib.ids import MAX_ID
from sessions_app import people
from sessions_app.api import filters
from sessions_app.api.representation import CHANNELS, STATUSES

#: Printable ASCII, for example a UUID.
IDEMPOTENCY_KEY = "^[!-~]{1,255}$"
#: The values of the parameter ``ground``.
GROUNDS = {ground.value: ground for ground in CHOSEN_GROUNDS}
_CHANNELS = list(CHANNELS.values())
_STATUSES = list(STATUSES.values())
_LEFT = ["LeftQueue", "LeftSession", "LeftAfterSession", "StillConnected", "LeftBeforeQueue"]


def _choice(values: list[str], **options: Any) -> serializers.ChoiceField:
    return serializers.ChoiceField(choices=values, **options)


@extend_schema_field(OpenApiTypes.INT64)
class Id(serializers.IntegerField):
    """A primary key. A Guest ID needs more than 32 bits."""


class GuestOfSession(serializers.Serializer):
    tempId = Id()
    ipAddress = serializers.CharField(allow_null=True)
    trackedId = serializers.UUIDField(allow_null=True)
    identity = serializers.CharField(
        help_text="The Guest ID; empty after an anonymization.", allow_blank=True
    )
    channelIdentity = serializers.CharField(allow_null=True)
    os = _choice(list(filters.SYSTEM))
    browser = _choice(list(filters.BROWSER))
    language = serializers.CharField()
    callParams = serializers.DictField(
        child=serializers.CharField(allow_blank=True),
        help_text="The entry form's fields as oo1_guest_ident, oo1_guest_email, oo1_guest_phone, and parameters.",
    )
    gdprVersion = serializers.CharField(
        allow_null=True,
        help_text="Version and language of the consent text, such as 3/cs; stays after an anonymization.",
    )


class OperatorOfSession(serializers.Serializer):
    userId = Id()
    userName = serializers.CharField()
    firstName = serializers.CharField(allow_null=True)
    lastName = serializers.CharField(allow_null=True)
    joined = serializers.DateTimeField()
    left = serializers.DateTimeField(allow_null=True)
    concluded = serializers.DateTimeField(allow_null=True)
    note = serializers.CharField(allow_null=True)


class Activity(serializers.Serializer):
    activityId = Id()
    time = serializers.DateTimeField()
    type = _choice(["ChatMessage", "SharedFile"])
    client = _choice(["User", "Guest", "Chatbot"])
    userId = Id(allow_null=True)
    file = serializers.CharField(allow_null=True, help_text="The file's name.")
    text = serializers.CharField(allow_null=True)


class Recording(serializers.Serializer):
    id = Id()
    name = serializers.CharField(allow_null=True)
    started = serializers.DateTimeField(allow_null=True)
    duration = serializers.CharField(allow_null=True)
    type = serializers.CharField(allow_null=True)
    downloadUrl = serializers.CharField(allow_null=True)
    isUploading = serializers.BooleanField()
    isDeleted = serializers.BooleanField()


class SessionJson(serializers.Serializer):
    id = Id()
    companyId = Id()
    departmentId = Id(help_text="The WebChat.")
    channel = _choice(_CHANNELS)
    source = _choice(list(filters.SOURCE))  # type: ignore[assignment]
    status = _choice(_STATUSES)
    avSupport = _choice(["WEB_RTC", "FLASH_ONLY", "NONE"])
    isDirectChat = serializers.BooleanField()
    created = serializers.DateTimeField()
    blacklisted = serializers.BooleanField()
    autoAccepted = serializers.BooleanField()
    guestLeftSession = _choice(_LEFT)
    guest = GuestOfSession()
    url = serializers.CharField(allow_null=True, help_text="The page on which the chat was opened.")
    widget = serializers.CharField(help_text="The WebChat's name.")
    operators = OperatorOfSession(many=True)
    reviewers = serializers.ListField(child=serializers.IntegerField())
    enteredQueue = serializers.DateTimeField()
    guestJoined = serializers.DateTimeField()
    started = serializers.DateTimeField(allow_null=True)
    ended = serializers.DateTimeField(allow_null=True)
    waited = serializers.CharField(allow_null=True, help_text="ISO 8601, such as PT4M40S.")
    duration = serializers.CharField(allow_null=True)
    length = serializers.CharField(allow_null=True)
    activities = Activity(many=True)
    tags = serializers.ListField(child=serializers.CharField())
    chatbots = serializers.ListField(child=serializers.IntegerField())
    guestFeedbackStars = serializers.IntegerField(allow_null=True)
    guestFeedbackScale = serializers.IntegerField(allow_null=True)
    guestFeedbackText = serializers.CharField(allow_null=True)
    recordings = Recording(many=True)
    recordingsState = serializers.CharField(allow_null=True)
    directCallNumber = serializers.CharField(allow_null=True)
    phoneCallbackNumber = serializers.CharField(allow_null=True)
    anonymized = serializers.DateTimeField(
        allow_null=True,
        help_text="The start of the period in which the session was anonymized.",
    )

    class Meta:
        ref_name = "Session"


class GuestJson(serializers.Serializer):
    id = Id()
    name = serializers.CharField(allow_blank=True)
    email = serializers.CharField(allow_blank=True)
    phone = serializers.CharField(allow_blank=True)
    created = serializers.DateTimeField()
    anonymized = serializers.DateTimeField(
        allow_null=True, help_text="The start of the period in which the guest was anonymized."
    )
    sessions = serializers.IntegerField(help_text="How many sessions name this guest.")

    class Meta:
        ref_name = "Guest"


class FoundGuest(GuestJson):
    matches = serializers.ListField(
        child=_choice(["name", "namePart", "email", "phone"]),
        help_text="What is the same. namePart: the guest's name has more than what was searched.",
    )

    class Meta:
        ref_name = "FoundGuest"


#: Why a value of a search is refused.
REFUSED = {
    people.UNREADABLE: "This can't be read as one.",
    people.SEVERAL: "These are several. Search for one at a time.",
}


class Search(serializers.Serializer):
    """What is known of a person, in any combination; anything else is refused."""

    name = serializers.CharField(required=False, max_length=200)
    email = serializers.CharField(required=False, max_length=254)
    phone = serializers.CharField(required=False, max_length=50)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := set(map(str, data)) - set(self.fields)):
            raise serializers.ValidationError(
                dict.fromkeys(sorted(unknown), "This field is unknown.")
            )
        return super().to_internal_value(data)

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        if not attrs:
            raise serializers.ValidationError({"detail": "Give a name, an email or a phone."})
        return attrs


WouldGo = inline_serializer(
    "WouldGo",
    {
        "dryRun": serializers.BooleanField(),
        "counts": serializers.DictField(
            child=serializers.IntegerField(),
            help_text="How many sessions, guests, messages, attachments, signals of calls, life signs.",
        ),
    },
)


def _range(name: str, kind: Any) -> list[OpenApiParameter]:
    return [
        OpenApiParameter(f"{name}.Min", kind, description="This or later; without an offset UTC."),
        OpenApiParameter(
            f"{name}.Max", kind, description="This or earlier; without an offset UTC."
        ),
        OpenApiParameter(
            f"{name}.Null", bool, description="true: those without; false: those with."
        ),
    ]


def _length(name: str) -> list[OpenApiParameter]:
    return [
        OpenApiParameter(
            f"{name}.Min", str, description="This or longer, such as PT4M40S or 00:04:40."
        ),
        OpenApiParameter(f"{name}.Max", str, description="This or shorter."),
        OpenApiParameter(f"{name}.Null", bool),
    ]


def _set(name: str, kind: Any = str, values: list[str] | None = None) -> OpenApiParameter:
    return OpenApiParameter(name, kind, many=True, enum=values, explode=True)


def _like(name: str, text: str) -> list[OpenApiParameter]:
    return [
        OpenApiParameter(f"{name}.Text", str, description=f"{text}: contains this."),
        OpenApiParameter(f"{name}.Exact", str, description=f"{text}: is this."),
        OpenApiParameter(f"{name}.Null", bool),
    ]


_LIST_PARAMETERS = [
    OpenApiParameter(
        "limit",
        {
            "type": "integer",
            "minimum": 1,
            "maximum": filters.MAX_LIMIT,
            "default": filters.DEFAULT_LIMIT,
        },
    ),
    OpenApiParameter("offset", {"type": "integer", "minimum": 0, "default": 0}),
    *[p for name in (*filters.MOMENTS, "Anonymized") for p in _range(name, OpenApiTypes.DATETIME)],
    *[p for name in filters.DURATIONS for p in _length(name)],
    *[_set(name, OpenApiTypes.INT) for name in filters.IDS],
    _set("Status", values=list(filters.STATUS)),
    _set("Channel", values=list(filters.CHANNEL)),
    _set("Source", values=list(filters.SOURCE)),
    _set("Widget"),
    _set("Tags"),
    _set("Browser", values=list(filters.BROWSER)),
    _set("OS", values=list(filters.SYSTEM)),
    *_like("GDPRVersion", "Version and language, such as 3/cs"),
    *_like("LandingPage", "Page on which the chat was opened"),
    *_like("IPAddress", "IP address"),
    *_like("Language", "Language of the conversation"),
]

# Swagger UI cannot show a parameter with a format of numbers ("Could not find component").
_ID = OpenApiParameter(
    "id", {"type": "integer", "minimum": 1, "maximum": MAX_ID}, OpenApiParameter.PATH
)

sessions_list = extend_schema(
    operation_id="listSessions",
    tags=["Sessions"],
    summary="List sessions",
    description=(
        "Newest first, by Session ID. Page with limit and offset until fewer rows than limit come back. Names of "
        "parameters and values of enumerations are read in any case; a parameter that takes several values is repeated."
    ),
    parameters=_LIST_PARAMETERS,
    responses={200: SessionJson(many=True)} | refusals(400, 401, 403),
    filters=False,
)
session_detail = extend_schema(
    operation_id="getSession",
    tags=["Sessions"],
    summary="One session",
    parameters=[_ID],
    responses={200: SessionJson} | refusals(400, 401, 403, 404),
)
guest_detail = extend_schema(
    operation_id="getGuest",
    tags=["Guests"],
    summary="One guest",
    parameters=[_ID],
    responses={200: GuestJson} | refusals(400, 401, 403, 404),
)
guests_find = extend_schema(
    operation_id="findGuests",
    tags=["Guests"],
    summary="Find guests by name, e-mail, phone",
    description="At most 50, those with most in common first. Selects nobody.",
    request=Search,
    responses={200: FoundGuest(many=True)} | refusals(400, 401, 403, 413, 415),
)


def _anonymize(what: str, tag: str) -> Callable[[Any], Any]:
    def described(verb: str) -> Any:
        return extend_schema(
            operation_id=f"anonymize{what.title()}{verb}",
            tags=[tag],
            summary=f"Anonymize a {what}",
            description=(
                f"Safe to repeat: a {what} that was anonymized before is a success. No body is needed, and none is "
                "read. The spelling /anonymize is accepted too. Answers 409 while a legal hold rests on the "
                f"{what}; if it rests on some sessions of a guest only, the others are anonymized."
            ),
            request=None,
            parameters=[
                _ID,
                OpenApiParameter("dry_run", bool, description="Only count what would go."),
                OpenApiParameter(
                    "ground",
                    enum=list(GROUNDS),
                    default=Ground.REQUEST.value,
                    description="The reason of the erasure. The erasure record keeps it.",
                ),
                OpenApiParameter(
                    "Idempotency-Key",
                    {"type": "string", "pattern": IDEMPOTENCY_KEY},
                    OpenApiParameter.HEADER,
                    description="Stands for this one request for a day; used for another it is refused.",
                ),
            ],
            responses={
                200: OpenApiResponse(WouldGo, "What would go; nothing was changed."),
                202: OpenApiResponse(None, "Done; stored files are still being deleted."),
                204: OpenApiResponse(None, "Done."),
            }
            | refusals(400, 401, 403, 404, 409, 413, 429),
        )

    return extend_schema_view(post=described(""), put=described("ByPut"))


anonymize_session = _anonymize("session", "Sessions")
anonymize_guest = _anonymize("guest", "Guests")
