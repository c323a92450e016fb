"""Test that the verifier finds whatever an erasure forgets, for each eraser and each place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connection

from anonymization import engine, files, triggers
from anonymization.canary import places
from anonymization.canary.run import Hit, Report, Run, not_planted, verify
from anonymization.ledger import recording
from anonymization.policy import Policy, registry
from anonymization.storage import mark_storage
from sessions_app.models import Guest, ReceiptTerms, Session
from tests.database import digest, media
from tests.factories import StaffFactory, WebChatFactory

pytestmark = pytest.mark.django_db

ERASERS = [
    *((p.label, name) for _path, p in registry.reaching(Guest) for name in p.erase),
    *((p.label, "delete") for _path, p in registry.reaching(Guest) if p.delete),
]
#: The ways in which a file could stay behind.
FILE_ERASERS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "queue": (engine, "_queue_files", lambda *args: None),
    "storage": (files, "_delete_stored", lambda name: True),
}


class _Undo(Exception):
    """Rolls an erasure back."""


@pytest.fixture
def run(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Return a run that has stored and found all canaries."""
    StaffFactory()
    ReceiptTerms.objects.create(webchat=WebChatFactory(), content="{}")
    # Otherwise the database would refuse to seal a row that is not cleared. The same registry
    # creates the triggers.
    triggers.drop(connection)
    policy = registry.get(Session)
    # Without triggers, a withdrawal can be planted and taken away again.
    monkeypatch.setitem(
        registry._policies, "sessions_app.session", replace(policy, cleared_with_mark=())
    )
    with Run(choices=True) as made:
        made.plant()
        assert made.missed() == []
        yield made


@pytest.fixture
def hits(
    run: Run, tmp_path: Path, django_capture_on_commit_callbacks: Any
) -> Callable[[], list[Hit]]:
    """Return a function that erases, searches, and rolls the erasure back."""

    def erase_and_search() -> list[Hit]:
        shutil.copytree(django_settings.MEDIA_ROOT, tmp_path / "before")
        found = []
        try:
            with recording.erasing():
                with django_capture_on_commit_callbacks(execute=True):
                    run.erase()
                found = run.report(missed=[]).hits
                raise _Undo
        except _Undo:
            shutil.rmtree(django_settings.MEDIA_ROOT)
            (tmp_path / "before").rename(django_settings.MEDIA_ROOT)
        return found

    return erase_and_search


@contextmanager
def lacking(label: str, eraser: str) -> Iterator[None]:
    """Remove one erased item from the registry."""
    key, policy = label.lower(), registry._policies[label.lower()]
    erase = {name: value for name, value in policy.erase.items() if name != eraser}
    registry._policies[key] = replace(
        policy, erase=erase, delete=policy.delete and eraser != "delete"
    )
    try:
        yield
    finally:
        registry._policies[key] = policy


def test_each_eraser_that_lacks_is_noticed(
    hits: Callable[[], list[Hit]], monkeypatch: pytest.MonkeyPatch, subtests: Any
) -> None:
    assert hits() == [], "the control: nothing lacks"
    for label, eraser in ERASERS:
        with subtests.test(label=label, eraser=eraser), lacking(label, eraser):
            labels = {hit.label.partition(" ")[0] for hit in hits()}
            wanted = (
                {f"{label}.{eraser}"}
                if eraser != "delete"
                else set(_canaries_of(registry._policies[label.lower()]))
            )
            assert wanted <= labels
    for name, patch in FILE_ERASERS.items():
        with subtests.test(eraser=name), monkeypatch.context() as context:
            context.setattr(*patch)
            kinds = {hit.place.partition(" of ")[0] for hit in hits()}
            assert {"media: content", "media: names"} <= kinds
    assert len(ERASERS) > 25


def _canaries_of(policy: Policy) -> Iterator[str]:
    texts = {
        "sessions_app.Message": ["text"],
        "sessions_app.Attachment": ["original_name", "content_type", "file"],
        "sessions_app.Signal": ["body"],
        "sessions_app.LifeSign": ["at"],
        "sessions_app.GuestWord": ["word"],
    }
    yield from (f"{policy.label}.{name}" for name in texts[policy.label])


def test_what_was_not_planted_fails_the_control(run: Run) -> None:
    run.canaries.text("nowhere")
    assert run.missed() == ["nowhere"]


def test_a_refused_erasure_takes_everything_away_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        assert Guest.objects.count() == 1
        raise recording.LedgerUnavailable("The external copy can't be written.")

    before = digest()
    monkeypatch.setattr(engine, "erase", refuse)
    with pytest.raises(CommandError, match="can't be written"):
        call_command("verify_erasure", production=True)
    after = digest()
    assert media() == {}
    for table in before.keys() - {"webchat_webchat", "anonymization_storagemarker"}:
        assert before[table] == after[table], table


def test_nobody_meets_the_guest_at_work() -> None:
    with Run(choices=False) as made:
        made.plant()
        sessions = Session.objects.select_related("webchat")
        assert {(s.status, s.webchat.archived_at is None) for s in sessions} == {("closed", False)}
        assert Guest.objects.count() == 1


def test_with_debug_off_production_must_be_said(settings: Any) -> None:
    settings.DEBUG = False
    said = "With DEBUG off, say --production: a guest is made and erased. Nothing was done."
    with pytest.raises(CommandError, match=f"^{said}$"):
        call_command("verify_erasure")
    assert not Guest.objects.exists()


def test_dry_run_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = digest()
    call_command("verify_erasure", dry_run=True)
    said = capsys.readouterr().out.splitlines()
    call_command("verify_erasure", dry_run=True, production=True, json=True)
    plan = json.loads(capsys.readouterr().out)
    assert digest() == before
    assert plan["result"] == "would plant"
    assert {
        "sessions_app.Message.text",
        "sessions_app.Attachment.file",
        "sessions_app.Guest.name",
    } <= set(plan["planted"])
    assert plan["not_searched"] == places.out_of_reach()
    assert plan["not_planted"] == not_planted(choices=False) != not_planted(choices=True)
    assert said == [
        f"would plant: {len(plan['planted'])} values",
        *(f"would plant: {label}" for label in plan["planted"]),
        *(f"not searched: {place}" for place in plan["not_searched"]),
        *(f"not planted: {column}" for column in not_planted(choices=True)),
    ]


def test_a_storage_that_takes_no_file_is_said(settings: Any, tmp_path: Path) -> None:
    mark_storage()
    settings.MEDIA_ROOT = tmp_path / "not mounted"
    with pytest.raises(
        CommandError, match=r"^MEDIA_ROOT takes no file\. The storage lacks storage-"
    ):
        call_command("verify_erasure", production=True)
    assert not Guest.objects.exists()


def test_an_unmarked_storage_that_takes_no_file_is_said(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    (tmp_path / "storage-of-another").touch()
    with pytest.raises(
        CommandError, match=r"^MEDIA_ROOT takes no file\. The lines above say why\. Nothing"
    ):
        call_command("verify_erasure", production=True)
    assert not Guest.objects.exists()


def test_place_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=f"^There is no {tmp_path / 'nothing'} to search.$"):
        call_command("verify_erasure", also=[tmp_path / "nothing"], production=True)
    assert not Guest.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_it_runs_as_in_production(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The files of SQLite are searched too, after the commit, and first with secure_delete off."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA secure_delete=OFF")
        try:
            assert "SQLite's bytes: file" in {hit.place for hit in verify(choices=True).hits}
        finally:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA secure_delete=ON")

    call_command("verify_erasure", production=True)

    said = capsys.readouterr().out
    assert said.startswith("clean: ")
    assert "may stay" in said
    assert ("searched: SQLite's bytes" in said) == (connection.vendor == "sqlite")
    assert not Session.objects.filter(anonymized_in=None).exists()
    assert media() == {}

    log = tmp_path / "proxy.log"
    with Run(choices=False, also=[log]) as made:
        made.plant()
        log.write_text(f"GET /?name={made.canaries.text('entered name')}")
        missed = made.missed()
        made.erase()
        report = made.report(missed)
    assert [(hit.place, hit.label) for hit in report.hits] == [
        (f"files: file 0 in {log}", "entered name")
    ]
    assert not report.clean
    values = [value for canary in made.canaries for value in canary.values]
    assert not [value for value in values if value in repr(report)], "a report names no value"


COMMAND = "anonymization.management.commands.verify_erasure"


def test_the_command_says_all_that_the_report_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    stays, hit = (
        Hit("database: a.key", "key", "plain", "proof"),
        Hit("database: a.b", "name", "lower"),
    )
    clean = Report(
        ["key", "name"], [], [], [stays], {"database": 7}, ["backups"], ["a.word (short)"]
    )
    report, asked = clean, []

    def verify(**options: Any) -> Report:
        asked.append(options)
        return report

    monkeypatch.setattr(f"{COMMAND}.verify", verify)
    call_command("verify_erasure", production=True, also=[tmp_path])
    assert capsys.readouterr().out.splitlines() == [
        "clean: 2 values",
        "may stay: database: a.key holds key (plain): proof",
        "searched: database, 7 bytes",
        "not searched: backups",
        "not planted: a.word (short)",
    ]
    report = replace(clean, missed=["key"], hits=[hit])
    with pytest.raises(CommandError, match=r"^The erasure is not verified\.$"):
        call_command("verify_erasure", production=True)
    assert capsys.readouterr().out.splitlines()[:3] == [
        "failed: 2 values",
        "not found before the erasure: key",
        "found after the erasure: database: a.b holds name (lower)",
    ]
    with pytest.raises(CommandError):
        call_command("verify_erasure", production=True, json=True)
    assert json.loads(capsys.readouterr().out) == {
        "result": "failed", "planted": ["key", "name"], "missed": ["key"], "hits": [asdict(hit)],
        "allowed": [asdict(stays)], "searched": {"database": 7}, "not_searched": ["backups"],
        "not_planted": ["a.word (short)"],
    }  # fmt: skip
    assert asked == [{"choices": False, "also": also} for also in ([tmp_path], [], [])]
    for bad in (
        replace(clean, labels=[]),
        replace(clean, missed=["key"]),
        replace(clean, hits=[hit]),
    ):
        assert not bad.clean
    assert clean.clean


def test_in_development_words_of_a_choice_are_changed_too(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG = True
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(f"{COMMAND}.verify", lambda **options: asked.append(options) or _refuse())
    with pytest.raises(CommandError, match="refused"):
        call_command("verify_erasure")
    assert asked == [{"choices": True, "also": []}]


def _refuse() -> None:
    raise recording.LedgerUnavailable("refused")


def test_what_is_kept_may_stay_in_its_own_column_only(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(Session.objects.values_list("channel", flat=True)) == {"chat"}, (
        "what is kept has its own word"
    )
    key = run.canaries.text("sessions_app.Session.entry_key")
    found = run.report([])
    own = "database: sessions_app_session.entry_key"
    assert {(hit.place, hit.label) for hit in found.allowed} == {
        (own, "sessions_app.Session.entry_key")
    }
    assert all(hit.reason for hit in found.allowed)
    for name in ("guest", "status", "created_at"):
        hit = Hit("database: sessions_app_session", f"sessions_app.Session.{name}", "unchanged")
        assert hit in found.hits, "nothing was erased yet"
    Session.objects.update(note=key)
    hit = Hit("database: sessions_app_session.note", "sessions_app.Session.entry_key", "plain")
    assert hit in run.report([]).hits
