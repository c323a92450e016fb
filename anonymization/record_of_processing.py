"""Render the record of processing (GDPR Art. 30) from the registry.

It lists what is stored, what is erased, what is kept, and why. The page Settings > GDPR shows it.
``docs/erasure.md`` contains it as Markdown between two markers. A test fails if the document
differs from the registry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from django.apps import AppConfig, apps
from django.conf import settings
from django.db.models import Expression, Field
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import override

from anonymization.policy import KeptIfShared, Policy, Registry

BEGIN = "<!-- begin: made by manage.py print_record_of_processing -->"
END = "<!-- end -->"


class MarkersMissing(ValueError):
    """The document does not contain each marker exactly once, in the right order."""


class Treatment(NamedTuple):
    """What happens to some fields, and why.

    ``kind`` is deleted, cleared, rounded, shared, kept or impersonal. Shared means: kept if enough
    other rows share the value, otherwise cleared.
    """

    kind: str
    fields: list[Field]
    reason: str


class Record(NamedTuple):
    """One model with its fields.

    The rows of an ``append_only`` model are never deleted, and only ``forgettable`` fields may be
    cleared later.
    """

    name: str
    label: str
    is_personal: bool
    append_only: bool
    forgettable: list[Field]
    treatments: list[Treatment]


class Chapter(NamedTuple):
    """The records of one app; those with data of visitors are first.

    ``is_technical`` is true for an app of another package without data of visitors.
    """

    name: str | Promise
    records: list[Record]
    is_technical: bool


def chapters_of(registry: Registry) -> list[Chapter]:
    """Return every policy by app.

    The apps with most records about data subjects are first, then other apps of this product, then
    packages.
    """
    policies = sorted(registry, key=lambda policy: policy.model._meta.app_label)
    chapters = [
        _chapter(apps.get_app_config(label), [_record(policy) for policy in group])
        for label, group in groupby(policies, key=lambda policy: policy.model._meta.app_label)
    ]
    return sorted(
        chapters,
        key=lambda c: (c.is_technical, -sum(r.is_personal for r in c.records), str(c.name)),
    )


def _chapter(app: AppConfig, records: list[Record]) -> Chapter:
    is_ours = Path(app.path).parent == settings.BASE_DIR
    personal_first = sorted(records, key=lambda record: not record.is_personal)
    return Chapter(
        capfirst(str(app.verbose_name)), personal_first, not is_ours and not _is_personal(records)
    )


def _is_personal(records: list[Record]) -> bool:
    return any(record.is_personal for record in records)


def _record(policy: Policy) -> Record:
    meta = policy.model._meta
    return Record(
        name=capfirst(str(meta.verbose_name_plural)),
        label=meta.label,
        is_personal=policy.subject is not None or bool(policy.by_uid),
        append_only=policy.append_only,
        forgettable=_fields(policy, policy.forgettable),
        treatments=treatments_of(policy),
    )


def treatments_of(policy: Policy) -> list[Treatment]:
    """Return one line for each kind of treatment and reason, in the order of declaration.

    Reasons are translated.
    """
    if policy.delete:
        with_file, alone = (
            _("The whole row is deleted, including its stored file."),
            _("The whole row is deleted."),
        )
        reason = with_file if policy.file_fields else alone
        return [Treatment("deleted", list(policy.fields.values()), reason)]
    values = policy.erased_values()
    shared = [name for name, value in policy.erase.items() if isinstance(value, KeptIfShared)]
    cleared = [name for name, value in values.items() if not isinstance(value, Expression)]
    rounded = [name for name in values if name not in cleared and name not in shared]
    marks = [name for name in (policy.mark,) if name]
    lines = [
        ("cleared", cleared, _("Identifies the person, directly or indirectly.")),
        ("rounded", rounded, _("Rounded or reset: too coarse to identify anyone.")),
        ("shared", shared, _("Kept, rounded, if enough rows share the value; otherwise cleared.")),
        *_by_reason("kept", policy.keep),
        *_by_reason("impersonal", policy.impersonal),
        (
            "kept",
            marks,
            _("The period in which the row was anonymized. It is too coarse to link rows."),
        ),
    ]
    return [
        Treatment(kind, _fields(policy, names), reason) for kind, names, reason in lines if names
    ]


def _by_reason(kind: str, reasons: Mapping[str, str]) -> Iterator[tuple[str, list[str], str]]:
    grouped: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        grouped.setdefault(reason, []).append(name)
    for reason, names in grouped.items():
        yield kind, names, _(reason)


def _fields(policy: Policy, names: Iterable[str]) -> list[Field]:
    return [policy.fields[name] for name in names]


def as_markdown(registry: Registry) -> str:
    """Return a section for each model.

    Models with data of visitors are first, then other models of this product, then those of
    packages.
    """
    with override("en"):
        records = [record for chapter in chapters_of(registry) for record in chapter.records]
        return "\n".join(_section(record) for record in records)


def put_into(document: str, generated: str) -> str:
    """Return the document with the generated part between its markers replaced.

    Raises:
        MarkersMissing: the document does not contain each marker exactly once, in the right order.
    """
    before, begin, rest = document.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or END in after:
        raise MarkersMissing(f"The document must hold {BEGIN} and {END} once each, in this order.")
    return f"{before}{BEGIN}\n\n{generated}\n{END}{after}"


def _section(record: Record) -> str:
    head = ["| Field | What happens | Reason |", "|---|---|---|"]
    rows = [
        f"| {', '.join(f'`{field.name}`' for field in fields)} | {_WORDS.get(kind, kind)} | {_cell(reason)} |"
        for kind, fields, reason in record.treatments
    ]
    title = f"### {record.name} (`{record.label}`)"
    return "\n".join([title, "", *_notes(record), *head, *rows, ""])


def _notes(record: Record) -> list[str]:
    if not record.append_only:
        return []
    if not record.forgettable:
        return ["Rows are never changed or deleted; the database refuses it.", ""]
    names = ", ".join(f"`{field.name}`" for field in record.forgettable)
    return [
        f"Rows are never deleted. Only these fields can be cleared: {names}.",
        "The database refuses everything else.",
        "",
    ]


_WORDS = {"impersonal": "kept, not personal", "shared": "kept if shared"}


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
