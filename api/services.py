"""Create and revoke API clients, and erase on behalf of a client."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Model
from django.utils import timezone
from django.utils.crypto import salted_hmac
from oauth2_provider.generators import generate_client_secret
from oauth2_provider.models import get_access_token_model

from anonymization import engine, held
from anonymization.ledger import recording
from anonymization.models import Erasure, Ground, Source
from anonymization.policy import registry
from api.models import ApiClient, IdempotencyKey, LimitReached, Right

HOUR = timedelta(hours=1)
#: The precision of ``last_used_at``. A write for each request would cost more than it is worth.
_USE_IS_NOTED_EVERY = timedelta(minutes=1)


class Revoked(Exception):
    """The client was revoked while its request waited; nothing was changed."""


class KeyUsedForAnother(Exception):
    """The idempotency key was already used for another request."""


class PartlyHeld(Exception):
    """A legal hold rests on some sessions of the guest; the other sessions were erased."""


class TooManyErasures(Exception):
    """The client has erased as much as it may within an hour; ``retry_after`` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many erasures within an hour")
        self.retry_after = retry_after


def create_client(
    name: str, *, rights: list[str], created_by: User | None
) -> tuple[ApiClient, str]:
    """Store a new client, and return it with its secret, which cannot be read again."""
    secret = generate_client_secret()
    client = ApiClient.objects.create(
        name=name,
        rights=[right.value for right in Right if right in rights],
        created_by=created_by,
        client_secret=secret,
        client_type=ApiClient.CLIENT_CONFIDENTIAL,
        authorization_grant_type=ApiClient.GRANT_CLIENT_CREDENTIALS,
    )
    return client, secret


@transaction.atomic
def revoke_client(client: ApiClient, *, revoked_by: User | None) -> ApiClient:
    """Revoke a client and delete all its tokens immediately.

    Revoking it again changes nothing.
    """
    locked = ApiClient.objects.select_for_update().get(pk=client.pk)
    if locked.revoked_at is None:
        locked.revoked_at, locked.revoked_by = timezone.now(), revoked_by
        locked.save(update_fields=["revoked_at", "revoked_by"])
        get_access_token_model().objects.filter(application=locked).delete()
    return locked


def note_use(client: ApiClient) -> None:
    """Store the time of the client's request, to the minute.

    The update is skipped if a running erasure of the client has locked its row.
    """
    now = timezone.now()
    if client.last_used_at is None or now - client.last_used_at > _USE_IS_NOTED_EVERY:
        with transaction.atomic():
            free = ApiClient.objects.select_for_update(skip_locked=True, no_key=True).filter(
                pk=client.pk
            )
            ApiClient.objects.filter(pk__in=list(free.values_list("pk", flat=True))).update(
                last_used_at=now
            )


def erase_for(
    client: ApiClient, subject: Model, *, key: str = "", ground: Ground = Ground.REQUEST
) -> int:
    """Erase a subject on behalf of a client, and return the number of files still to be deleted.

    It can be repeated.

    ``key`` is the client's idempotency key, or empty. The row of the client is locked, so that
    parallel requests cannot exceed its limit together.

    Raises:
        TooManyErasures: nothing was changed, except that administrators are informed.
        Revoked: nothing was changed.
        KeyUsedForAnother: nothing was changed.
        ErasureRefused: the engine refused the erasure; nothing was changed.
        PartlyHeld: a legal hold rests on a part; the rest was erased.
    """
    try:
        with recording.erasing():
            _erase_within_limit(client, subject, key=key, ground=ground)
    except TooManyErasures:
        _tell_administrators(client)
        raise
    if held.is_due(subject):
        raise PartlyHeld
    return engine.pending_files(subject)


def _erase_within_limit(client: ApiClient, subject: Model, *, key: str, ground: Ground) -> None:
    if ApiClient.objects.select_for_update(no_key=True).get(pk=client.pk).revoked_at is not None:
        raise Revoked
    if key:
        _claim_key(client, key, request=f"{subject._meta.label} {subject.pk}")
    mark = registry.get(type(subject)).mark
    # The subject may have been erased from another source while this request waited for the lock.
    subject.refresh_from_db(fields=[mark])
    if getattr(subject, mark) is None:
        _require_room(client, subject._meta.label)
    requester = recording.Requester(Source.API, client=client, ground=ground)
    record = engine.erase(subject, requester=requester)
    if record:
        for label in record.counts.keys() & settings.API_ERASURES_PER_HOUR.keys() - {record.kind}:
            _require_room(client, label, used_now=1)


def _require_room(client: ApiClient, label: str, *, used_now: int = 0) -> None:
    """Check that the client's erasures of this model within the last hour are below the limit.

    A guest is counted regardless of the call that erased it: the last session of a guest erases the
    guest too. ``used_now`` is the number of records of this request.

    Raises:
        TooManyErasures: the limit is reached.
    """
    now, limit = timezone.now(), settings.API_ERASURES_PER_HOUR[label] + used_now
    recent = Erasure.objects.filter(client=client, created_at__gt=now - HOUR).order_by(
        "-created_at"
    )
    is_person = next(policy for policy in registry if policy.label == label).subject == ""
    recent = recent.filter(counts__has_key=label) if is_person else recent.filter(kind=label)
    times: list[Any] = list(recent.values_list("created_at", flat=True)[:limit])
    if len(times) >= limit:
        raise TooManyErasures(retry_after=int((times[-1] + HOUR - now).total_seconds()) + 1)


def forget_old_keys() -> None:
    """Delete the idempotency keys of all clients that are older than a day."""
    IdempotencyKey.objects.filter(created_at__lt=timezone.now() - IdempotencyKey.KEPT_FOR).delete()


def _claim_key(client: ApiClient, key: str, *, request: str) -> None:
    """Bind the key to a request.

    The client is locked, so that two concurrent requests cannot bind it.

    Raises:
        KeyUsedForAnother: the key is bound to another request.
    """
    forget_old_keys()
    keys = IdempotencyKey.objects.filter(client=client)
    wanted = _digest(request)
    known, _created = keys.get_or_create(
        client=client, digest=_digest(key), defaults={"request": wanted}
    )
    if known.request != wanted:
        raise KeyUsedForAnother


def _digest(text: str) -> str:
    return salted_hmac("api.idempotency", text, algorithm="sha256").hexdigest()


@transaction.atomic
def _tell_administrators(client: ApiClient) -> None:
    ApiClient.objects.select_for_update(no_key=True).get(pk=client.pk)
    unseen, _created = LimitReached.objects.get_or_create(client=client, seen_at=None)
    LimitReached.objects.filter(pk=unseen.pk).update(
        refused=F("refused") + 1, last_at=timezone.now()
    )


def mark_limits_seen(client: ApiClient, *, seen_by: User) -> int:
    """Mark the client's reached limits as seen by an administrator; return their number."""
    return client.limits_reached.filter(seen_at=None).update(
        seen_at=timezone.now(), seen_by=seen_by
    )
