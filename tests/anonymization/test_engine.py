"""Test that the engine erases all data of the subject and no other data.

It does so once, with a constant number of statements.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anonymization import engine
from anonymization.files import delete_pending_files
from anonymization.ledger import recording
from anonymization.ledger.chain import subject_of
from anonymization.models import AwaitingFiles, Erasure, FileDeletion, Source
from sessions_app.models import Attachment, ConsentEvent, Guest, GuestWord, Message, Session
from tests.bystander import besides, media_besides
from tests.database import Rows, digest, dump
from tests.factories import (
    AttachmentFactory,
    MessageFactory,
    SessionFactory,
    StaffFactory,
    WebChatFactory,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bystander")]

COMMAND = recording.Requester(Source.COMMAND)


@pytest.fixture
def conversation(django_capture_on_commit_callbacks: Any) -> Session:
    return talk(SessionFactory())


def talk(session: Session, words: str = "hello") -> Session:
    MessageFactory(session=session, text=words)
    AttachmentFactory(session=session, content=words.encode(), original_name=f"{words}.txt")
    return session


def others(before: Rows, after: Rows, *, touched: set[str]) -> None:
    """Assert that no row was changed or lost outside the tables that an erasure may touch."""
    for table in before.keys() - touched:
        assert before[table] == after[table], table


def test_session_is_emptied_and_keeps_its_shell(conversation: Session) -> None:
    SessionFactory(
        webchat=conversation.webchat
    )  # another session of the same person, so that the guest is kept
    uid = conversation.uid
    erasure = engine.erase(conversation, requester=COMMAND)

    assert erasure
    conversation.refresh_from_db()
    assert (conversation.entered_name, conversation.entered_email, conversation.entered_phone) == (
        "",
        "",
        "",
    )
    assert (conversation.guest_id, conversation.ip_address, conversation.room_key) == (
        None,
        None,
        None,
    )
    assert (conversation.params, conversation.user_agent, conversation.note) == ({}, "", "")
    assert (conversation.status, conversation.messages_visitor, conversation.attachments_count) == (
        "closed",
        1,
        1,
    )
    assert not conversation.messages.exists()
    assert not conversation.attachments.exists()
    assert (conversation.anonymized_in, conversation.uid) == (
        timezone.localdate().replace(day=1),
        None,
    )
    assert ConsentEvent.objects.filter(session=conversation).count() == 1
    assert besides(Guest).get().name == "Jana Nováková"
    assert erasure.counts["sessions_app.Session"] == 1
    assert (erasure.subjects, erasure.rows) == ([subject_of(uid)], 1)
    text = conversation.consented_text
    assert erasure.evidence == [
        ("sessions_app.ConsentEvent", conversation.webchat_id, text.version.number, "en", "given")
    ]


def test_times_keep_the_local_day_only(conversation: Session, settings: Any) -> None:
    settings.ERASURE_TIME_PRECISION = "day"
    day = timezone.localtime(conversation.created_at).date()
    engine.erase(conversation, requester=COMMAND)
    conversation.refresh_from_db()
    for moment in (conversation.created_at, conversation.ended_at):
        assert moment is not None
        local = timezone.localtime(moment)
        assert (local.date(), local.time().isoformat()) == (day, "00:00:00")
    assert conversation.accepted_at is None


def test_last_session_takes_the_guest_with_it(conversation: Session) -> None:
    guest = conversation.guest
    assert guest is not None
    second = SessionFactory(webchat=conversation.webchat)
    engine.erase(conversation, requester=COMMAND)
    guest.refresh_from_db()
    assert (guest.anonymized_in, guest.name) == (None, "Jana Nováková")

    erasure = engine.erase(second, requester=COMMAND)

    guest.refresh_from_db()
    assert guest.anonymized_in is not None
    assert (
        guest.name,
        guest.email,
        guest.phone,
        guest.email_key,
        guest.phone_key,
        guest.name_key,
    ) == ("",) * 6
    assert erasure.counts["sessions_app.Guest"] == 1


def test_guest_goes_whole_and_others_stay(conversation: Session) -> None:
    stranger = talk(
        SessionFactory(webchat=conversation.webchat, name="Petr Malý", email="petr@example.com"),
        "stranger",
    )
    talk(SessionFactory(webchat=conversation.webchat), "again")
    guest = conversation.guest
    assert guest is not None
    of_stranger = [Guest.objects.filter(pk=stranger.guest_id), Session.objects.filter(pk=stranger.pk),
                   Message.objects.filter(session=stranger), Attachment.objects.filter(session=stranger)]  # fmt: skip
    before, rows_before = digest(), [list(rows.values()) for rows in of_stranger]

    erasure = engine.erase(guest, requester=COMMAND)

    assert [list(rows.values()) for rows in of_stranger] == rows_before
    others(
        before,
        digest(),
        touched={
            m._meta.db_table
            for m in (
                Guest,
                GuestWord,
                Session,
                Message,
                Attachment,
                Erasure,
                FileDeletion,
                AwaitingFiles,
            )
        },
    )
    assert erasure.counts == {
        "sessions_app.Attachment": 2,
        "sessions_app.Guest": 1,
        "sessions_app.Message": 2,
        "sessions_app.Session": 2,
        "sessions_app.Signal": 0,
        "sessions_app.LifeSign": 0,
    }
    assert "Jana" not in dump()
    assert "Petr" in dump()


def test_repeated_call_changes_nothing(conversation: Session) -> None:
    guest = conversation.guest
    assert guest is not None
    assert engine.erase(guest, requester=COMMAND)
    before = digest()
    for subject in (guest, conversation, Session.objects.get(pk=conversation.pk)):
        assert engine.erase(subject, requester=COMMAND) is None
    assert digest() == before


def test_every_row_of_an_act_awaits_its_files_until_they_are_gone(
    conversation: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = SessionFactory(webchat=conversation.webchat)
    guest, other = conversation.guest, SessionFactory(email="petr@example.com")
    monkeypatch.setattr(recording, "delete_files_of", lambda _ids: 0)
    engine.erase(guest, requester=COMMAND)
    rows = [guest, conversation, second]
    assert [engine.pending_files(row) for row in [*rows, other]] == [1, 1, 1, 0]
    assert delete_pending_files() == 0
    assert [engine.pending_files(row) for row in rows] == [0, 0, 0]
    assert not AwaitingFiles.objects.exists()


def test_a_returning_person_is_a_new_guest(conversation: Session) -> None:
    guest = conversation.guest
    assert guest is not None
    engine.erase(guest, requester=COMMAND)
    assert SessionFactory(webchat=conversation.webchat).guest_id != guest.pk


@pytest.mark.parametrize("kind", ["session", "last session", "guest"])
def test_number_of_statements_does_not_grow(
    kind: str, django_capture_on_commit_callbacks: Any
) -> None:
    counted = []
    for number in (1, 2, 30):
        webchat, email = WebChatFactory(), f"guest{number}@example.com"
        count = {"session": 2, "last session": 1, "guest": number}[kind]
        sessions = SessionFactory.create_batch(count, webchat=webchat, email=email)
        for session in sessions if kind == "guest" else [sessions[0]] * number:
            talk(session)
        subject = sessions[0].guest if kind == "guest" else sessions[0]
        assert subject is not None
        with (
            CaptureQueriesContext(connection) as queries,
            django_capture_on_commit_callbacks(execute=True),
        ):
            erasure = engine.erase(subject, requester=COMMAND)
        assert erasure.counts["sessions_app.Attachment"] == number
        assert erasure.pending_files == 0
        on_chat_tables = [q for q in queries.captured_queries if "sessions_app_" in q["sql"]]
        counted.append((len(queries), len(on_chat_tables)))
    # A single session needs no search for sessions with the same values.
    assert counted[0] <= counted[1] == counted[2]
    assert counted[1][0] <= 40
    assert counted[1][1] <= 11


def test_stored_files_go_after_the_commit(
    conversation: Session, django_capture_on_commit_callbacks: Any
) -> None:
    assert len(media_besides()) == 1
    with django_capture_on_commit_callbacks() as callbacks:
        erasure = engine.erase(conversation, requester=COMMAND)
    assert len(media_besides()) == 1
    assert erasure.pending_files == 1
    for callback in callbacks:
        callback()
    assert media_besides() == {}
    assert erasure.pending_files == 0


def test_file_that_can_not_be_deleted_stays_queued(
    conversation: Session, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core.files.storage import FileSystemStorage

    from anonymization.files import delete_pending_files

    def refuse(self: object, name: str) -> None:
        raise OSError(name)

    with monkeypatch.context() as patch:
        patch.setattr(FileSystemStorage, "delete", refuse)
        with django_capture_on_commit_callbacks(execute=True):
            erasure = engine.erase(conversation, requester=COMMAND)
        assert erasure.pending_files == 1
        assert FileDeletion.objects.get().attempts == 1
    assert delete_pending_files() == 0
    assert media_besides() == {}
    assert erasure.pending_files == 0


def test_upload_that_died_half_way_is_deleted_later(
    conversation: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from anonymization import files

    monkeypatch.setattr(
        Attachment, "save", lambda *args, **kwargs: (_ for _ in ()).throw(SystemExit)
    )
    monkeypatch.setattr("django.core.files.storage.FileSystemStorage.delete", lambda *args: None)
    with pytest.raises(SystemExit), transaction.atomic():
        talk(conversation, "half")
    monkeypatch.undo()
    (orphan,) = set(media_besides()) - {
        attachment.file.name for attachment in Attachment.objects.all()
    }
    # A killed process does not clean up.
    FileDeletion.objects.create(name=orphan)
    assert files.delete_pending_files() == 0
    assert orphan in media_besides(), "an upload has an hour to finish"
    monkeypatch.setattr(files, "UPLOAD_MAY_TAKE", timedelta(0))
    assert files.delete_pending_files() == 0
    assert len(media_besides()) == besides(Attachment).count() == 1
    assert not FileDeletion.objects.exists()


def test_stored_upload_is_queued_no_more(conversation: Session) -> None:
    assert (len(media_besides()), FileDeletion.objects.count()) == (1, 0)


def test_anything_but_what_was_shown_is_refused(conversation: Session) -> None:
    guest = conversation.guest
    assert guest is not None
    shown = engine.preview(guest).shown
    again = SessionFactory(webchat=conversation.webchat)
    wider = engine.preview(guest).shown
    before = digest()
    said = r"^The data to be erased has changed since you saw it\. Nothing was erased\.$"
    for other in (
        shown,
        {},
        {"sessions_app.Session": wider["sessions_app.Session"]},
        wider | {"webchat.WebChat": engine.fingerprint([1])},
        wider | {"sessions_app.Session": "2"},
    ):
        with pytest.raises(engine.SubjectChanged, match=said):
            engine.erase(guest, requester=COMMAND, expected=other)
    # The page of a session announced the erasure of the guest, but the guest has a new session.
    with pytest.raises(engine.SubjectChanged):
        engine.erase(conversation, requester=COMMAND, expected=shown)
    assert digest() == before
    # The number is the same, but the sessions are not.
    engine.erase(again, requester=COMMAND)
    SessionFactory(webchat=conversation.webchat)
    with pytest.raises(engine.SubjectChanged):
        engine.erase(guest, requester=COMMAND, expected=wider)
    assert engine.erase(guest, requester=COMMAND, expected=engine.preview(guest).shown)


def test_row_outside_the_subject_rolls_everything_back(
    conversation: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(SessionFactory(webchat=conversation.webchat, email="petr@example.com"))
    original = engine._apply

    def too_much(policy: Any, *args: Any) -> int:
        return (
            Message.objects.all().delete()[0]
            if policy.model is Message
            else original(policy, *args)
        )

    monkeypatch.setattr(engine, "_apply", too_much)
    before = digest()
    said = r"^The erasure would have changed rows that do not belong to this person, so it was rolled back\.$"
    with pytest.raises(engine.OutsideSubject, match=said):
        engine.erase(conversation, requester=COMMAND)
    assert digest() == before


@pytest.mark.parametrize("pk", [None, "", 0, -1, "1", True, 1.0, [1]])
def test_nothing_but_a_stored_subject_is_erased(conversation: Session, pk: Any) -> None:
    before = digest()
    for fake in (Session(pk=pk), Guest(pk=pk), Message(pk=pk)):
        fake._state.adding = False
        for attempt in (lambda s: engine.erase(s, requester=COMMAND), engine.preview):
            with pytest.raises(
                engine.NotErasable, match=r"^This guest or session is not stored here\.$"
            ):
                attempt(fake)
    with pytest.raises(engine.NotErasable, match=r"^This guest or session is not stored here\.$"):
        engine.erase(Session(), requester=COMMAND)
    assert digest() == before


def test_a_fingerprint_tells_how_many_and_which() -> None:
    assert re.fullmatch(r"2-[0-9a-f]{32}", engine.fingerprint([2, 1]))
    assert engine.fingerprint([2, 1]) == engine.fingerprint([1, 2]) != engine.fingerprint([1, 3])
    assert len(engine.fingerprint(range(10**5))) <= 50


def test_a_preview_counts_what_an_erasure_takes(conversation: Session) -> None:
    guest = conversation.guest
    assert guest is not None
    talk(SessionFactory(webchat=conversation.webchat), "again")
    preview = engine.preview(guest)
    assert preview.shown.keys() == {"sessions_app.Guest", "sessions_app.Session"}
    assert preview.shown["sessions_app.Guest"] == engine.fingerprint([guest.pk])
    assert {policy.label: count for policy, count in preview.lines} == preview.counts
    assert preview.counts == engine.erase(guest, requester=COMMAND).counts


def several() -> list[Session]:
    """Return both sessions of a guest, one of a guest who has more, and an anonymized one."""
    webchat = WebChatFactory()
    first, last = (
        SessionFactory(webchat=webchat, email="a@example.com", messages=[words]) for words in "ab"
    )
    left = SessionFactory(webchat=webchat, email="b@example.com", messages=["c"])
    SessionFactory(webchat=webchat, email="b@example.com")
    gone = SessionFactory(webchat=webchat, email="c@example.com", anonymized=True)
    return [last, left, gone, first]


def test_a_preview_of_several_counts_what_their_erasures_take() -> None:
    sessions = several()
    preview = engine.preview_several(sessions)
    assert [len(preview.each[session.pk]) for session in sessions] == [1, 1, 0, 2], (
        "the last takes the guest"
    )
    taken: Counter[str] = Counter()
    for session in sessions:
        record = engine.erase(session, requester=COMMAND, expected=preview.each[session.pk] or None)
        taken.update(record.counts if record else {})
    assert preview.counts == {label: taken[label] for label in preview.counts}
    assert not +(taken - Counter(preview.counts))
    assert taken["sessions_app.Guest"] == 1
    assert not any(engine.preview_several(sessions).each.values()), "erased by now"


def test_a_preview_of_several_guests_is_that_of_each() -> None:
    several()
    guests = list(Guest.objects.filter(anonymized_in=None))
    preview = engine.preview_several(guests)
    assert preview.each == {guest.pk: engine.preview(guest).shown for guest in guests}
    assert Counter(preview.counts) == sum(
        (Counter(engine.preview(g).counts) for g in guests), Counter()
    )


def test_a_preview_of_several_is_of_one_model(conversation: Session) -> None:
    assert engine.preview_several([]).lines == []
    with pytest.raises(engine.NotErasable):
        engine.preview_several([conversation, conversation.guest])
    with pytest.raises(engine.NotErasable):
        engine.preview_several([Session()])


def test_the_queries_of_a_preview_do_not_grow_with_the_subjects() -> None:
    counts = []
    for sessions in ([SessionFactory()], several() + several()):
        with CaptureQueriesContext(connection) as queries:
            engine.preview_several(sessions)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_record_says_who_asked_and_when(conversation: Session) -> None:
    user = StaffFactory(role="support")
    before = timezone.now()
    record = engine.erase(conversation, requester=recording.Requester(Source.PAGE, user))
    record.refresh_from_db()
    assert (record.door, record.requester, record.requested_by, record.client) == (
        "page",
        "staff",
        user,
        None,
    )
    assert before <= record.created_at <= timezone.now()
    assert record.day == timezone.localdate(record.created_at)
    assert record.facts_hold


def test_nothing_is_announced_outside_of_an_erasure() -> None:
    with pytest.raises(RuntimeError, match=r"^a record is announced within erasing\(\) only$"):
        recording.announce([Erasure()])


def test_records_are_numbered_in_order(conversation: Session) -> None:
    second = SessionFactory(webchat=conversation.webchat, email="petr@example.com")
    records = [engine.erase(s, requester=COMMAND) for s in (conversation, second)]
    assert [record.number for record in records] == [1, 2]
