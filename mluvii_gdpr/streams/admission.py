"""Admit or refuse a request for an event stream."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from functools import partial
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.http.cookie import parse_cookie
from django.http.request import split_domain_port, validate_host
from django.utils.crypto import constant_time_compare

from mluvii_gdpr.readiness import ledger_problems
from sessions_app.masking import SEE_PERSONAL_DATA, Reader
from sessions_app.models import Party, Session
from sessions_app.streams import Cursor, LiveWatch, Watch
from sessions_app.ticket import room_key

Scope = MutableMapping[str, Any]
ROOM = re.compile(r"/events/room/([0-9a-f]{64})/")
SESSION = re.compile(r"/events/session/([1-9][0-9]{0,17})/")
LIVE, LIVEZ = "/events/live/", "/events/livez"
#: The maximum number of open streams of one room (browser tabs) and of one login.
PER_ROOM, PER_LOG_IN = 8, 30


class Refused(Exception):
    """The request does not receive a stream; ``status`` is the HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


class Asked:
    """The relevant parts of a request."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.path: str = scope["path"]
        self._headers = {name: value.decode("latin-1") for name, value in scope["headers"]}

    def header(self, name: bytes) -> str:
        return self._headers.get(name, "")

    @property
    def after(self) -> str:
        """Return the id of the last event that the browser has received."""
        query = parse_qs(self.scope.get("query_string", b"").decode("latin-1"))
        return self.header(b"last-event-id") or query.get("after", [""])[0]

    @property
    def session_key(self) -> str:
        # The pages read cookies in the same way. SimpleCookie would stop at the first cookie of
        # another application that is not valid. The web server limits the length.
        return parse_cookie(self.header(b"cookie")).get(settings.SESSION_COOKIE_NAME, "")

    def require_get_of_our_own(self) -> None:
        """Check the method, the host and the origin of the request.

        Pages of other sites must not read anything here.

        Raises:
            Refused: 400 for an unknown host, 405 for another method, 403 for a page of another
                site.
        """
        host = split_domain_port(self.header(b"host"))[0]
        if not host or not validate_host(host, settings.ALLOWED_HOSTS):
            raise Refused(400)
        if self.scope["method"] != "GET":
            raise Refused(405)
        if self.header(b"sec-fetch-site") == "cross-site" or not self._is_own_origin():
            raise Refused(403)

    def _is_own_origin(self) -> bool:
        """Return whether the requesting page is ours.

        Its origin must be this address or one of the setting EVENTS_ORIGINS.
        """
        origin = self.header(b"origin")
        same = {f"{scheme}://{self.header(b'host')}" for scheme in ("http", "https")}
        return not origin or origin in same or origin in settings.EVENTS_ORIGINS

    def headers(self, content_type: str) -> Iterator[tuple[bytes, bytes]]:
        yield b"content-type", content_type.encode()
        yield b"cache-control", b"no-store"
        yield b"x-content-type-options", b"nosniff"
        yield b"referrer-policy", b"no-referrer"
        # With this header nginx passes on each event immediately.
        yield b"x-accel-buffering", b"no"
        yield b"vary", b"Origin, Cookie"
        if self.header(b"origin") in settings.EVENTS_ORIGINS:
            yield b"access-control-allow-origin", self.header(b"origin").encode()
            if not ROOM.fullmatch(self.path):
                yield b"access-control-allow-credentials", b"true"


def admit(asked: Asked) -> tuple[Watch | LiveWatch, str, int]:
    """Return what the request may watch, the owner of the stream, and the owner's stream limit.

    Raises:
        Refused: 503 if the database does not match the ledger, 403 without the permission, 404 if
            there is no such session, room or path.
    """
    if ledger_problems():
        raise Refused(503)
    if room := ROOM.fullmatch(asked.path):
        return _room_watch(room[1], asked), f"room {room_key(room[1])}", PER_ROOM
    key = asked.session_key
    if asked.path == LIVE:
        allowed = partial(_is_staff, key, ("sessions_app.see_sessions",))
        watch: Watch | LiveWatch = LiveWatch(seen=asked.after, allowed=allowed)
    elif found := SESSION.fullmatch(asked.path):
        permissions = ("sessions_app.see_sessions", SEE_PERSONAL_DATA)
        allowed = partial(_is_staff, key, permissions, reads=int(found[1]))
        cursor = Cursor.parse(asked.after)
        watch = Watch(side=Party.OPERATOR, session=int(found[1]), cursor=cursor, allowed=allowed)
    else:
        raise Refused(404)
    if not allowed():
        raise Refused(403)
    if (
        isinstance(watch, Watch)
        and not Session.objects.filter(pk=watch.session, anonymized_in=None).exists()
    ):
        raise Refused(404)
    return watch, f"login {key}", PER_LOG_IN


def _room_watch(token: str, asked: Asked) -> Watch:
    key = room_key(token)
    session = Session.objects.filter(room_key=key, anonymized_in=None).only("pk").first()
    if session is None:
        raise Refused(404)
    cursor = Cursor.parse(asked.after)
    return Watch(side=Party.VISITOR, session=session.pk, cursor=cursor, token=token, room_key=key)


def _is_staff(session_key: str, permissions: tuple[str, ...], *, reads: int = 0) -> bool:
    """Return whether the login session belongs to a staff member with these permissions.

    The staff member must also be allowed to see the content of the session ``reads``, if given.
    The user must be active and the password unchanged. The login session is not changed. Django's
    own ``get_user`` would rotate the key of a login that is older than a change of SECRET_KEY, and
    the browser would not receive the new key here.
    """
    if not session_key:
        return False
    log_in = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = User.objects.filter(pk=log_in.get(SESSION_KEY), is_active=True).first()
    if user is None:
        return False
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    known = str(log_in.get(HASH_SESSION_KEY, ""))
    if not any(constant_time_compare(known, one) for one in hashes):
        return False
    return user.has_perms(permissions) and (not reads or _may_read(user, reads))


def _may_read(user: User, pk: int) -> bool:
    """Return whether no legal hold or withdrawal hides the session from the staff member.

    A session that does not exist hides nothing; the caller answers 404.
    """
    session = Session.objects.with_holds().filter(pk=pk).first()
    return session is None or Reader.of(user).may_see(session)
