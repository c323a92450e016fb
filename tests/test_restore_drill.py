"""Test a restore: a person who was erased after the backup is erased again. Other people are unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from anonymization import engine, restoration
from anonymization.ledger import external_copy, recording
from anonymization.ledger.chain import BrokenChain, Entry, subject_of
from anonymization.models import Erasure, Note, Source
from anonymization.restoration import Standing, standing
from mluvii_gdpr import readiness
from sessions_app.models import Guest, Session
from tests.anonymization.test_ledger import chain
from tests.backups import backup
from tests.database import digest, dump, media, media_contains
from tests.factories import AttachmentFactory, ErasureFactory, SessionFactory, WebChatFactory
from tests.pages import LogIn, entry_url
from webchat.models import WebChat

pytestmark = pytest.mark.django_db(transaction=True)

COMMAND = recording.Requester(Source.COMMAND)


@pytest.fixture
def ledger(settings: Any, tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "ledger").mkdir()
    settings.ERASURE_LEDGER_DIR = tmp_path / "ledger"
    readiness.ledger.forget()
    restoration.begin_copy(requester=COMMAND)
    yield tmp_path / "ledger" / external_copy.FILE
    readiness.ledger.forget()


def visit(webchat: WebChat, who: str) -> Session:
    """Return a session with messages of both sides and a file. All values contain ``who``."""
    name, email, messages = f"Kanar {who}", f"{who}@example.com", [f"This is {who}"]
    session = SessionFactory(webchat=webchat, name=name, email=email, messages=messages)
    AttachmentFactory(
        session=session, content=f"File of {who}".encode(), original_name=f"{who}.txt"
    )
    return session


def erase(subject: Any) -> Erasure:
    return ErasureFactory(subject=subject)


def run(command: str, *arguments: str) -> str:
    printed = StringIO()
    call_command(command, *arguments, stdout=printed)
    return printed.getvalue()


def holds(word: str) -> bool:
    return word in dump() or media_contains(word.encode())


def killed_after(records: int) -> Callable[[], None]:
    left = iter(range(records - 1))

    def done() -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    return done


def test_the_drill(ledger: Path, tmp_path: Path, log_in: LogIn, webchat: WebChat) -> None:
    administrator, support = log_in("administrator"), log_in("support")
    anna, boris, cyril = (visit(webchat, who) for who in ("anna", "boris", "cyril"))
    visit(webchat, "anna")
    boris_again = visit(webchat, "boris")
    with backup(tmp_path) as made:
        newcomers = [visit(webchat, who) for who in ("dora", "emil", "franta")]
        records = [
            erase(subject) for subject in (anna.guest, boris, newcomers[0].guest, newcomers[1])
        ]
        head = recording.head()

        made.restore()
        after = [visit(webchat, who) for who in ("gustav", "hana", "ivan")]
        assert [s.pk for s in after] == [s.pk for s in newcomers], (
            "they got the numbers of erased ones"
        )
        assert holds("anna"), "the backup brought them back"
        assert holds("This is boris")

        # Boot.
        readiness.ledger.forget()
        readiness.report_at_start()
        ready = Client().get("/readyz")
        assert (ready.status_code, ready.json()["problems"]) == (503, ["ledger.behind"])
        assert Client().get("/livez").status_code == 200
        assert Client().get("/accounts/login/").status_code == 200
        for url in (
            entry_url(webchat),
            "/",
            "/sessions/",
            f"/sessions/{anna.pk}/",
            "/api/v1/Sessions",
        ):
            assert administrator.get(url).status_code == 503, url
        with pytest.raises(recording.DatabaseBehind):
            erase(cyril)
        assert support.get("/erasures/replay/").status_code == 403
        page = administrator.get("/erasures/replay/")
        assert page.context["plan"].missing == [record.entry for record in records]
        assert len(page.context["plan"].subjects) == 4

        before, files_before, copied = digest(), media(), ledger.read_text()
        planned = json.loads(run("replay_erasures", "--dry-run", "--json"))
        assert planned == {"records": 4, "unfinished": 0, "subjects": 4, "dry_run": True}
        assert run("replay_erasures", "--dry-run") == (
            "4 records are missing; 0 erasures were begun and never ended. Subjects of them in the database: 4.\n"
        )
        assert not restoration.carry_out(restoration.plan(), requester=COMMAND, within=0), (
            "no time for one"
        )
        assert (digest(), media()) == (before, files_before)

        # The first run is killed after the second record. The next ones run to the end, and again.
        with pytest.raises(KeyboardInterrupt):
            restoration.carry_out(restoration.plan(), requester=COMMAND, done=killed_after(2))
        assert recording.head() == records[1].entry.head
        assert ledger.read_text() == copied, "what is sealed already is not written again"
        assert administrator.post("/erasures/replay/", follow=True).status_code == 200
        assert "0 records were imported" in run("replay_erasures")

    assert not holds("anna")
    assert Session.objects.get(pk=boris_again.pk).anonymized_in is None
    assert Session.objects.get(pk=boris.pk).anonymized_in
    assert Guest.objects.get(pk=anna.guest_id).anonymized_in
    gone = {
        table: len(rows - digest()[table])
        for table, rows in before.items()
        if table != "django_session"
    }
    assert {table: n for table, n in gone.items() if n} == {
        "sessions_app_guest": 1, "sessions_app_guestword": 2, "sessions_app_session": 3,
        "sessions_app_message": 3, "sessions_app_attachment": 3,
    }  # fmt: skip
    assert media().items() <= files_before.items()
    assert len(files_before) - len(media()) == 3
    for who in ("cyril", "gustav", "hana", "ivan"):
        assert holds(f"This is {who}")
        assert holds(f"File of {who}")
    chain = list(Erasure.objects.order_by("number"))
    assert [e.entry for e in chain[1:5]] == [record.entry for record in records]
    assert chain[4].entry.head == head
    assert [(e.kind, e.number) for e in chain[5:]] == [(Note.REPLAYED, 6)]
    assert [(e.door, e.requested_by and e.requested_by.username) for e in chain[1:]] == [
        *[("replay", None)] * 2, *[("replay", "administrator")] * 2, ("page", "administrator"),
    ]  # fmt: skip
    assert len(ledger.read_text().splitlines()) == len(copied.splitlines()) + 2, (
        "intent and seal of the note"
    )
    assert standing() is Standing.EVEN
    assert "The ledger is valid: 6 records" in run("verify_ledger")
    readiness.ledger.forget()
    assert Client().get("/readyz").status_code == 200
    assert Client().get(entry_url(webchat)).status_code == 200
    erase(cyril)
    assert "The ledger is valid: 7 records" in run("verify_ledger")


# One by one ---------------------------------------------------------------------------------------------------


def test_an_intent_alone_is_carried_out_before_the_next_erasure(
    ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, webchat: WebChat
) -> None:
    anna, boris = visit(webchat, "anna"), visit(webchat, "boris")
    with monkeypatch.context() as patched, backup(tmp_path) as made:
        patched.setattr(external_copy, "write_seal", lambda entry: None)
        entry = erase(anna).entry
        made.restore()
    assert standing() is Standing.UNFINISHED
    assert holds("anna")
    erase(boris)
    assert not holds("anna")
    assert standing() is Standing.EVEN
    assert Erasure.objects.get(number=2).entry == entry
    assert "The ledger is valid" in run("verify_ledger")


def test_a_replay_carries_out_intents_behind_the_newest_seal_too(
    ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, webchat: WebChat
) -> None:
    anna, boris = visit(webchat, "anna"), visit(webchat, "boris")
    with backup(tmp_path) as made:
        sealed = erase(anna).entry
        monkeypatch.setattr(external_copy, "write_seal", lambda entry: None)
        unsealed = erase(boris).entry
        made.restore()
    monkeypatch.undo()
    assert standing() is Standing.BEHIND
    with pytest.raises(recording.DatabaseBehind):
        erase(visit(webchat, "cyril"))
    assert "2 records were imported" in run("replay_erasures")
    assert not holds("anna")
    assert not holds("boris")
    records = list(Erasure.objects.order_by("number"))
    assert [record.entry for record in records[1:3]] == [sealed, unsealed]
    assert [record.kind for record in records[3:]] == ["redo", "replayed"]
    assert standing() is Standing.EVEN
    assert "The ledger is valid" in run("verify_ledger")


def test_an_intent_whose_place_was_taken_counts_as_an_erasure(
    ledger: Path, webchat: WebChat
) -> None:
    """Such copies are no longer written. A copy that was begun earlier may have these lines."""
    anna, boris = visit(webchat, "anna"), visit(webchat, "boris")
    head = recording.head()
    erase(boris)
    lines = ledger.read_text().splitlines(keepends=True)
    lost = Entry(
        head.sequence + 1,
        "sessions_app.Session",
        (subject_of(anna.uid),),
        "",
        "2026-11-25",
        "system",
        head.hash,
        version=1,
    )
    lines.insert(-2, json.dumps({"intent": lost.as_fields()}, separators=(",", ":")) + "\n")
    ledger.write_text("".join(lines))
    assert "0 records were imported; 1 erasures" in run("replay_erasures")
    assert not holds("anna")
    assert "0 erasures" in run("replay_erasures")


def test_a_long_replay_never_passes_for_the_end(
    ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, webchat: WebChat
) -> None:
    """A short part of the end is enough: no second seal is added, and the newest seal is found."""
    people = [visit(webchat, f"person{number}") for number in range(6)]
    with backup(tmp_path) as made:
        for session in people:
            erase(session)
        made.restore()
    monkeypatch.setattr(external_copy, "_TAIL", 200)
    for replayed in range(1, 6):
        with pytest.raises(KeyboardInterrupt):
            restoration.carry_out(restoration.plan(), requester=COMMAND, done=killed_after(1))
        assert recording.head().sequence == 1 + replayed
        assert standing() is Standing.BEHIND
        with pytest.raises(recording.DatabaseBehind):
            erase(visit(webchat, "newcomer"))
    assert restoration.carry_out(restoration.plan(), requester=COMMAND), "all is done"
    assert standing() is Standing.EVEN
    assert "The ledger is valid" in run("verify_ledger")


def test_the_newest_seal_is_found_before_any_number_of_lines(
    ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, webchat: WebChat
) -> None:
    anna, boris = visit(webchat, "anna"), visit(webchat, "boris")
    with backup(tmp_path) as made:
        erase(anna)
        made.restore()
    monkeypatch.setattr(external_copy, "_TAIL", 10)
    with ledger.open("a") as copy:
        copy.write('{"void":{"hash":"x","sequence":9}}\n' * 50)
    assert standing() is Standing.BEHIND
    with pytest.raises(recording.DatabaseBehind):
        erase(boris)


def test_a_void_intent_is_no_erasure(ledger: Path) -> None:
    session = visit(WebChatFactory(), "anna")
    with pytest.raises(ZeroDivisionError):
        erase_and_fail(session)
    assert standing() is Standing.EVEN
    run("replay_erasures")
    assert holds("anna")


def erase_and_fail(session: Session) -> None:
    with recording.erasing():
        erase(session)
        raise ZeroDivisionError


def test_a_person_who_was_erased_with_the_last_session_is_found_by_both_records(
    ledger: Path, tmp_path: Path, webchat: WebChat
) -> None:
    first, second = visit(webchat, "anna"), visit(webchat, "anna")
    with backup(tmp_path) as made:
        erase(first)
        erase(second)
        made.restore()
    run("replay_erasures")
    assert not holds("anna")
    assert Guest.objects.get().anonymized_in
    assert standing() is Standing.EVEN


def test_a_replay_that_another_overtook_changes_nothing_twice(ledger: Path, tmp_path: Path) -> None:
    anna = visit(WebChatFactory(), "anna")
    with backup(tmp_path) as made:
        erase(anna)
        made.restore()
    planned = restoration.plan()
    run("replay_erasures")
    before = digest()
    said = r"^Another process has written to the erasure ledger\. Nothing was changed\.$"
    with pytest.raises(engine.Overtaken, match=said):
        restoration.carry_out(planned, requester=COMMAND)
    assert digest() == before


def test_an_entry_erases_only_the_people_it_names(
    ledger: Path, tmp_path: Path, webchat: WebChat
) -> None:
    anna, boris = visit(webchat, "anna"), visit(webchat, "boris")
    with backup(tmp_path) as made:
        entry: Entry = erase(anna).entry
        made.restore()
    assert subject_of(anna.uid) in entry.subjects
    before = digest()
    said = r"^This record belongs to somebody else\. Nothing was erased\.$"
    with pytest.raises(engine.OutsideSubject, match=said):
        engine.replay(entry, [boris], sealed=True, requester=COMMAND)
    assert digest() == before


def test_a_second_restore_is_recorded_as_well(ledger: Path, tmp_path: Path) -> None:
    anna = visit(WebChatFactory(), "anna")
    with backup(tmp_path) as made:
        erase(anna)
        for times in (1, 2):
            made.restore()
            run("replay_erasures")
            assert Erasure.objects.filter(kind=Note.REPLAYED).count() == times
    assert not holds("anna")
    assert "The ledger is valid" in run("verify_ledger")


# Missing and foreign copies -----------------------------------------------------------------------------------


def status(url: str = "/") -> int:
    readiness.ledger.forget()
    return Client().get(url).status_code


def test_a_copy_that_is_not_there_closes_everything_until_one_is_begun(ledger: Path) -> None:
    session = visit(WebChatFactory(), "anna")
    ledger.rename(ledger.with_suffix(".lost"))
    assert standing() is Standing.MISSING
    assert (status(), status("/readyz"), status("/livez")) == (503, 503, 200)
    with pytest.raises(recording.LedgerUnavailable):
        erase(session)
    with pytest.raises(
        CommandError,
        match=r"^The external copy can't be read: No such file or directory\. Mount the volume",
    ):
        run("replay_erasures")
    said = run("begin_ledger_copy")
    assert said == f"The external copy has 2 records. Latest hash: {recording.head()}\n"
    assert Erasure.objects.get(number=2).kind == Note.COPY_BEGUN, "the override is recorded"
    assert status("/readyz") == 200
    erase(session)
    assert "The ledger is valid: 3 records" in run("verify_ledger")
    with pytest.raises(CommandError, match=r"^There is an external copy already\.$"):
        run("begin_ledger_copy")


def test_a_copy_of_another_ledger_closes_everything(ledger: Path, tmp_path: Path) -> None:
    session = visit(WebChatFactory(), "anna")
    with backup(tmp_path) as made:
        erase(session)
        other = ledger.read_text()
        made.restore()
    ledger.write_text("".join(other.splitlines(keepends=True)[:2]))
    erase(visit(WebChatFactory(), "boris"))
    ledger.write_text(other)
    assert standing() is Standing.FOREIGN
    assert status() == 503
    before = digest()
    with pytest.raises(CommandError, match=r"^record 2: differs from the external copy$"):
        run("replay_erasures")
    with pytest.raises(recording.DatabaseBehind):
        erase(session)
    assert digest() == before


def test_an_intent_of_ours_does_not_make_a_copy_ours(ledger: Path) -> None:
    record = erase(visit(WebChatFactory(), "anna"))
    (other,) = chain(1)
    text = (
        external_copy._intents([other])
        + external_copy._settled("seal", other)
        + external_copy._intents([record.entry])
    )
    ledger.write_text(text)
    with pytest.raises(BrokenChain, match=r"^record 1: differs from the external copy$"):
        restoration.plan()


def test_a_damaged_copy_closes_everything(ledger: Path) -> None:
    erase(visit(WebChatFactory(), "anna"))
    without_seal = ledger.read_text().splitlines(keepends=True)[:-1]
    ledger.write_text("".join(without_seal).replace('"system"', '"person"'))
    assert standing() is Standing.FOREIGN


def test_a_copy_that_cannot_be_begun_leaves_no_record(settings: Any, tmp_path: Path) -> None:
    settings.ERASURE_LEDGER_DIR = None
    said = r"^No external copy of the ledger is kept: ERASURE_LEDGER_DIR is empty\.$"
    for command in ("begin_ledger_copy", "replay_erasures"):
        with pytest.raises(CommandError, match=said):
            run(command)
    settings.ERASURE_LEDGER_DIR = tmp_path / "nowhere"
    with pytest.raises(CommandError):
        run("begin_ledger_copy")
    assert not Erasure.objects.exists()


def test_an_even_ledger_costs_no_reading(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_copy, "read", None)
    assert standing() is Standing.EVEN
    erase(visit(WebChatFactory(), "anna"))
    assert standing() is Standing.EVEN


def test_a_closed_installation_tells_each_side_in_its_words(ledger: Path) -> None:
    webchat = WebChatFactory(site="https://www.example.com")
    ledger.unlink()
    readiness.ledger.forget()
    api = Client().get("/api/v1/Sessions")
    assert (api.status_code, api.headers["Content-Type"]) == (503, "application/json")
    assert api.headers.get("Retry-After") == "60"
    for address in (entry_url(webchat), f"/c/{'0' * 64}/"):
        assert "Nothing you entered was stored" in Client().get(address).content.decode()
    framed = Client().get(entry_url(webchat)).headers
    assert "frame-ancestors https://www.example.com" in framed["Content-Security-Policy"]
    assert "X-Frame-Options" not in framed
    for address in (f"/c/{'0' * 64}/", "/w/unknown/"):
        assert Client().get(address).headers["X-Frame-Options"] == "DENY"
    assert "external copy" in Client().get("/accounts/password/reset/").content.decode()
