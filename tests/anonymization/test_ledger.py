"""Test the chain of the ledger, its external copy, and the verifier without the product's code."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from anonymization.ledger import external_copy
from anonymization.ledger.chain import GENESIS, BrokenChain, Entry, Head, subject_of, verify
from anonymization.ledger.external_copy import End

ROOT = Path(__file__).resolve().parents[2]


def entry(number: int, subject: str, previous: str) -> Entry:
    facts = f"{number:064x}"
    return Entry(number, "sessions_app.Guest", (subject,), facts, "2026-11-25", "staff", previous)


def chain(length: int) -> list[Entry]:
    entries: list[Entry] = []
    for number in range(1, length + 1):
        previous = entries[-1].hash if entries else GENESIS
        subject = subject_of(uuid.UUID(int=number))
        entries.append(entry(number, subject, previous))
    return entries


@pytest.fixture
def ledger(settings: Any, tmp_path: Path) -> Path:
    settings.ERASURE_LEDGER_DIR = tmp_path
    path = tmp_path / "ledger.jsonl"
    external_copy.begin(path, entries=[])
    return path


def write(entries: list[Entry]) -> None:
    for one in entries:
        external_copy.write_intents([one])
        external_copy.write_seal(one)


def stand_alone(*arguments: Any) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", ROOT / "bin" / "verify-ledger", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_hash_never_changes() -> None:
    """The values follow from docs/ledger.md. A change of the format breaks all saved hashes."""
    first = Entry(1, "sessions_app.Guest", ("ab" * 32,), "", "2026-11-25", "staff", GENESIS, 1)
    assert first.hash == "d149bbcaabd74c8faf28b4f7951f0b1d6ac035e3baeb518fbc074ebc6655d6f2"
    second = entry(2, "ab" * 32, first.hash)
    fields = {"day": "2026-11-25", "facts": f"{2:064x}", "kind": "sessions_app.Guest"}
    fields |= {"previous": first.hash, "requester": "staff", "sequence": 2}
    text = json.dumps(fields | {"subjects": ["ab" * 32], "version": 2}, separators=(",", ":"))
    assert second.hash == hashlib.sha256(b"\0" + text.encode()).hexdigest()


def test_a_chain_holds_and_its_head_says_so() -> None:
    entries = chain(5)
    assert verify(entries) == entries[-1].head
    assert verify(entries[3:], after=entries[2].head) == entries[-1].head
    assert verify([]) == external_copy.Contents().head == Head()


@pytest.mark.parametrize(
    ("tampered", "said"),
    [
        (
            lambda e: [e[0], e[1]._replace(day="2026-01-01"), *e[2:]],
            "record 3: does not follow the record before it",
        ),
        (lambda e: [e[0], *e[2:]], "record 2: is missing; record 3 is in its place"),
        (lambda e: [e[1], *e[1:]], "record 1: is missing; record 2 is in its place"),
        (lambda e: [e[0], e[2], e[1], *e[3:]], "record 2: is missing; record 3 is in its place"),
        (lambda e: [*e[:3], e[2], *e[3:]], "record 4: is missing; record 3 is in its place"),
        (
            lambda e: [e[0], e[1]._replace(previous="f" * 64), *e[2:]],
            "record 2: does not follow the record before it",
        ),
    ],
    ids=["edited", "deleted", "first deleted", "swapped", "inserted", "unhinged"],
)
def test_tampering_is_found_at_its_place(tampered: Any, said: str) -> None:
    with pytest.raises(BrokenChain) as broken:
        verify(tampered(chain(5)))
    assert str(broken.value) == said == f"record {broken.value.sequence}: {broken.value.reason}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hash": ...}, "was changed: its hash is another"),
        ({"day": ...}, "is not a record of a ledger"),
        ({"note": ""}, "is not a record of a ledger"),
        ({"version": 3}, "is of an unknown version"),
        ({"version": True}, "is of an unknown version"),
        ({"version": 1}, "is not a record of a ledger"),
        ({"sequence": "1"}, "is not a record of a ledger"),
        ({"sequence": True}, "is not a record of a ledger"),
        ({"subjects": [1]}, "is not a record of a ledger"),
        ({"day": "2026-11-26"}, "was changed: its hash is another"),
    ],
)
def test_what_is_no_entry_is_refused_with_the_reason(change: dict[str, Any], said: str) -> None:
    fields = {
        name: value
        for name, value in (chain(1)[0].as_fields() | change).items()
        if value is not ...
    }
    with pytest.raises(ValueError, match=f"^{said}$"):
        Entry.read(fields)


def test_an_anonymized_row_has_no_name_in_the_ledger() -> None:
    with pytest.raises(ValueError, match="no random identifier"):
        subject_of(None)


def test_a_cut_tail_and_a_new_history_are_found_by_a_head(ledger: Path) -> None:
    entries = chain(5)
    write(entries[:4])
    assert stand_alone(ledger)[0] == 0, "a chain by itself does not know that it was longer"
    assert stand_alone(ledger, "--head", entries[4].head) == (
        1,
        "record 5: is not the one whose hash was saved\n",
    )
    assert stand_alone(ledger, "--head", entries[3].head)[0] == 0
    assert stand_alone(ledger, "--head", entries[1].head)[0] == 0, "an older head is contained"
    assert stand_alone(ledger, "--head", f"2:{'0' * 64}")[0] == 1


def test_the_outside_copy_gives_back_what_was_written(ledger: Path) -> None:
    entries = chain(4)
    write(entries[:3])
    external_copy.write_intents(entries[3:])
    contents = external_copy.read(ledger)
    assert contents.sealed == entries[:3]
    assert contents.unsealed == [entries[3]]
    assert contents.head == entries[2].head
    code, said = stand_alone(ledger)
    assert code == 0
    assert f"Valid: 3 records. Latest hash: {entries[2].head}" in said
    assert "Intents without a seal: 1." in said


def test_seals_may_overtake_each_other(ledger: Path) -> None:
    entries = chain(3)
    for entry in entries:
        external_copy.write_intents([entry])
    for entry in reversed(entries):
        external_copy.write_seal(entry)
    assert external_copy.read(ledger).sealed == entries
    assert stand_alone(ledger)[0] == 0


def damage(lines: list[str], how: str) -> list[str]:
    if how == "changed":
        return [lines[0].replace("2026-11-25", "2026-11-26"), *lines[1:]]
    if how == "half a line":
        return [*lines[:2], lines[2][:20], *lines[3:]]
    if how == "intent deleted":
        return lines[1:]
    if how == "pair deleted":
        return [*lines[:2], *lines[4:]]
    if how.endswith(("first pair deleted", "two pairs deleted")):
        return lines[2:] if how.startswith("first") else lines[4:]
    return [*lines, '{"note": {}}']


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("changed", "record 1: was changed: its hash is another"),
        ("half a line", "line 4 seals what was never written"),
        ("intent deleted", "line 1 seals what was never written"),
        ("pair deleted", "record 2: is missing or was changed"),
        ("first pair deleted", "record 1: is missing or was changed"),
        ("two pairs deleted", "record 1: is missing or was changed"),
        ("foreign line", "line 7 is not a line of a ledger"),
    ],
)
def test_a_damaged_outside_copy_is_refused_by_both_verifiers(
    ledger: Path, how: str, reason: str
) -> None:
    write(chain(3))
    ledger.write_text("\n".join(damage(ledger.read_text().splitlines(), how)) + "\n")
    with pytest.raises((BrokenChain, external_copy.Unreadable)) as refused:
        external_copy.read(ledger)
    assert str(refused.value) == reason
    code, said = stand_alone(ledger)
    assert code == 1
    assert said.startswith(reason.partition(" is ")[0])


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "x",
        "{}",
        '{"seal":{},"void":{}}',
        '{"seal":[]}',
        '{"intents":{}}',
        '{"intents":[1]}',
        '{"intent":1}',
    ],
)
def test_what_is_no_line_of_a_ledger_is_named_by_its_number(ledger: Path, line: str) -> None:
    write(chain(1))
    with ledger.open("a") as copy:
        copy.write(
            f"{line}\n" if line.endswith(("}}", "]}")) or line[0] != "{" else f"{line} }}}}\n"
        )
    with pytest.raises(
        external_copy.Unreadable, match=r"^line 3 is not a line of a ledger$"
    ) as refused:
        external_copy.read(ledger)
    assert refused.value.line == 3


def test_an_intent_that_is_no_entry_is_named_by_its_record_or_its_line(ledger: Path) -> None:
    ledger.write_text('{"intents":[{"sequence":7}]}\n')
    with pytest.raises(BrokenChain, match=r"^record 7: is of an unknown version$"):
        external_copy.read(ledger)
    ledger.write_text('{"intents":[{"sequence":"x"}]}\n')
    with pytest.raises(external_copy.Unreadable, match=r"^line 1 is of an unknown version$"):
        external_copy.read(ledger)


def test_two_sealed_records_in_one_place_are_named(ledger: Path) -> None:
    first, second, third = chain(3)
    write([first, second, third])
    other = second._replace(day="2026-01-01")
    with ledger.open("a") as copy:
        copy.write(external_copy._intents([other]) + external_copy._settled("seal", other))
    with pytest.raises(BrokenChain, match=r"^record 2: is sealed twice, each time another$"):
        external_copy.read(ledger)


def test_a_new_copy_holds_what_it_is_begun_with_and_takes_no_place(
    settings: Any, tmp_path: Path
) -> None:
    settings.ERASURE_LEDGER_DIR = tmp_path
    entries, path = chain(4), tmp_path / external_copy.FILE
    external_copy.begin(path, entries=entries[:3], intents=entries[3:])
    assert external_copy.file_of() == path
    assert external_copy.read(path) == external_copy.Contents(entries[:3], entries[3:])
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        external_copy.begin(path, entries=[])
    assert external_copy.read(path).sealed == entries[:3]
    assert list(tmp_path.iterdir()) == [path], "nothing else is left"


def test_what_follows_a_head_and_what_is_none_of_the_copy(ledger: Path) -> None:
    entries = chain(4)
    write(entries[:3])
    external_copy.write_intents(entries[3:])
    contents = external_copy.read(ledger)
    assert [contents.following(head) for head in (Head(), *(entry.head for entry in entries))] == [
        entries[number:] for number in range(5)
    ]
    with pytest.raises(BrokenChain, match=r"^record 2: differs from the external copy$"):
        contents.following(Head(2, "f" * 64))
    for sequence in (4, 5):
        with pytest.raises(
            BrokenChain, match=f"^record {sequence}: is missing in the external copy$"
        ):
            contents.following(Head(sequence, "f" * 64))


def test_the_end_of_a_copy_is_read_alone(ledger: Path) -> None:
    first, second = chain(2)
    assert external_copy.end_of(ledger) == End(Head(), [])
    write([first])
    assert external_copy.end_of(ledger) == End(first.head, [])
    external_copy.write_intents([second])
    assert external_copy.end_of(ledger) == End(first.head, [second])
    external_copy.write_voids([second])
    assert external_copy.end_of(ledger) == End(first.head, [])
    with pytest.raises(FileNotFoundError):
        external_copy.end_of(ledger.with_name("nothing"))


def test_reading_the_end_of_a_copy_leaves_no_file_open(ledger: Path) -> None:
    write(chain(2))
    before = os.listdir("/dev/fd")
    external_copy.end_of(ledger)
    assert os.listdir("/dev/fd") == before


def test_the_end_of_a_large_copy_costs_as_much_as_that_of_a_small_one(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(chain(200))
    sizes = []
    tail = external_copy._tail
    monkeypatch.setattr(
        external_copy, "_tail", lambda file, size: sizes.append(size) or tail(file, size)
    )
    external_copy.end_of(ledger)
    assert sizes == [external_copy._TAIL]
    assert ledger.stat().st_size > 4 * external_copy._TAIL


def test_an_intent_is_open_however_far_before_the_newest_seal_it_stands(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external_copy, "_TAIL", 10)
    first, second, third = chain(3)
    external_copy.write_intents([first, second, third])
    external_copy.write_seal(first)
    assert external_copy.end_of(ledger) == End(first.head, [second, third])
    external_copy.write_voids([second, third])
    assert external_copy.end_of(ledger) == End(first.head, [])
    assert external_copy.read(ledger) == external_copy.Contents([first], [])


def test_open_intents_after_the_newest_record_are_to_be_redone() -> None:
    entries = chain(4)
    end = End(entries[0].head, entries[1:])
    assert [end.following(e.head) for e in entries] == [entries[n:] for n in range(1, 5)]
    with pytest.raises(external_copy.Diverged, match="does not follow the one before"):
        End(entries[0].head, entries[2:]).following(entries[0].head)


@pytest.mark.parametrize(
    ("sealed", "first", "ends"),
    [
        (3, lambda e: e[1], 1),  # the copy is ahead: a backup was restored
        (2, lambda e: e[2]._replace(previous="f" * 64), 2),  # another ledger of the same length
        (1, lambda e: e[2], 2),  # the copy was shortened
        (0, lambda e: e[2], 2),  # the copy is empty
        (3, lambda e: e[0]._replace(previous="f" * 64), 0),  # a longer copy of another ledger
    ],
    ids=["ahead", "foreign and equal", "cut", "empty", "foreign and longer"],
)
def test_no_intent_is_written_after_an_end_that_is_not_ours(
    ledger: Path, sealed: int, first: Any, ends: int
) -> None:
    entries = chain(3)
    write(entries[:sealed])
    before = ledger.read_text()
    said = f"^the copy is sealed up to record {sealed}, the database ends with {ends}$"
    with pytest.raises(external_copy.Diverged, match=said):
        external_copy.write_intents([first(entries)])
    assert ledger.read_text() == before


@pytest.mark.parametrize("line", ["x", "[]", '{"seal":{"sequence":9,"hash":"x"}}'])
def test_no_intent_is_written_after_garbage(ledger: Path, line: str) -> None:
    (first,) = chain(1)
    ledger.write_text(f"{line}\n")
    with pytest.raises(external_copy.Unreadable):
        external_copy.write_intents([first])
    assert ledger.read_text() == f"{line}\n"


def test_no_intent_is_written_after_an_open_one_unless_it_replaces_that(ledger: Path) -> None:
    first, second, third = chain(3)
    write([first])
    external_copy.write_intents([second, third])
    other = second._replace(day="2026-01-01")
    with pytest.raises(external_copy.IntentsOpen):
        external_copy.write_intents([other])
    with pytest.raises(external_copy.IntentsOpen):
        external_copy.write_intents([other], instead_of=[second])
    external_copy.write_intents([other], instead_of=[second, third])
    assert external_copy.end_of(ledger) == End(first.head, [other])
    assert external_copy.read(ledger) == external_copy.Contents([first], [other])


def test_an_intent_follows_committed_ones_that_have_no_seal(ledger: Path) -> None:
    """The process died after the commit. The seal of a later record covers these."""
    first, second, third = chain(3)
    for one in (first, second, third):
        external_copy.write_intents([one])
    external_copy.write_seal(third)
    assert external_copy.read(ledger).sealed == [first, second, third]


def test_an_entry_that_is_written_again_after_its_void_is_open(ledger: Path) -> None:
    (first,) = chain(1)
    external_copy.write_intents([first])
    external_copy.write_voids([first])
    external_copy.write_intents([first])
    assert external_copy.end_of(ledger) == End(Head(), [first])
    assert external_copy.read(ledger) == external_copy.Contents([], [first])


def test_the_verifier_is_led_in_no_circle(ledger: Path) -> None:
    write(chain(1))
    fields = chain(1)[0].as_fields() | {"previous": "ab" * 32, "hash": "ab" * 32}
    lines = [
        json.dumps({"intent": fields}),
        json.dumps({"seal": {"sequence": 1, "hash": "ab" * 32}}),
    ]
    ledger.write_text("\n".join(lines) + "\n")
    code, said = stand_alone(ledger)
    assert code == 1
    assert "record 1: was changed" in said


def test_lines_with_one_intent_are_read_as_they_were_once_written(ledger: Path) -> None:
    entries = chain(2)
    write(entries)
    text = ledger.read_text().replace('{"intents":[{', '{"intent":{').replace("}]}", "}}")
    ledger.write_text(text)
    assert external_copy.read(ledger).sealed == entries
    assert stand_alone(ledger)[0] == 0


def test_the_verifier_says_what_it_cannot_read(tmp_path: Path) -> None:
    assert stand_alone(tmp_path / "nothing")[0] == 2
    assert stand_alone(tmp_path / "nothing", "--head", "x")[0] == 2


def test_an_entry_has_no_other_fields_than_the_documented_ones() -> None:
    fields = chain(1)[0].as_fields()
    shared = {"version", "sequence", "kind", "day", "requester", "previous", "hash"}
    assert set(fields) == shared | {"subjects", "facts"}
    assert json.dumps(fields).isascii()
    first = chain(1)[0]._replace(version=1)
    assert set(first.as_fields()) == shared | {"subject"}
    assert Entry.read(first.as_fields()) == first._replace(facts="")


def test_both_versions_are_one_chain(ledger: Path) -> None:
    first = chain(1)[0]._replace(version=1, facts="")
    second = entry(2, "ab" * 32, first.hash)
    write([first, second])
    assert external_copy.read(ledger).sealed == [first, second]
    assert stand_alone(ledger)[0] == 0
    assert stand_alone(ledger, "--head", second.head)[0] == 0


# Hostile files: a sentence, never a traceback ---------------------------------------------------------------


def hashed(**fields: Any) -> str:
    """Return a line with an intent and a matching hash, for arbitrary values."""
    values = chain(1)[0].fields | fields
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(b"\0" + text.encode()).hexdigest()
    seal = {"seal": {"sequence": values["sequence"], "hash": digest}}
    return f"{json.dumps({'intents': [values | {'hash': digest}]})}\n{json.dumps(seal)}\n"


HOSTILE = {
    "a huge number": '{"seal":{"sequence":' + "9" * 5000 + ',"hash":"x"}}',
    "a number of 70 bits": hashed(sequence=2**70),
    "a negative number": hashed(sequence=-1),
    "true as a number": hashed(sequence=True),
    "true as a version": hashed(version=True),
    "a float as a number": hashed(sequence=1.0),
    "NaN": '{"seal":{"sequence":NaN,"hash":"x"}}',
    "deep nesting": '{"seal":' + "[" * 100_000 + "]" * 100_000 + "}}",
    "a list instead of a hash": '{"void":{"sequence":1,"hash":[]}}',
    "a list as a sequence": '{"intents":[{"sequence":[1,2]}]}',
    "no list of subjects": hashed(subjects="ab" * 32),
    "subjects that are not hashes": hashed(subjects=[["x"]]),
    "subjects that are not sorted": hashed(subjects=["ff" * 32, "ab" * 32]),
    "a subject that is named twice": hashed(subjects=["ab" * 32] * 2),
    "another day": hashed(day="soon"),
    "other letters": '{"intents":[{"sequence":"\u017elu\u0165"}]}',
    "a lone surrogate": '{"void":{"sequence":1,"hash":["\\ud800"]}}',
    "null": "null",
    "two kinds": '{"seal":{"sequence":1,"hash":"x"},"void":{}}',
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_answered_with_a_sentence(ledger: Path, text: str) -> None:
    ledger.write_text(text, encoding="utf-8")
    with pytest.raises((BrokenChain, external_copy.Unreadable)):
        external_copy.read(ledger)
    code, said = stand_alone(ledger)
    assert code == 1
    assert re.fullmatch(r"(record \d+:|line \d+) (is|seals) [a-z ]+\n", said)


def test_bytes_that_are_not_text_are_answered_with_a_sentence(ledger: Path) -> None:
    ledger.write_bytes(b"\xff\xfe\0\n")
    assert stand_alone(ledger) == (1, "line 1 is not a line of a ledger\n")


@pytest.mark.parametrize(
    "head", ["x", "1", "1:xyz", f"{'9' * 30}:{'0' * 64}", f"\u0661:{'0' * 64}"]
)
def test_a_head_that_is_none_is_refused(ledger: Path, head: str) -> None:
    code, said = stand_alone(ledger, "--head", head)
    assert code == 2
    assert "give SEQUENCE:HASH, as it was saved" in said
