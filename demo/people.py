"""Fictitious visitors: names, addresses of example domains, phone numbers that reach nobody.

The phone numbers are from the ranges that Germany (030 23125 …) and the USA (555-01…) reserve for
fiction. Czechia reserves none. Czech and Slovak visitors therefore have numbers with many zeros.
"""
# ruff: noqa: E501  lists of names

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from random import Random

_NAMES: dict[str, list[tuple[list[str], list[str]]]] = {
    "cs": [
        (
            ["Jan", "Petr", "Tomáš", "Martin", "Jakub", "Ondřej", "Lukáš", "Marek", "Vojtěch", "Zdeněk", "Jiří", "Filip"],
            ["Novák", "Svoboda", "Dvořák", "Černý", "Procházka", "Kučera", "Veselý", "Horák", "Němec", "Pospíšil",
             "Hájek", "Král", "Beneš", "Fiala", "Sedláček", "Zeman", "Kolář", "Čermák", "Vaněk", "Říha"],
        ),
        (
            ["Jana", "Eva", "Lenka", "Kateřina", "Hana", "Lucie", "Věra", "Tereza", "Markéta", "Šárka", "Alena", "Petra"],
            ["Nováková", "Svobodová", "Dvořáková", "Černá", "Procházková", "Kučerová", "Veselá", "Horáková", "Němcová",
             "Pospíšilová", "Hájková", "Králová", "Benešová", "Fialová", "Sedláčková", "Zemanová", "Kolářová",
             "Čermáková", "Vaňková", "Říhová"],
        ),
    ],
    "sk": [
        (
            ["Marián", "Ľubomír", "Štefan", "Juraj", "Michal"],
            ["Kováč", "Horváth", "Varga", "Tóth", "Baláž", "Molnár", "Lukáč"],
        ),
        (
            ["Zuzana", "Mária", "Katarína", "Ľudmila", "Ivana"],
            ["Kováčová", "Horváthová", "Vargová", "Tóthová", "Balážová", "Molnárová", "Lukáčová"],
        ),
    ],
    "en": [
        (
            ["James", "Emily", "Oliver", "Sophie", "Daniel", "Grace", "Liam", "Chloe", "Marcus", "Hannah", "Aoife", "Priya",
             "Thomas", "Rachel", "Noah", "Isabel"],
            ["Carter", "Hughes", "Bennett", "O'Neill", "Fletcher", "Patel", "Morgan", "Doyle", "Whitfield", "Kaur",
             "Lawson", "Reyes", "Sinclair", "Walsh", "Abbott", "Nguyen"],
        ),
    ],
    "de": [
        (
            ["Lukas", "Anna", "Maximilian", "Katharina", "Jürgen", "Sabine", "Florian", "Julia", "Matthias", "Birgit"],
            ["Gruber", "Huber", "Wagner", "Pichler", "Steiner", "Moser", "Bauer", "Schröder", "Weiß", "Fuchs", "Köhler"],
        ),
    ],
}  # fmt: skip
_DOMAINS = {
    "cs": ["example.cz", "mail.example.cz", "example.com"],
    "sk": ["example.sk", "example.com"],
    "en": ["example.com", "example.org", "mail.example.org"],
    "de": ["example.at", "example.org"],
}


@dataclass(frozen=True)
class Person:
    """One visitor, with the language they write in."""

    name: str
    email: str
    phone: str
    language: str

    @property
    def first_name(self) -> str:
        return self.name.split()[0]


def make_people(rng: Random, *, count: int) -> list[Person]:
    """Return people who share no name, e-mail or phone, with a few intentional exceptions.

    Every twentieth person shares the phone of the previous one (one household), and every thirtieth
    the e-mail. A search for a person therefore also finds partial matches.
    """
    people: list[Person] = []
    for number, (language, name) in enumerate(_distinct_names(rng, count)):
        phone, email = _phone(language, number), _email(name, language, rng)
        if number % 20 == 19:
            phone = people[-1].phone
        elif number % 30 == 14:
            email = people[-1].email
        people.append(Person(name=name, email=email, phone=phone, language=language))
    return people


def spelled(phone: str, rng: Random) -> str:
    """Return the number in one of the spellings that people type."""
    digits = phone.replace(" ", "")
    return rng.choice([phone, phone, digits, f"00{digits[1:]}", phone.replace(" ", "-")])


def _distinct_names(rng: Random, count: int) -> list[tuple[str, str]]:
    """Return (language, name) pairs with distinct names. There are more than any demo needs."""
    names: list[tuple[str, str]] = []
    seen: set[str] = set()
    while len(names) < count:
        language = rng.choices(["cs", "en", "de", "sk"], weights=[50, 30, 12, 8])[0]
        first_names, last_names = rng.choice(_NAMES[language])
        name = f"{rng.choice(first_names)} {rng.choice(last_names)}"
        if name in seen:
            # The combinations of a language may be used up, so a second first name is added.
            first, last = name.split()
            name = (
                f"{first} {rng.choice([other for other in first_names if other != first])} {last}"
            )
        if name not in seen:
            seen.add(name)
            names.append((language, name))
    return names


def _email(name: str, language: str, rng: Random) -> str:
    bare = (
        unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("'", ""))
        .encode("ascii", "ignore")
        .decode()
    )
    local = ".".join(bare.lower().split())
    return f"{local}@{rng.choice(_DOMAINS[language])}"


def _phone(language: str, number: int) -> str:
    if language == "en":
        return f"+1 {(202, 303, 404, 503, 602, 702, 804, 916)[number // 100 % 8]} 555 01{number % 100:02}"
    if language == "de":
        return f"+49 30 23125 {number % 1000:03}"
    return f"+420 200 {number // 1000 % 1000:03} {number % 1000:03}"
