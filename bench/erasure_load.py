"""Fill an empty PostgreSQL database for bench/erasure.py, with ten million messages in minutes.

A session has ten messages and a guest has five sessions. An eighth of the sessions are by guests
who came once. The sessions of SUBJECTS, the guests whose erasure is measured, are spread over the
whole table. Its oldest part has the sessions of the WebChats that get a retention period when they
are measured.

The rows are inserted by INSERT … SELECT inside the server. This is faster than COPY, because no row
passes a client. It needs a superuser, because foreign keys are not checked.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from webchat.models import WebChat

#: Number of sessions of a guest → number of such guests. Each is erased at most once.
SUBJECTS = {1: 160, 100: 50, 1000: 26}
#: The number of messages in each session of a subject.
SUBJECT_MESSAGES = 20
#: The sessions of EXPIRING are older.
RETENTION_DAYS = 365
PAIRS = 8
#: Name of a WebChat → its number of hundredths of all sessions, from the oldest on.
EXPIRING = {f"{way} {pair}": 1 for pair in range(PAIRS) for way in ("engine", "sql")}
EXPIRING |= {"few": 1, "many": 10, "probed": 2}

_GUESTS = """
INSERT INTO sessions_app_guest (id, uid, name, email, phone, name_key, email_key, phone_key, created_at)
SELECT i, gen_random_uuid(), 'Guest Number ' || i, 'guest.' || i || '@example.com',
       '+420 20' || lpad(i::text, 7, '0'), 'guest number ' || i, 'guest.' || i || '@example.com',
       '+42020' || lpad(i::text, 7, '0'), now() - interval '2 years'
FROM generate_series(1, {guests}) AS i
"""
_SUBJECTS = """
CREATE TEMPORARY TABLE subject ON COMMIT DROP AS
SELECT guest, {stride} * row_number() OVER (ORDER BY md5(guest || '/' || n)) AS session
FROM (VALUES {subjects}) AS kinds (first, guests, sessions),
     generate_series(first, first + guests - 1) AS guest, generate_series(1, kinds.sessions) AS n
"""
_SESSIONS = """
INSERT INTO sessions_app_session (
  id, uid, webchat_id, guest_id, channel, status, language, created_at, accepted_at, ended_at, ended_by, waited,
  duration, operator_id, entered_name, entered_email, entered_phone, params, ip_address, user_agent, landing_page,
  referrer, note, result, feedback_stars, feedback_text, messages_visitor, messages_operator, attachments_count,
  entry_key, room_key)
SELECT i, gen_random_uuid(), webchat, guest, CASE WHEN i % 7 = 0 THEN 'av' ELSE 'chat' END,
       CASE WHEN is_open THEN 'active' ELSE 'closed' END, 'en', at, at + interval '31.5 seconds',
       CASE WHEN NOT is_open THEN at + interval '9 minutes' END, CASE WHEN is_open THEN '' ELSE 'visitor' END,
       interval '31.5 seconds', CASE WHEN NOT is_open THEN interval '9 minutes' END, {operator} + i % 8,
       'Guest Number ' || guest, 'guest.' || guest || '@example.com', '+420 20' || lpad(guest::text, 7, '0'),
       jsonb_build_object('customer_number', 'C-' || i), '203.0.113.7'::inet,
       'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0',
       'https://shop.example.com/catalogue/' || i, '',
       CASE WHEN i % 4 = 0 THEN 'Called back, all clear.' ELSE '' END, '', 1 + i % 5, '', 5, 5, 0,
       md5(i::text) || md5('e' || i), md5('r' || i) || md5('o' || i)
FROM (
  SELECT i, i > {sessions} - 100 AND subject.guest IS NULL AS is_open,
         now() - interval '1 minute' - ({sessions} - i) * (interval '730 days' / {sessions}) AS at,
         coalesce(subject.guest, {first_guest} + CASE WHEN i % 8 = 1 THEN {regular} + i / 8
                  ELSE i * 7919 % {regular} END) AS guest,
         CASE WHEN subject.guest IS NULL AND i <= {block} * cardinality(of_block) THEN of_block[1 + (i - 1) / {block}]
              ELSE {webchat} END AS webchat
  FROM generate_series(1, {sessions}::bigint) AS i LEFT JOIN subject ON subject.session = i,
       (SELECT ARRAY{of_block}::bigint[] AS of_block) AS webchats) AS rows
"""
_MESSAGES = """
INSERT INTO sessions_app_message (session_id, at, sender, text)
SELECT s.id, s.created_at + n * interval '20 seconds', CASE n % 2 WHEN 1 THEN 'visitor' ELSE 'operator' END,
       repeat('A sentence of a conversation. ', 1 + n % 4)
FROM sessions_app_session s LEFT JOIN subject ON subject.session = s.id,
     generate_series(1, CASE WHEN subject.session IS NOT NULL THEN {subject_messages}
                        ELSE floor((s.id + 1) * {others}) - floor(s.id * {others}) END::int) AS n
ORDER BY s.id, n
"""
_TABLES = ("sessions_app_guest", "sessions_app_session", "sessions_app_message")


def load(messages: int, *, first_operator: int) -> None:
    """Fill the database. ``first_operator`` is the first of eight users with consecutive ids."""
    values = _sizes(messages) | _webchats() | {"operator": first_operator}
    with transaction.atomic(), connection.cursor() as cursor:
        # The rows obey the triggers' rules. Ten million checks would only take longer.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in (_GUESTS, _SUBJECTS, _SESSIONS, _MESSAGES):
            cursor.execute(statement.format(**values))
        for table in _TABLES:
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
            )
    with connection.cursor() as cursor:
        # Not the ledger. PostgreSQL would keep the plans of an empty table after it is filled.
        cursor.execute(f"VACUUM ANALYZE {', '.join(_TABLES)}")


def first_subject(size: int) -> int:
    """Return the Guest ID of the first subject with this number of sessions. Others follow it."""
    return 1 + sum(guests for sessions, guests in SUBJECTS.items() if sessions < size)


def _sizes(messages: int) -> dict[str, Any]:
    sessions, guests = messages // 10, messages // 50
    of_subjects = sum(size * number for size, number in SUBJECTS.items())
    first_guest = 1 + sum(SUBJECTS.values())
    others = (messages - of_subjects * SUBJECT_MESSAGES) / (sessions - of_subjects)
    assert others > 0, "too few messages for these subjects"
    kinds = ((first_subject(size), number, size) for size, number in SUBJECTS.items())
    return {
        "sessions": sessions,
        "guests": guests,
        "first_guest": first_guest,
        # Guests who came more than once. The guests after them came once.
        "regular": guests - first_guest - sessions // 8,
        "stride": sessions // of_subjects,
        "subjects": ", ".join(map(str, kinds)),
        "subject_messages": SUBJECT_MESSAGES,
        "others": round(others, 6),
        "block": sessions // 100,
    }


def _webchats() -> dict[str, Any]:
    """Create the WebChats. Return that of each hundredth of the sessions, and that of the rest."""
    plain, *expiring = (
        WebChat.objects.create(name=name, languages=["en"]) for name in ("plain", *EXPIRING)
    )
    blocks = zip(expiring, EXPIRING.values(), strict=True)
    return {
        "webchat": plain.pk,
        "of_block": [webchat.pk for webchat, n in blocks for _ in range(n)],
    }
