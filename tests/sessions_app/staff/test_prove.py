"""*Prove an erasure* and ``bin/prove`` say "erased" exactly when the ledger proves it."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from anonymization.ledger import external_copy, proof, recording
from anonymization.ledger.chain import SUBJECT_PREFIX, subject_of
from anonymization.models import Erasure, Ground, Note, Source
from sessions_app.models import ConsentEvent, Session
from sessions_app.visitor.receipt import consent_receipt
from tests.database import dump
from tests.factories import ErasureFactory, SessionFactory, WebChatFactory
from tests.pages import LogIn

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def ledger(settings: Any, tmp_path: Path) -> Path:
    settings.ERASURE_LEDGER_DIR = tmp_path
    path = tmp_path / external_copy.FILE
    external_copy.begin(path, entries=[])
    return path


@pytest.fixture
def officer(log_in: LogIn) -> Client:
    return log_in("officer")


def receipt(session: Session) -> str:
    given = ConsentEvent.objects.get(session=session, kind="given")
    return consent_receipt(session, given, token="a" * 64).decode()


def ask(client: Client, presented: str, **sent: Any) -> Any:
    return client.post("/prove/", {"presented": presented, **sent})


def verdict(client: Client, presented: str, **sent: Any) -> str:
    response = ask(client, presented, **sent)
    assert response.status_code == 200
    return str(response.context["verdict"])


def stand_alone(ledger: Path, presented: str, *options: str) -> tuple[int, str]:
    file = ledger.with_name("presented")
    file.write_text(presented)
    command = [sys.executable, "-I", "-S", str(ROOT / "bin" / "prove"), str(ledger)]
    done = subprocess.run(
        [*command, str(file), *options], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def test_three_receipts_of_one_guest_are_proven(officer: Client, ledger: Path) -> None:
    sessions = SessionFactory.create_batch(3, webchat=WebChatFactory())
    receipts, uids = [receipt(s) for s in sessions], [s.uid for s in sessions]
    assert [verdict(officer, r) for r in receipts] == ["not_erased"] * 3
    assert [stand_alone(ledger, r)[0] for r in receipts] == [1] * 3
    ErasureFactory(subject=sessions[0].guest)
    for presented in receipts:
        response = ask(officer, presented)
        assert response.context["verdict"] == "erased"
        assert "Proven: erased" in response.content.decode()
        assert response.context["texts"][0].is_named_so
        code, said = stand_alone(ledger, presented)
        assert code == 0
        assert said.startswith("Proven: erased, record 1, ")
    stored = dump()
    for uid in uids:
        assert uid.hex not in stored
        assert str(uid) not in stored
    assert not hashes_of(stored).intersection(Erasure.objects.get().subjects)


def hashes_of(stored: str) -> set[str]:
    """Return the hash of each word and identifier of a dump, in the ways that lead to a subject."""
    words = set(re.findall(r"[\w-]+", stored))
    found = {hashlib.sha256(word.encode()).hexdigest() for word in words}
    found |= {hashlib.sha256(SUBJECT_PREFIX + word.encode()).hexdigest() for word in words}
    hexadecimal = [re.sub("-", "", word) for word in words]
    uids = [w for w in hexadecimal if re.fullmatch("[0-9a-f]{32}", w)]
    return found | {subject_of(UUID(uid)) for uid in uids}


def test_a_row_that_a_restore_brought_back_is_not_erased(officer: Client) -> None:
    session = SessionFactory()
    record, uid = ErasureFactory(subject=session), session.uid
    back = SessionFactory(new_guest=True)
    Session.objects.filter(pk=back.pk).update(uid=uid)
    for presented in (str(uid), subject_of(uid), str(record.number)):
        assert verdict(officer, presented) == "reappeared"


def test_a_note_and_a_stranger_are_not_erased(officer: Client, ledger: Path) -> None:
    note = recording.note(
        Note.REPLAYED,
        subjects=[recording.note_digest("x")],
        requester=recording.Requester(Source.COMMAND),
    )
    for presented in (note.hash, note.subjects[0], str(note.number)):
        assert verdict(officer, presented) == "note"
        assert stand_alone(ledger, presented)[0] == 1
    assert verdict(officer, "f" * 64) == "unknown"
    assert verdict(officer, "999") == "unknown"
    assert stand_alone(ledger, "f" * 64)[0] == 1
    assert "." not in "".join(Note.values), "a kind with a dot is an erasure"


def test_a_certificate_is_compared_fact_by_fact(officer: Client, ledger: Path) -> None:
    record = ErasureFactory(subject=SessionFactory(messages=["Hello"]))
    kept = officer.get(reverse("erasure_json", args=[record.pk])).json()
    for presented in (json.dumps(kept), kept["code"], kept["code"].lower().replace(" ", "-")):
        assert verdict(officer, presented) == "erased"
        assert stand_alone(ledger, presented)[0] == 0
    counts = kept["facts"]["counts"] | {"sessions_app.Message": 7}
    for name, value in (("ground", "mistake"), ("source", "api"), ("counts", counts)):
        changed = json.dumps(kept | {"facts": kept["facts"] | {name: value}, name: value})
        assert verdict(officer, changed) == "different"
        code, said = stand_alone(ledger, changed)
        assert code == 1
        assert f"  {name}: the certificate says" in said
    newer = json.dumps(kept | {"head": {"sequence": 9, "hash": "0" * 64}})
    assert verdict(officer, newer) == "incomplete"
    assert stand_alone(ledger, newer)[0] == 1


def test_a_saved_hash_must_be_in_the_chain(officer: Client, ledger: Path) -> None:
    record = ErasureFactory()
    here, elsewhere = f"1:{record.hash}", f"1:{'0' * 64}"
    assert verdict(officer, "1", head=here) == "erased"
    assert verdict(officer, "1", head=elsewhere) == "incomplete"
    assert ask(officer, "1", head="x").status_code == 422
    assert stand_alone(ledger, "1", "--head", here)[0] == 0
    assert stand_alone(ledger, "1", "--head", elsewhere)[0] == 1


HOSTILE = {
    "deep": b"[" * 100_000,
    "deep object": b'{"record":' * 100_000,
    "huge number": b'{"record":' + b"9" * 10_000 + b"}",
    "true": b'{"ledger":{"version":true}}',
    "NaN": b'{"record":{"pii_principal_id":NaN}}',
    "twice": b'{"record":{},"record":{}}',
    "UTF-16": "{}".encode("utf-16"),
    "Latin": b'{"record":"\xe9"}',
    "NUL": b'{"record":\x00}',
    "surrogate": b'{"record":{"pii_principal_id":"\\ud800"}}',
    "empty": b"",
    "code": b"MGE1 AAAA",
    "zero": b"0",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_input_is_answered_with_a_sentence(
    officer: Client, ledger: Path, data: bytes
) -> None:
    assert officer.post("/prove/", {"file": SimpleUploadedFile("x", data)}).status_code == 422
    file = ledger.with_name("hostile")
    file.write_bytes(data)
    command = [sys.executable, "-I", str(ROOT / "bin" / "prove"), str(ledger), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_a_request_that_is_too_large_is_refused(officer: Client) -> None:
    assert ask(officer, "x" * (2 * 1024 * 1024)).status_code == 413


def test_the_words_of_facts_are_those_of_the_models() -> None:
    assert set(proof.SOURCES) == set(Source.values)
    assert set(proof.GROUNDS) == {*Ground.values, ""}
