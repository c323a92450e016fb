"""Erase with the smallest hand-written SQL, and with a loop of ``save()``, to compare the engine.

All three take the same locks, delete the same rows, set the same columns to the same values and
chain the same records to the ledger. The triggers are active. The SQL and the loop check nothing:
neither for a second call nor for rows of other persons.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Case
from django.utils import timezone

from anonymization.ledger.chain import canonical, facts_hash, subject_of
from anonymization.ledger.recording import head, lock_head
from anonymization.models import Asked, Erasure, FileDeletion, Source
from anonymization.policy import registry
from lib.days import period_of
from sessions_app.models import Guest

_OF_GUEST = "session_id IN (SELECT id FROM sessions_app_session WHERE guest_id = %s)"
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('anonymization.ledger'))"
_HEAD = "SELECT number, hash FROM anonymization_erasure ORDER BY number DESC LIMIT 1"
_INSERT = (
    "INSERT INTO anonymization_erasure (id, number, version, kind, subjects, rows, facts, salt, day, requester, "
    "previous, hash, created_at, door, ground, counts, evidence) SELECT (r ->> 0)::uuid, (r ->> 1)::bigint, 2, %s, "
    "r -> 2, jsonb_array_length(r -> 2), r ->> 3, r ->> 4, %s, 'system', r ->> 5, r ->> 6, %s, %s, %s, r -> 7, r -> 8 "
    "FROM jsonb_array_elements(%s::jsonb) AS r"
)
_EVIDENCE = (
    "SELECT e.session_id, v.webchat_id, v.number, t.language, e.kind FROM sessions_app_consentevent e "
    "JOIN webchat_consenttext t ON t.id = e.text_id JOIN webchat_consentversion v ON v.id = t.version_id "
    "WHERE e.session_id = ANY(%s::bigint[])"
)
_BAND = (
    "CASE WHEN {0} >= interval '60 min' THEN interval '60 min' WHEN {0} >= interval '30 min' THEN interval '30 min' "
    "WHEN {0} >= interval '15 min' THEN interval '15 min' WHEN {0} >= interval '5 min' THEN interval '5 min' "
    "WHEN {0} >= interval '0' THEN interval '0' END"
)
_START = "date_trunc('month', s.created_at, 'Europe/Prague')"
#: The sessions that share their kept values with at least four other sessions; see
#: sessions_app/sharing.py.
_SHARING_SQL = (
    "SELECT s.id FROM sessions_app_session s LEFT JOIN sessions_app_consentevent e ON e.session_id = s.id "
    "AND e.kind = 'given' LEFT JOIN sessions_app_consentevent w ON w.session_id = s.id AND w.kind = 'withdrawn' "
    "WHERE s.id = ANY(%s::bigint[]) AND EXISTS (SELECT 1 FROM sessions_app_session o "
    "LEFT JOIN sessions_app_consentevent f ON f.session_id = o.id AND f.kind = 'given' "
    "LEFT JOIN sessions_app_consentevent x ON x.session_id = o.id AND x.kind = 'withdrawn' "
    "WHERE o.webchat_id = s.webchat_id AND o.channel = s.channel AND o.operator_id = s.operator_id "
    f"AND o.created_at >= {_START} "
    f"AND o.created_at < date_trunc('month', {_START} + interval '32 days', 'Europe/Prague') "
    f"AND {_BAND.format('o.duration')} = {_BAND.format('s.duration')} "
    "AND coalesce(f.text_id, 0) = coalesce(e.text_id, 0) "
    "AND coalesce(f.day, date '0001-01-01') = coalesce(e.day, date '0001-01-01') "
    "AND coalesce(x.day, date '0001-01-01') = coalesce(w.day, date '0001-01-01') LIMIT 1 OFFSET 4)"
)
_SESSIONS = (
    "UPDATE sessions_app_session SET guest_id = NULL, status = 'closed', "
    "created_at = date_trunc('month', created_at, 'Europe/Prague'), accepted_at = NULL, "
    "ended_at = date_trunc('month', coalesce(ended_at, now()), 'Europe/Prague'), "
    f"waited = {_BAND.format('waited')}, operator_id = CASE WHEN id = ANY(%s::bigint[]) THEN operator_id END, "
    f"duration = CASE WHEN id = ANY(%s::bigint[]) THEN {_BAND.format('duration')} END, "
    "entered_name = '', entered_email = '', entered_phone = '', params = '{}', ip_address = NULL, "
    "user_agent = '', landing_page = '', referrer = '', note = '', result = '', feedback_text = '', "
    "room_key = NULL, consent_key = NULL, withdrawn_at = NULL, wants_erasure = FALSE, uid = NULL, "
    "anonymized_in = date_trunc('month', now())::date "
)
_GUESTS = (
    "UPDATE sessions_app_guest SET name = '', email = '', phone = '', name_key = '', email_key = '', "
    "phone_key = '', created_at = date_trunc('month', created_at, 'Europe/Prague'), uid = NULL, "
    "anonymized_in = date_trunc('month', now())::date "
)


def _sharing(cursor: Any, sessions: list[int]) -> list[int]:
    cursor.execute(
        "SELECT pg_advisory_xact_lock(hashtext('sessions_app.company')), "
        "set_config('enable_bitmapscan', 'off', true)"
    )
    cursor.execute(_SHARING_SQL, [sessions])
    return [pk for (pk,) in cursor.fetchall()]


def erase(guest: Guest) -> None:
    """Erase a guest with a dozen statements."""
    record = uuid.uuid4()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT uid FROM sessions_app_guest WHERE id = %s FOR UPDATE", [guest.pk])
        ((uid,),) = cursor.fetchall()
        cursor.execute(
            "SELECT id, uid FROM sessions_app_session WHERE guest_id = %s ORDER BY id FOR UPDATE",
            [guest.pk],
        )
        uids = dict(cursor.fetchall())
        sessions = [*uids]
        cursor.execute(_EVIDENCE, [sessions])
        evidence = [*{tuple(row[1:]) for row in cursor.fetchall()}]
        cursor.execute(
            f"WITH gone AS (DELETE FROM sessions_app_attachment WHERE {_OF_GUEST} RETURNING file) INSERT INTO "
            "anonymization_filedeletion (erasure_id, name, attempts) SELECT %s, file, 0 FROM gone",
            [guest.pk, record],
        )
        files = cursor.rowcount
        cursor.execute(f"DELETE FROM sessions_app_message WHERE {_OF_GUEST}", [guest.pk])
        messages = cursor.rowcount
        cursor.execute(f"DELETE FROM sessions_app_signal WHERE {_OF_GUEST}", [guest.pk])
        cursor.execute(f"DELETE FROM sessions_app_lifesign WHERE {_OF_GUEST}", [guest.pk])
        sharing = _sharing(cursor, sessions)
        cursor.execute(f"{_SESSIONS} WHERE guest_id = %s", [sharing, sharing, guest.pk])
        cursor.execute(f"{_GUESTS} WHERE id = %s", [guest.pk])
        counts = _counts(sessions=len(sessions), files=files, messages=messages, guests=1)
        erased = [(record, [uid, *uids.values()], counts, evidence)]
        _chain(cursor, "sessions_app.Guest", "command", erased)


def _counts(*, sessions: int, files: int, messages: int, guests: int = 0) -> dict[str, int]:
    counts = {
        "sessions_app.Attachment": files,
        "sessions_app.LifeSign": 0,  # no room is open
        "sessions_app.Message": messages,
        "sessions_app.Session": sessions,
        "sessions_app.Signal": 0,  # the loaded data has no calls, so that there are no signals
    }
    return counts | ({"sessions_app.Guest": guests} if guests else {})


def _chain(
    cursor: Any, kind: str, door: str, erased: Sequence[tuple[uuid.UUID, list[uuid.UUID], Any, Any]]
) -> None:
    """Add a record for each (record, random identifiers, counts, evidence) to the ledger."""
    cursor.execute(_LOCK)
    cursor.execute(_HEAD)
    number, previous = cursor.fetchone() or (0, "0" * 64)
    now, day, rows = timezone.now(), timezone.localdate(), []
    ground = "retention" if door == "retention" else "request"
    for record, uids, counts, evidence in erased:
        number += 1
        salt, subjects = secrets.token_hex(32), sorted(map(subject_of, uids))
        facts = facts_hash(
            {
                "time": now.isoformat(),
                "source": door,
                "requester": "system",
                "account": None,
                "ground": ground,
                "counts": counts,
                "evidence": evidence,
            },
            salt,
        )
        fields = {
            "facts": facts,
            "day": day.isoformat(),
            "kind": kind,
            "previous": previous,
            "requester": "system",
            "sequence": number,
            "subjects": subjects,
            "version": 2,
        }
        own = hashlib.sha256(b"\0" + canonical(fields)).hexdigest()
        rows.append((record.hex, number, subjects, facts, salt, previous, own, counts, evidence))
        previous = own
    cursor.execute(_INSERT, [kind, day, now, door, ground, json.dumps(rows)])


def erase_expired(webchat: int, *, before: datetime, chunks: Iterator[int]) -> int:
    """Erase the sessions of a WebChat that ended before a time, oldest first. Return the number.

    ``chunks`` is the number of sessions in each transaction.
    """
    done, after = 0, (datetime.min.replace(tzinfo=UTC), 0)
    while found := _next(webchat, before, after, next(chunks)):
        done += _erase_chunk(
            [pk for _at, pk, _guest in found], {guest for *_row, guest in found if guest}
        )
        after = found[-1][:2]
    return done


def _next(
    webchat: int, before: datetime, after: tuple[datetime, int], limit: int
) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT created_at, id, guest_id FROM sessions_app_session WHERE webchat_id = %s AND created_at < %s "
            "AND (created_at, id) > (%s, %s) AND (ended_at IS NULL OR ended_at < %s) AND status = 'closed' "
            "AND anonymized_in IS NULL ORDER BY created_at, id LIMIT %s",
            [webchat, before, *after, before, limit],
        )
        return cursor.fetchall()


def _erase_chunk(pks: list[int], guests: set[int]) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, uid FROM sessions_app_guest WHERE id = ANY(%s::bigint[]) ORDER BY id FOR UPDATE",
            [[*guests]],
        )
        of_guests = dict(cursor.fetchall())
        cursor.execute(
            "SELECT id, uid, guest_id FROM sessions_app_session WHERE id = ANY(%s::bigint[]) "
            "AND anonymized_in IS NULL ORDER BY id FOR UPDATE",
            [pks],
        )
        taken = {pk: (uuid.uuid4(), uid, guest) for pk, uid, guest in cursor.fetchall()}
        _erase_taken(cursor, taken, of_guests)
        return len(taken)


def _erase_taken(
    cursor: Any,
    taken: dict[int, tuple[uuid.UUID, uuid.UUID, int | None]],
    of_guests: dict[int, uuid.UUID],
) -> None:
    pks = [*taken]
    records = {pk: record for pk, (record, _uid, _guest) in taken.items()}
    last = {guest: pk for pk, (_record, _uid, guest) in taken.items() if guest}
    cursor.execute(
        "SELECT guest FROM unnest(%s::bigint[]) AS guest WHERE NOT EXISTS (SELECT 1 FROM sessions_app_session "
        "WHERE guest_id = guest AND id <> ALL(%s::bigint[]))",
        [[*last], pks],
    )
    going = {last[guest]: guest for (guest,) in cursor.fetchall()}
    cursor.execute(
        "WITH gone AS (DELETE FROM sessions_app_attachment WHERE session_id = ANY(%s::bigint[]) "
        "RETURNING session_id, file) INSERT INTO anonymization_filedeletion (erasure_id, name, attempts) "
        "SELECT record, file, 0 FROM gone JOIN unnest(%s::bigint[], %s::uuid[]) AS taken (pk, record) "
        "ON pk = session_id",
        [pks, pks, [*records.values()]],
    )
    cursor.execute(
        "WITH gone AS (DELETE FROM sessions_app_message WHERE session_id = ANY(%s::bigint[]) RETURNING session_id) "
        "SELECT session_id, count(*) FROM gone GROUP BY session_id",
        [pks],
    )
    messages = dict(cursor.fetchall())
    cursor.execute("DELETE FROM sessions_app_signal WHERE session_id = ANY(%s::bigint[])", [pks])
    cursor.execute("DELETE FROM sessions_app_lifesign WHERE session_id = ANY(%s::bigint[])", [pks])
    sharing = _sharing(cursor, pks)
    cursor.execute(_EVIDENCE, [pks])
    evidence = defaultdict(list)
    for session, *values in cursor.fetchall():
        evidence[session].append(values)
    cursor.execute(f"{_SESSIONS} WHERE id = ANY(%s::bigint[])", [sharing, sharing, pks])
    cursor.execute(f"{_GUESTS} WHERE id = ANY(%s::bigint[])", [[*going.values()]])
    erased = []
    for pk, (record, uid, _guest) in taken.items():
        counts = _counts(sessions=1, files=0, messages=messages.get(pk, 0), guests=int(pk in going))
        uids = [uid, of_guests[going[pk]]] if pk in going else [uid]
        erased.append((record, uids, counts, evidence[pk]))
    _chain(cursor, "sessions_app.Session", "retention", erased)


def erase_in_a_loop(guest: Guest) -> None:
    """Erase a guest row by row, as code does that was not written for many rows."""
    with transaction.atomic():
        guest = Guest.objects.select_for_update().get(pk=guest.pk)
        erasure = Erasure(
            kind="sessions_app.Guest", requester=Asked.SYSTEM, salt=secrets.token_hex(32)
        )
        erasure.subjects = sorted(
            map(subject_of, [guest.uid, *guest.sessions.values_list("uid", flat=True)])
        )
        erasure.rows = len(erasure.subjects)
        for session in guest.sessions.select_for_update().order_by("pk"):
            for attachment in session.attachments.all():
                FileDeletion.objects.create(erasure=erasure, name=attachment.file.name)
                attachment.delete()
            for message in session.messages.all():
                message.delete()
            for signal in session.signals.all():
                signal.delete()
            _save_emptied(session)
        _save_emptied(guest)
        lock_head()
        last = head()
        erasure.number, erasure.previous = last.sequence + 1, last.hash
        erasure.created_at, erasure.day, erasure.door = (
            timezone.now(),
            timezone.localdate(),
            Source.COMMAND,
        )
        erasure.facts = facts_hash(erasure.clear_facts, erasure.salt)
        erasure.hash = erasure.entry.hash
        erasure.save(force_insert=True)


def _save_emptied(row: Any) -> None:
    for name, value in registry.get(type(row)).erased_values().items():
        # It does not look for other sessions that share the kept values.
        setattr(row, name, None if isinstance(value, Case) else value)
    row.anonymized_in = period_of(timezone.localdate())
    row.save()
