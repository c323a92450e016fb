"""Test that docs/ledger.md is sufficient for a verifier: its example follows from the text."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from pathlib import Path
from typing import Any

from anonymization.ledger import chain
from anonymization.models import Ground, Note, Source

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "ledger.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.M | re.S)


def sha256(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def canonical(fields: Any) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def test_the_example_is_right() -> None:
    (uids,) = blocks("text")
    facts, record = map(json.loads, blocks("json"))
    (salt,) = re.findall("The salt was `([0-9a-f]{64})`", DOCUMENT)
    prefix = b"mluvii-gdpr/erasure-subject/1\0"
    subjects = [sha256(prefix, uuid.UUID(uid).bytes) for uid in uids.split()]
    assert record["subjects"] == sorted(subjects)
    salted = b"mluvii-gdpr/erasure-facts/2\0", bytes.fromhex(salt), canonical(facts)
    assert record["facts"] == sha256(*salted)
    fields = {name: value for name, value in record.items() if name != "hash"}
    assert record["hash"] == sha256(b"\0", canonical(fields))
    # The product's functions give the same result.
    assert [chain.subject_of(uuid.UUID(uid)) for uid in uids.split()] == subjects
    assert chain.facts_hash(facts, salt) == record["facts"]
    assert chain.Entry.read(record).hash == record["hash"]


def test_all_fields_kinds_and_values_are_named() -> None:
    (_facts, record) = map(json.loads, blocks("json"))
    rows = set(re.findall(r"^\| `([a-z]+)` \|", DOCUMENT, re.M))
    assert record.keys() <= rows
    for value in (*Note.values, *Source.values, *Ground.values):
        assert f"`{value}`" in DOCUMENT, value
