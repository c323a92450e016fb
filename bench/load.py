"""Fill an empty PostgreSQL database with sessions, a million in about a minute.

The sessions span two years. They belong to five WebChats of different size, three of them with the
GDPR form. There are 0.6 guests per session, and five of a hundred sessions are anonymized. The day
DAY and the rare channel phone have the same number of sessions in a database of any size, so that
equal pages are compared. The rows are inserted by SQL over generate_series.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.utils import timezone

from webchat.consent_html import DraftText
from webchat.models import ConsentText, EntryForm, WebChat
from webchat.services import publish_consent

#: The number of sessions of the measured day, in a database of any size.
ON_DAY = 300
DAY = timezone.localdate() - timedelta(days=30)
#: The number of sessions of each WebChat among a hundred.
WEIGHTS = (45, 25, 15, 10, 5)
#: Every tenth session has a transcript of two messages.
WITH_MESSAGES = 10

#: Sessions by phone, spread over the whole table. Its filter finds few rows in any part of it.
BY_PHONE = 20

SENTENCE = "A sentence of a conversation. "

_GUESTS = """
INSERT INTO sessions_app_guest (id, uid, name, email, phone, name_key, email_key, phone_key, created_at)
SELECT i, gen_random_uuid(), 'Guest Number ' || i, 'guest.' || i || '@example.com',
       '+420 20' || lpad(i::text, 7, '0'), 'guest number ' || i, 'guest.' || i || '@example.com',
       '+42020' || lpad(i::text, 7, '0'), now() - interval '2 years'
FROM generate_series(1, {guests}) AS i
"""
_WORDS = """
INSERT INTO sessions_app_guestword (guest_id, word)
SELECT i, word FROM generate_series(1, {guests}) AS i, unnest(ARRAY['guest', 'number', i::text]) AS word
"""
_SESSIONS = """
INSERT INTO sessions_app_session (
  id, uid, webchat_id, guest_id, channel, status, language, created_at, accepted_at, ended_at, ended_by, waited,
  duration, operator_id, entered_name, entered_email, entered_phone, params, ip_address, user_agent, landing_page,
  referrer, note, result, feedback_stars, feedback_text, messages_visitor, messages_operator, attachments_count,
  entry_key, room_key, anonymized_in)
SELECT i, CASE WHEN named THEN gen_random_uuid() END, webchat, CASE WHEN named THEN guest END,
       CASE WHEN i % {phone_every} = 3 THEN 'phone' WHEN i % 7 = 0 THEN 'av' ELSE 'chat' END,
       CASE WHEN is_open THEN 'active' ELSE 'closed' END, 'en', at,
       CASE WHEN named THEN at + interval '30 seconds' END, CASE WHEN NOT is_open THEN at + interval '9 minutes' END,
       CASE WHEN is_open THEN '' ELSE 'visitor' END, interval '30 seconds',
       CASE WHEN NOT is_open THEN interval '9 minutes' END, {operator} + i % 8,
       CASE WHEN named THEN 'Guest Number ' || guest ELSE '' END,
       CASE WHEN named THEN 'guest.' || guest || '@example.com' ELSE '' END,
       CASE WHEN named THEN '+420 20' || lpad(guest::text, 7, '0') ELSE '' END,
       CASE WHEN named THEN jsonb_build_object('customer_number', 'C-' || i) ELSE '{{}}'::jsonb END,
       CASE WHEN named THEN '203.0.113.7'::inet END,
       CASE WHEN named THEN 'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0' ELSE '' END,
       CASE WHEN named THEN 'https://shop.example.com/catalogue/' || i ELSE '' END, '',
       CASE WHEN named AND i % 4 = 0 THEN 'Called back, all clear.' ELSE '' END, '', 1 + i % 5, '',
       2, 2, 0, md5(i::text) || md5('e' || i), CASE WHEN named THEN md5('r' || i) || md5('o' || i) END,
       CASE WHEN NOT named THEN now() END
FROM (
  SELECT i, 1 + i % {guests} AS guest, i % 20 <> 7 AS named, i BETWEEN {last} - 20 AND {last} AS is_open,
         {webchat} + width_bucket(i % 100 * 79 % 100, ARRAY{bounds}) AS webchat,
         CASE WHEN i <= {last} THEN now() - interval '1 minute' - ({last} - i) * (interval '730 days' / {last})
              ELSE '{day} 08:00'::timestamp AT TIME ZONE 'Europe/Prague' + (i - {last}) * interval '1 minute' END AS at
  FROM generate_series(1, {sessions}) AS i) AS rows
"""
_EVENTS = """
INSERT INTO sessions_app_consentevent (session_id, text_id, kind, day, channel)
SELECT s.id, texts.ids[1 + s.id % array_length(texts.ids, 1)], 'given', s.created_at::date, s.channel
FROM sessions_app_session s JOIN (
  SELECT v.webchat_id, array_agg(t.id ORDER BY t.id) AS ids
  FROM webchat_consenttext t JOIN webchat_consentversion v ON v.id = t.version_id
  GROUP BY v.webchat_id) AS texts USING (webchat_id)
ORDER BY s.id
"""
_MESSAGES = """
INSERT INTO sessions_app_message (session_id, at, sender, text)
SELECT id, created_at + n * interval '40 seconds', CASE n WHEN 1 THEN 'visitor' ELSE 'operator' END,
       repeat('{sentence}', 4)
FROM sessions_app_session, generate_series(1, 2) AS n
WHERE id % {with_messages} = 0
"""
_TABLES = (
    "sessions_app_guest",
    "sessions_app_guestword",
    "sessions_app_session",
    "sessions_app_consentevent",
    "sessions_app_message",
)


def load(sessions: int, *, first_operator: int) -> None:
    """Fill the database. ``first_operator`` is the first of eight users with consecutive ids."""
    webchats = [_webchat(number, gdpr=number < 3) for number in range(len(WEIGHTS))]
    bounds = [sum(WEIGHTS[: n + 1]) for n in range(len(WEIGHTS) - 1)]
    values = {
        "sessions": sessions,
        "last": sessions - ON_DAY,
        "guests": sessions * 6 // 10,
        "webchat": webchats[0].pk,
        "bounds": bounds,
        "operator": first_operator,
        "day": DAY.isoformat(),
        "sentence": SENTENCE,
        "with_messages": WITH_MESSAGES,
        "phone_every": sessions // BY_PHONE,
    }
    with connection.cursor() as cursor:
        # The rows obey the triggers' rules. A million checks would only take longer.
        for table in _TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in (_GUESTS, _WORDS, _SESSIONS, _EVENTS, _MESSAGES):
            cursor.execute(statement.format(**values))
        for table in _TABLES:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
            )
        cursor.execute("VACUUM ANALYZE")


def _webchat(number: int, *, gdpr: bool) -> WebChat:
    form = EntryForm.GDPR if gdpr else EntryForm.STANDARD
    webchat = WebChat.objects.create(
        name=f"WebChat {number}", entry_form=form, languages=["en", "cs"]
    )
    for version in range(3 if gdpr else 0):
        texts = {
            code: DraftText(f"I agree {version}", f"<p>Text {version} {code}</p>")
            for code in ("en", "cs")
        }
        publish_consent(webchat, texts=texts, based_on=version, published_by=None)
    assert ConsentText.objects.filter(version__webchat=webchat).count() == (6 if gdpr else 0)
    return webchat
