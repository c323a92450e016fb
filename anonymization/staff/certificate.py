"""The certificate of an erasure: the content of its page, of its print, and of its JSON.

A data protection officer files it or hands it to an authority. With its salt, it proves the facts
of the record after the installation has forgotten them (docs/erasure.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from django.contrib.auth import get_user_model
from django.db.models import TextChoices
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from oauth2_provider.models import get_application_model

from anonymization import maintenance
from anonymization.ledger import proof, recording
from anonymization.models import Asked, Erasure, Ground, Note, Source
from anonymization.policy import Policy, registry
from anonymization.record_of_processing import treatments_of
from lib.look import precise
from lib.version import VERSION
from lib.words import name_of

#: The number of texts that fit on the print. The style sheet of the print has it too.
PRINTED_EVIDENCE = 12


class Controller(Protocol):
    """The data controller, as it is configured now. A higher app stores it."""

    name: Any
    address: Any
    contact: Any


_controllers: list[Callable[[], Controller]] = []


def register_controller(current: Callable[[], Controller]) -> None:
    """Register the function that returns the data controller."""
    _controllers[:] = [current]


class Treatment(NamedTuple):
    """What the erasure did to some data of one kind of record, and why.

    ``what`` is deleted, cleared, rounded, shared or kept. ``data`` is empty for an entire record.
    """

    what: str
    data: list[str]
    reason: str

    @property
    def in_words(self) -> str:
        return {
            "deleted": _("deleted"),
            "cleared": _("cleared"),
            "rounded": _("rounded or reset"),
            "shared": _("kept if shared"),
            "kept": _("kept"),
        }[self.what]


class Part(NamedTuple):
    """One kind of record that the erasure deleted or anonymized, with the number of records."""

    label: str
    title: str
    number: int
    treatments: list[Treatment]


class Certificate:
    """What is known about one erasure now. ``installation`` is the base URL of the installation."""

    software = f"mluvii GDPR {VERSION}"

    def __init__(self, erasure: Erasure, *, installation: str) -> None:
        self.erasure = erasure
        self.installation = installation
        self.printed_at: datetime = timezone.now()
        self.head = recording.head()
        self.controller = _controllers[0]() if _controllers else None

    @property
    def printed_on(self) -> date:
        return timezone.localdate(self.printed_at)

    @property
    def is_note(self) -> bool:
        return self.erasure.kind in Note

    @property
    def kind(self) -> str:
        return kind_of(self.erasure)

    @cached_property
    def facts_state(self) -> str:
        return facts_state(self.erasure)

    @cached_property
    def parts(self) -> list[Part]:
        """Return what was deleted, cleared and kept, as the record of processing says today."""
        return [
            Part(policy.label, capfirst(name_of(policy.model, n)), n, list(_treatments(policy)))
            for policy, n in counted(self.erasure)
        ]

    @cached_property
    def evidence(self) -> list[str]:
        return evidence_of(self.erasure)

    @property
    def evidence_not_printed(self) -> int:
        """Return how many texts the print leaves out, because it has one page."""
        return max(0, len(self.evidence) - PRINTED_EVIDENCE)

    @cached_property
    def pending_files(self) -> int:
        return self.erasure.pending_files

    @cached_property
    def logically_complete_at(self) -> datetime | None:
        return maintenance.logically_complete_at(self.erasure)

    @cached_property
    def physically_complete_at(self) -> datetime | None:
        return maintenance.physically_complete_at(self.erasure)

    @cached_property
    def code(self) -> str:
        """Return the code that proves the facts, or an empty text after they were cleared."""
        if not self.erasure.knows_facts:
            return ""
        entry, facts = self.erasure.entry, self.erasure.clear_facts
        return proof.code_of(entry, facts=facts, salt=self.erasure.salt)

    def as_json(self) -> dict[str, Any]:
        """Return the certificate as a JSON object.

        ``ledger``, ``facts`` and ``salt`` prove the facts (docs/ledger.md). The ledger does not
        cover the other values, which are for readers.
        """
        erasure, facts = self.erasure, self.erasure.clear_facts
        return {
            "ledger": erasure.entry.as_fields(),
            "head": {"sequence": self.head.sequence, "hash": self.head.hash},
            "facts": facts if erasure.created_at else None,
            "salt": erasure.salt or None,
            "facts_state": self.facts_state,
            **{name: facts[name] for name in ("source", "account", "ground")},
            "pending_files": self.pending_files,
            "logically_complete_at": self.logically_complete_at,
            "physically_complete_at": self.physically_complete_at,
            "code": self.code or None,
            "controller": self._controller_as_json(),
            "installation": self.installation,
            "software": self.software,
            "printed_at": self.printed_at,
            "records": [_part_as_json(part) for part in self.parts],
            "evidence": self.evidence,
        }

    def _controller_as_json(self) -> dict[str, str] | None:
        names = ("name", "address", "contact")
        return {n: getattr(self.controller, n) for n in names} if self.controller else None


def _part_as_json(part: Part) -> dict[str, Any]:
    treatments = [treatment._asdict() for treatment in part.treatments]
    return {
        "model": part.label,
        "title": part.title,
        "count": part.number,
        "treatments": treatments,
    }


def _treatments(policy: Policy) -> Iterator[Treatment]:
    """Yield what happened to the data of a model, without the fields that say nothing to readers."""
    for kind, fields, reason in treatments_of(policy):
        names = [str(field.verbose_name) for field in fields if says_something(policy, field.name)]
        if kind == "deleted":
            yield Treatment(kind, [], reason)
        elif names:
            yield Treatment("kept" if kind == "impersonal" else kind, names, reason)


def says_something(policy: Policy, name: str) -> bool:
    """Return whether a field is useful for a reader.

    Match keys and the fields that the erasure itself sets are not.
    """
    return not name.endswith("_key") and name != policy.mark


def counted(record: Erasure) -> list[tuple[Policy, int]]:
    """Return the kinds of rows of an erasure and their numbers, in the order of the registry.

    The order of the names in the stored JSON depends on the database.
    """
    return [(policy, n) for policy in registry if (n := record.counts.get(policy.label, 0))]


def facts_state(erasure: Erasure) -> str:
    """Return whether the facts of a record are proved by the hash chain.

    - ``match`` or ``differ``: they were compared with their hash just now
    - ``cleared``: only their hash is left
    - ``unchained``: a record of version 1 has no hash of its facts
    """
    if not erasure.facts:
        return "unchained"
    if not erasure.knows_facts:
        return "cleared"
    return "match" if erasure.facts_hold else "differ"


def evidence_of(erasure: Erasure) -> list[str]:
    """Return one sentence for each text whose evidence the act kept.

    Empty after the clear facts of the record were forgotten.
    """
    return _sentences(erasure.evidence, erasure.counts)


def _sentences(evidence: Sequence[Sequence[Any]], counts: Mapping[str, int]) -> list[str]:
    sentences: list[str] = []
    for policy in registry:
        events = [values for label, *values in evidence if label == policy.label]
        if policy.evidence and events:
            sentences += policy.evidence.in_words(events, counts)
    return sentences


def kind_of(erasure: Erasure) -> str:
    """Return what was erased (guest or session), or the event of a record about the ledger."""
    if erasure.kind in Note:
        return str(Note(erasure.kind).label)
    return next(name_of(p.model, 1) for p in registry if p.label == erasure.kind)


# The facts in words -----------------------------------------------------------------------------

_NAMES = {
    "version": gettext_lazy("Version of the format"),
    "sequence": gettext_lazy("Record number"),
    "kind": gettext_lazy("Type"),
    "subject": gettext_lazy("Hashes of the random identifiers"),
    "subjects": gettext_lazy("Hashes of the random identifiers"),
    "day": gettext_lazy("Date"),
    "previous": gettext_lazy("Hash of the previous record"),
    "hash": gettext_lazy("Hash of this record"),
    "facts": gettext_lazy("Hash of the facts"),
    "salt": gettext_lazy("Salt of the facts"),
    "time": gettext_lazy("Time"),
    "source": gettext_lazy("Source"),
    "requester": gettext_lazy("Requested by"),
    "account": gettext_lazy("Account"),
    "ground": gettext_lazy("Ground"),
    "counts": gettext_lazy("Number of records"),
    "evidence": gettext_lazy("Consent evidence kept"),
}
_CHOICES: dict[str, type[TextChoices]] = {
    "source": Source,
    "ground": Ground,
    "requester": Asked,
}


def facts_in_words(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and value of each fact of a certificate, in the order of the page."""
    return [(str(_NAMES[name]), _in_words(name, facts)) for name in _NAMES if name in facts]


def statement_in_words(name: str, presented: Any, recorded: Any) -> tuple[str, str, str]:
    """Return the name of a statement that differs, its value in the certificate and in the ledger.

    A value is empty if it is not known.
    """
    values = [
        "" if value is None else _in_words(name, {name: value}) for value in (presented, recorded)
    ]
    return str(_NAMES[name]), values[0], values[1]


def _in_words(name: str, facts: Mapping[str, Any]) -> str:
    """Return a fact in words. Values that this version does not know are shown as they are."""
    value = facts[name]
    if value is None or value == "":
        return "–"
    if name == "time":
        return _time_in_words(str(value))
    if name == "account":
        return _account_in_words(str(value))
    if name in _CHOICES and value in _CHOICES[name]:
        return str(_CHOICES[name](value).label)
    if name == "counts":
        return ", ".join(f"{_plural(label)}: {n}" for label, n in sorted(value.items()) if n)
    if name == "evidence":
        try:
            return "; ".join(_sentences(value, facts.get("counts", {})))
        except (TypeError, ValueError):  # A changed certificate may have any evidence.
            return str(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _time_in_words(text: str) -> str:
    """Return a time in the form of the record's page. A text that is no time is returned as it is."""
    try:
        return precise(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return text


def _account_in_words(text: str) -> str:
    """Return the name of the account, as it is stored now, before the number that is chained."""
    kind, _space, number = text.partition(" ")
    names = {
        "user": get_user_model()._default_manager.values_list("username", flat=True),
        "client": get_application_model().objects.values_list("name", flat=True),
    }
    name = names[kind].filter(pk=number).first() if kind in names and number.isdecimal() else None
    return f"{name} ({text})" if name else text


def _plural(label: str) -> str:
    named = (str(p.model._meta.verbose_name_plural) for p in registry if p.label == label)
    return next(named, label)
