"""Read environment variables. Each reader returns a valid value or raises WrongEnvironment.

A message never contains a value: most variables are harmless, but the reader of a log cannot tell
which are not.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from email.utils import getaddresses
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import EmailValidator
from environ import Env
from psycopg import ProgrammingError
from psycopg.conninfo import make_conninfo

from mluvii_gdpr.environment import WrongEnvironment

LARGEST = 2**31 - 1
_SWITCH = {
    "on": True,
    "true": True,
    "yes": True,
    "1": True,
    "off": False,
    "false": False,
    "no": False,
    "0": False,
}
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://(\[[^\]\s]*\]|[^][/:?#@\s]+)(?::([0-9]{1,5}))?")
# Control characters, line ends, and the surrogates that Python uses for bytes that are not UTF-8.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# The options of a database URL that Django uses. All others are options of libpq.
_DJANGO_OPTIONS = {"assume_role", "isolation_level"}
_PERCENT = "Special characters of user and password are percent-encoded"


def _wrong(name: str, wanted: str) -> WrongEnvironment:
    return WrongEnvironment(f"{name} must be {wanted}.")


def text(name: str, default: str = "") -> str:
    """Return a line of text.

    Raises:
        WrongEnvironment: the value has several lines or is not UTF-8.
    """
    value = os.environ.get(name, default)
    if _UNPRINTABLE.search(value):
        raise _wrong(name, "one line of UTF-8 text")
    return value


def switch(name: str, default: bool) -> bool:
    """Return whether a switch is on.

    Raises:
        WrongEnvironment: the value is neither on nor off.
    """
    value = text(name, "on" if default else "off").lower()
    if value not in _SWITCH:
        raise _wrong(name, "on or off")
    return _SWITCH[value]


def number(name: str, default: int, *, least: int = 1, most: int = LARGEST) -> int:
    """Return a whole number.

    Raises:
        WrongEnvironment: the value is not a number, or it is too small or too large.
    """
    value = text(name, str(default))
    if not re.fullmatch(r"[0-9]{1,10}", value) or not least <= int(value) <= most:
        raise _wrong(name, f"a whole number from {least} to {most}")
    return int(value)


def one_of(name: str, choices: Collection[str], default: str) -> str:
    """Return one of the choices.

    Raises:
        WrongEnvironment: the value is not one of the choices.
    """
    value = text(name, default)
    if value not in choices:
        raise _wrong(name, f"one of {', '.join(choices)}")
    return value


def several(name: str, fits: Callable[[str], Any], wanted: str, default: str = "") -> list[str]:
    """Return the items of a list. It may be empty only if the default is empty.

    Raises:
        WrongEnvironment: ``fits`` rejects an item.
    """
    value = text(name, default)
    if not value and not default:
        return []
    items = value.split(",")
    if not all(fits(item) for item in items):
        raise _wrong(name, f"{wanted}, separated by commas without blanks")
    return items


def day(name: str) -> dt.date | None:
    """Return a date, for example 2026-03-01, or None if the variable is empty.

    Raises:
        WrongEnvironment: the value is not a date.
    """
    value = text(name)
    try:
        return dt.datetime.strptime(value, "%Y-%m-%d").date() if value else None
    except ValueError:
        raise _wrong(name, "a date such as 2026-03-01, or empty") from None


def folder(name: str) -> Path | None:
    """Return an existing folder, or None if the variable is empty.

    Raises:
        WrongEnvironment: the folder does not exist, or the path is relative.
    """
    value = text(name)
    if value and not (os.path.isabs(value) and os.path.isdir(value)):
        raise _wrong(name, "a folder that exists, as an absolute path, or empty")
    return Path(value) if value else None


def path(name: str, default: Path) -> Path:
    """Return a folder that need not exist yet.

    Raises:
        WrongEnvironment: the path is relative, or there is a file.
    """
    value = text(name, str(default))
    if not os.path.isabs(value) or (os.path.exists(value) and not os.path.isdir(value)):
        raise _wrong(name, "a folder, as an absolute path")
    return Path(value)


def time_zone(name: str, default: str) -> str:
    """Return the name of a time zone that is installed on this machine.

    Raises:
        WrongEnvironment: there is no such time zone.
    """
    value = text(name, default)
    try:
        ZoneInfo(value)
    except (LookupError, ValueError, OSError):
        raise _wrong(name, "a time zone of the IANA database, such as Europe/Prague") from None
    return value


def address_to_listen_on(name: str, default: str) -> str:
    """Return a host name or an IP address. An IPv6 address is returned in brackets.

    Raises:
        WrongEnvironment: the value is neither.
    """
    value = text(name, default)
    value = f"[{value}]" if _is_ip(value, 6) else value
    if not is_host(value):
        raise _wrong(name, "an IP address or a host name, without a port")
    return value


def sender(name: str, default: str) -> str:
    """Return one e-mail address, with or without a name before it.

    Raises:
        WrongEnvironment: the value is not one e-mail address.
    """
    value = text(name, default)
    try:
        ((_name, address),) = getaddresses([value])
        EmailValidator(allowlist=["localhost"])(address)
        if value.count("<") != value.count(">"):
            raise ValueError
    except (ValueError, ValidationError):
        raise _wrong(
            name, "an e-mail address, such as chat@example.com or Chat <chat@example.com>"
        ) from None
    return value


def database(name: str, default: str) -> dict[str, Any]:
    """Return the entry of DATABASES for a URL.

    The URL describes PostgreSQL, or an SQLite file in an existing folder.

    Raises:
        WrongEnvironment: the URL is invalid, or the folder does not exist.
    """
    url = text(name) or default
    with suppress(ImproperlyConfigured, ValueError, ProgrammingError):
        if url.startswith("sqlite:////"):
            config: dict[str, Any] = Env.db_url_config(url)
            if Path(config["NAME"]).parent.is_dir():
                return config
        if url.startswith(("postgres://", "postgresql://")):
            config = Env.db_url_config(url)
            make_conninfo(
                **{k: v for k, v in config.get("OPTIONS", {}).items() if k not in _DJANGO_OPTIONS}
            )
            # A separator in the name means that a password was not percent-encoded.
            if re.fullmatch("[^/@?#]+", config["NAME"]):
                return config
    raise _wrong(
        name,
        "postgres://user:password@host:port/database, or sqlite:////folder/file in a folder that exists. "
        + _PERCENT,
    )


def mail(name: str, default: str) -> dict[str, Any]:
    """Return the mail settings for a URL.

    Raises:
        WrongEnvironment: the URL is invalid.
    """
    url = text(name, default)
    with suppress(ImproperlyConfigured, ValueError):
        config: dict[str, Any] = Env.email_url_config(url)
        parts = urlsplit(url)
        over = parts.path.strip("/") or parts.query or parts.fragment
        if "smtp" not in config["EMAIL_BACKEND"] or (config["EMAIL_HOST"] and not over):
            return config
    raise _wrong(name, "such as smtp+tls://user:password@mail.example.com:587. " + _PERCENT)


def is_host(value: str) -> bool:
    """Return whether a text is a host name, an IPv4 address, or an IPv6 address in brackets."""
    if value.startswith("["):
        return value.endswith("]") and _is_ip(value[1:-1], 6)
    return bool(_HOST_NAME.fullmatch(value))


def origin(name: str, default: str) -> str:
    """Return an origin, or the default if the variable is empty.

    Raises:
        WrongEnvironment: the value is not an origin.
    """
    value = text(name) or default
    if not is_origin(value):
        raise _wrong(name, "an origin such as https://chat.example.com, or empty")
    return value


def is_origin(value: str) -> bool:
    """Return whether a text is an origin: scheme, host and optionally port, as browsers send it."""
    found = _ORIGIN.fullmatch(value)
    return bool(found and is_host(found[1]) and 0 < int(found[2] or 443) <= 65535)


def _is_ip(value: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(value).version == version
    except ValueError:
        return False
