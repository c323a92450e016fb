"""The REST API calls for sessions and guests. docs/api.md describes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from django.db.models import Model
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from anonymization import engine
from anonymization.ledger import recording
from anonymization.models import Ground
from anonymization.policy import registry
from api import services
from api.models import Right
from api.parameters import Parameters
from api.rest import ApiView, caller_of, require
from sessions_app.api import schema
from sessions_app.api.filters import DEFAULT_LIMIT, MAX_LIMIT, PERSONAL, filtered, in_order
from sessions_app.api.representation import guest_json, sessions_json, with_json_data
from sessions_app.masking import Reader, hidden_guests
from sessions_app.models import Guest, Session
from sessions_app.people import find_people

#: The number of sessions per round of queries. Their transcripts are in memory at the same time.
_CHUNK = 250
_PARTLY_HELD = (
    "A legal hold rests on some sessions of this guest. The other sessions were anonymized. The held "
    "sessions and the guest are anonymized when the hold is released."
)


def reader_of(request: Request) -> Reader:
    """Return which personal data the caller may see: never held or withdrawn data."""
    return Reader(sees_people=caller_of(request).sees_people)


def read_parameters(request: Request) -> Parameters:
    return Parameters(request.query_params)


class SessionsView(ApiView):
    """``GET /api/v1/Sessions``: a bare JSON array, newest first.

    The response is streamed, so that its length does not determine the memory that is needed.
    """

    right = Right.READ_SESSIONS

    @schema.sessions_list
    def get(self, request: Request) -> HttpResponseBase:
        given = read_parameters(request)
        limit = given.number("limit", default=DEFAULT_LIMIT, minimum=1, maximum=MAX_LIMIT)
        offset = given.number("offset", default=0, minimum=0)
        if any(name in given for name in PERSONAL):
            require(request, Right.READ_PERSONAL_DATA)
        reader = reader_of(request)
        sessions = filtered(Session.objects.all(), given)
        if any(name in given for name in PERSONAL):
            # Otherwise a filter would reveal what the response hides.
            sessions = sessions.filter(reader.visible())
        given.finish()
        # All keys are read before the response starts. Sessions that are created or anonymized
        # while it is sent do not change the page.
        keys = list(in_order(sessions, given).values_list("pk", flat=True)[offset : offset + limit])
        text = _array(keys, reader)
        return StreamingHttpResponse(text, content_type="application/json")


def _array(keys: list[int], reader: Reader) -> Iterator[str]:
    """Yield a JSON array in chunks of sessions."""
    yield "["
    for start in range(0, len(keys), _CHUNK):
        chunk = with_json_data(
            Session.objects.filter(pk__in=keys[start : start + _CHUNK])
        ).order_by("-pk")
        rows = sessions_json(chunk, reader=reader)
        yield "," * bool(start) + ",".join(
            json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows
        )
    yield "]"


class SessionView(ApiView):
    """``GET /api/v1/Sessions/{id}``, anonymized or not."""

    right = Right.READ_SESSIONS

    @schema.session_detail
    def get(self, request: Request, pk: int) -> Response:
        read_parameters(request).finish()
        session = get_object_or_404(with_json_data(Session.objects.all()), pk=pk)
        return Response(sessions_json([session], reader=reader_of(request))[0])


class GuestView(ApiView):
    """``GET /api/v1/Guests/{id}``, anonymized or not."""

    right = Right.READ_SESSIONS

    @schema.guest_detail
    def get(self, request: Request, pk: int) -> Response:
        read_parameters(request).finish()
        guest = get_object_or_404(Guest, pk=pk)
        hidden = guest.pk in hidden_guests(reader_of(request), [guest.pk])
        return Response(guest_json(guest, sessions=guest.sessions.count(), sees_people=not hidden))


class FindGuestsView(ApiView):
    """``POST /api/v1/Guests/find``: find guests by name, e-mail and phone. Selects none of them.

    The search is in the body, because URLs are written to logs.
    """

    right = Right.READ_PERSONAL_DATA

    @schema.guests_find
    def post(self, request: Request) -> Response:
        read_parameters(request).finish()
        search = schema.Search(data=request.data)
        search.is_valid(raise_exception=True)
        found = find_people(**search.validated_data)
        if found.more:
            raise exceptions.ValidationError(
                {"detail": "Too many guests match. Give more of what you know."}
            )
        if found.refused:
            raise exceptions.ValidationError(
                {part: schema.REFUSED[reason] for part, reason in found.refused.items()}
            )
        hidden = hidden_guests(reader_of(request), [match.guest.pk for match in found.matches])
        return Response(
            [
                guest_json(
                    match.guest,
                    sessions=match.sessions,
                    sees_people=match.guest.pk not in hidden,
                )
                | {"matches": list(match.parts)}
                for match in found.matches
            ]
        )


class AnonymizeView(ApiView):
    """Anonymize a session or guest: ``POST`` or ``PUT /api/v1/…/{id}/anonymous``.

    Returns 204 if everything is done, and 202 if files are still being deleted. Returns 409 if a
    legal hold rests on the subject, also if it rests on a part only and the rest was anonymized. The body is not
    read, because clients send no body and no Content-Type.
    """

    model: type[Model]

    def post(self, request: Request, pk: int) -> HttpResponseBase:
        given = read_parameters(request)
        dry_run, ground = given.flag("dry_run"), _ground_in(given)
        given.finish()
        key = self._idempotency_key(request)
        subject = get_object_or_404(self.model._base_manager, pk=pk)
        if dry_run:
            return Response({"dryRun": True, "counts": _counts_of(subject)})
        try:
            client = caller_of(request).client
            pending = services.erase_for(client, subject, key=key, ground=ground)
        except services.Revoked:
            raise exceptions.AuthenticationFailed("This client was revoked.") from None
        except services.KeyUsedForAnother:
            raise Conflict({"Idempotency-Key": "This key was used for another request."}) from None
        except services.TooManyErasures as refused:
            raise exceptions.Throttled(wait=refused.retry_after) from None
        except services.PartlyHeld:
            raise Conflict({"detail": _PARTLY_HELD}) from None
        except recording.ErasureRefused as refused:
            raise Conflict({"detail": str(refused)}) from None
        return HttpResponse(status=202 if pending else 204)

    def put(self, request: Request, pk: int) -> HttpResponseBase:
        return self.post(request, pk)

    @staticmethod
    def _idempotency_key(request: Request) -> str:
        key = request.headers.get("Idempotency-Key")
        if key is not None and not re.fullmatch(schema.IDEMPOTENCY_KEY, key):
            raise exceptions.ValidationError(
                {"Idempotency-Key": "Give 1 to 255 characters of ASCII, no spaces."}
            )
        return key or ""


def _ground_in(given: Parameters) -> Ground:
    """Return the ground of the erasure; without the parameter it is a request of the person."""
    if given.text("ground") is None:
        return Ground.REQUEST
    return next(iter(given.choices("ground", schema.GROUNDS)), Ground.REQUEST)


class Conflict(exceptions.APIException):
    status_code = 409
    default_code = "conflict"


def _counts_of(subject: Model) -> dict[str, int]:
    """Return what an erasure would remove, by type. Empty for a subject already anonymized."""
    if getattr(subject, registry.get(type(subject)).mark) is not None:
        return {}
    return {
        label.rpartition(".")[2].lower() + "s": n
        for label, n in engine.preview(subject).counts.items()
    }


@schema.anonymize_session
class AnonymizeSessionView(AnonymizeView):
    model = Session
    right = Right.ANONYMIZE_SESSIONS


@schema.anonymize_guest
class AnonymizeGuestView(AnonymizeView):
    model = Guest
    right = Right.ANONYMIZE_GUESTS
