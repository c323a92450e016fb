"""The chain of the ledger, its external copy, and the verifier that needs nothing of this product."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from anonymization.ledger import external_copy
from anonymization.ledger.chain import GENESIS, BrokenChain, Entry, Head, subject_of, verify

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


def test_the_hash_is_the_documented_one() -> None:
    """Computed by hand from docs/ledger.md; a change of the format breaks every published head."""
    entry = Entry(1, "sessions_app.Guest", "ab" * 32, "2026-11-25", "staff", GENESIS)
    assert entry.hash == "d149bbcaabd74c8faf28b4f7951f0b1d6ac035e3baeb518fbc074ebc6655d6f2"


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
        (lambda e: [e[0], *e[2:]], "record 2: is missing; 3 stands in its place"),
        (lambda e: [e[1], *e[1:]], "record 1: is missing; 2 stands in its place"),
        (lambda e: [e[0], e[2], e[1], *e[3:]], "record 2: is missing; 3 stands in its place"),
        (lambda e: [*e[:3], e[2], *e[3:]], "record 4: is missing; 3 stands in its place"),
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
        ({"hash": ...}, "is no record of a ledger"),
        ({"day": ...}, "is no record of a ledger"),
        ({"note": ""}, "is no record of a ledger"),
        ({"version": 2}, "is of an unknown version"),
        ({"sequence": "1"}, "is of an unknown version"),
        ({"sequence": True}, "is of an unknown version"),
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


def test_a_cut_tail_and_a_new_history_are_found_by_a_head(ledger: Path) -> None:
    entries = chain(5)
    write(entries[:4])
    assert stand_alone(ledger)[0] == 0, "a chain by itself does not know that it was longer"
    assert stand_alone(ledger, "--head", entries[4].head) == (
        1,
        "record 5: is not the one whose head was published\n",
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
    assert f"3 records hold. Head: {entries[2].head}" in said
    assert "1 intents were not sealed" in said


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
        ("foreign line", "line 7 is no line of a ledger"),
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
        external_copy.Unreadable, match=r"^line 3 is no line of a ledger$"
    ) as refused:
        external_copy.read(ledger)
    assert refused.value.line == 3


@pytest.mark.parametrize(("sequence", "said"), [(7, "record 7: "), ("x", "record 1: ")])
def test_an_intent_that_is_no_entry_is_named_by_its_record_or_its_line(
    ledger: Path, sequence: Any, said: str
) -> None:
    ledger.write_text(json.dumps({"intents": [{"sequence": sequence}]}) + "\n")
    with pytest.raises(BrokenChain, match=f"^{said}is no record of a ledger$"):
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


def test_the_end_of_a_copy_is_told_without_reading_all_of_it(ledger: Path) -> None:
    first, second = chain(2)
    assert external_copy.ends_with(ledger, Head())
    write([first])
    assert external_copy.ends_with(ledger, first.head)
    assert not external_copy.ends_with(ledger, Head())
    assert not external_copy.ends_with(ledger, Head(1, "f" * 64))
    external_copy.write_intents([second])
    assert not external_copy.ends_with(ledger, first.head), "an intent is open"
    external_copy.write_voids([second])
    assert external_copy.ends_with(ledger, first.head)
    with pytest.raises(FileNotFoundError):
        external_copy.ends_with(ledger.with_name("nothing"), Head())


def test_an_intent_is_open_however_far_before_the_newest_seal_it_stands(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external_copy, "_TAIL", 10)
    first, second, third = chain(3)
    external_copy.write_intents([first, second, third])
    external_copy.write_seal(first)
    assert not external_copy.ends_with(ledger, first.head)
    external_copy.write_voids([second, third])
    assert external_copy.ends_with(ledger, first.head)
    assert external_copy.read(ledger) == external_copy.Contents([first], [])


@pytest.mark.parametrize(
    ("sealed", "left_open", "attempt", "ends"),
    [
        (3, 0, lambda e: e[1:2], 1),  # the copy is ahead
        (2, 0, lambda e: [e[2]._replace(previous="f" * 64)], 2),  # another's
        (2, 1, lambda e: [e[2]._replace(day="2026-01-01")], 2),  # somebody else's intent is open
    ],
    ids=["ahead", "another's", "open"],
)
def test_no_intent_is_written_after_an_end_that_is_not_ours(
    ledger: Path, sealed: int, left_open: int, attempt: Any, ends: int
) -> None:
    entries = chain(3)
    write(entries[:sealed])
    external_copy.write_intents(entries[sealed : sealed + left_open])
    before = ledger.read_text()
    said = f"^the copy is sealed up to record {sealed}, the database ends with {ends}$"
    with pytest.raises(external_copy.Diverged, match=said):
        external_copy.write_intents(attempt(entries))
    assert ledger.read_text() == before


def test_the_same_intents_may_be_tried_again_and_more_after_them(ledger: Path) -> None:
    entries = chain(3)
    external_copy.write_intents(entries[:2])
    external_copy.write_intents(entries[:2])
    external_copy.write_intents(entries)
    external_copy.write_seal(entries[2])
    assert external_copy.read(ledger) == external_copy.Contents(entries, [])


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


def test_an_entry_holds_nothing_but_what_is_documented() -> None:
    fields = chain(1)[0].as_fields()
    assert set(fields) == {
        "version",
        "sequence",
        "kind",
        "subject",
        "day",
        "requester",
        "previous",
        "hash",
    }
    assert json.dumps(fields).isascii()
