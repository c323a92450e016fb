"""Load one database, then answer each line of standard input with a measurement."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import django

django.setup()

from django.contrib.auth.models import Group, User  # noqa: E402  Django has to be set up before
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.template import engines  # noqa: E402
from django.template.loader import render_to_string  # noqa: E402
from django.test import Client, override_settings  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from bench.load import DAY, SENTENCE, WITH_MESSAGES, load  # noqa: E402
from sessions_app.masking import Reader  # noqa: E402
from sessions_app.models import Session  # noqa: E402
from sessions_app.staff.columns import COLUMNS  # noqa: E402
from sessions_app.staff.paging import PAGE_SIZE, Position, page_by_key  # noqa: E402
from sessions_app.staff.table import SessionTable, with_row_data  # noqa: E402
from webchat.models import WebChat  # noqa: E402

DEPTH = 10_000
#: The default columns in a plain template, with the same links, badges and times.
PLAIN = """{% for session in sessions %}<tr role="row">
<td role="cell"><a href="{{ session.get_absolute_url }}">{{ session.pk }}</a></td>
<td role="cell">{% moment session.started %}</td>
<td role="cell">{{ session.webchat.name }}</td>
<td role="cell">{{ session.get_channel_display }}</td>
<td role="cell">{% status_badge session.status session.get_status_display %}</td>
<td role="cell">{% for event in session.row_events %}{% if event.kind == "given" %}
<a href="{{ event.text.get_absolute_url }}">v{{ event.text.version.number }} {{ event.text.language }}</a>
{% endif %}{% endfor %}</td>
<td role="cell">{% if session.guest %}<a href="{{ session.guest.get_absolute_url }}">{{ session.guest.pk }}</a>
{% endif %}</td>
<td role="cell">{{ session.entered_name }}</td><td role="cell">{{ session.entered_email }}</td>
</tr>{% endfor %}"""


def prepare(sessions: int) -> Client:
    """Migrate and fill the database. Return a client that is logged in as support."""
    call_command("migrate", verbosity=0)
    support = User.objects.create(username="support")
    support.groups.add(Group.objects.get(name="support"))
    operators = [User.objects.create(username=f"operator{number}") for number in range(8)]
    load(sessions, first_operator=operators[0].pk)
    client = Client()
    client.force_login(support)
    return client


class Pages:
    """The pages by name. A variant requests other rows of the same kind."""

    def __init__(self, client: Client, sessions: int) -> None:
        self.client = client
        self.sessions = sessions
        # At most a few pages from the end of the table.
        self.depth = min(DEPTH, sessions // PAGE_SIZE * 3 // 4)
        self.rarest = WebChat.objects.order_by("-pk")[0].pk
        self.rows = page_by_key(with_row_data(Session.objects.all())).rows
        self.plain = engines["django"].from_string(PLAIN)
        self.keys = [str(Position.of(self._at((self.depth + n) * PAGE_SIZE - 1))) for n in range(7)]

    def _at(self, offset: int) -> Session:
        return Session.objects.order_by("-created_at", "-id").only("created_at")[offset]

    def render_rows(self) -> HttpResponse:
        """Return the table of the first page alone, with the default columns."""
        shown = [name for name, column in COLUMNS.items() if column.default]
        table = SessionTable(self.rows, columns=shown, reader=Reader(sees_people=True))
        return HttpResponse(render_to_string("sessions_app/staff/table.html", {"table": table}))

    def note(self, page: str) -> str:
        return f" ({self.depth:,} pages)" if page == "deep" else ""

    def asks(self, page: str, variant: int) -> Callable[[], HttpResponse]:
        get, post, step = self.client.get, self.client.post, self.sessions // 10 * variant
        detail = step // WITH_MESSAGES * WITH_MESSAGES + WITH_MESSAGES
        return {
            "first": lambda: get("/sessions/"),
            "deep": lambda: get("/sessions/", {"after": self.keys[variant]}),
            "webchat": lambda: get("/sessions/", {"webchat": self.rarest}),
            "day": lambda: get("/sessions/", {"since": DAY.isoformat(), "until": DAY.isoformat()}),
            "channel": lambda: get("/sessions/", {"channel": "phone"}),
            "version": lambda: get("/sessions/", {"version": 1}),
            "find": lambda: post("/guests/find/", {"email": f"guest.{step // 2 + 1}@example.com"}),
            "name": lambda: post("/guests/find/", {"name": f"Number {step // 2 + 1} Guest"}),
            "surname": lambda: post("/guests/find/", {"name": str(step // 2 + 1)}),
            "frequent": lambda: post("/guests/find/", {"name": "Numb"}),
            "detail": lambda: get(f"/sessions/{detail}/"),
            "rows": self.render_rows,
            "plain": lambda: HttpResponse(self.plain.render({"sessions": self.rows})),
        }[page]  # type: ignore[return-value]


class DatabaseTime:
    """The total time of the statements of a request."""

    milliseconds = 0.0

    def __call__(self, execute: Callable[..., Any], *args: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(*args)
        finally:
            self.milliseconds += (time.perf_counter() - started) * 1000


def measure(ask: Callable[[], HttpResponse]) -> tuple[float, float, HttpResponse]:
    """Return the milliseconds of a request and of its statements, and the response."""
    gc.collect()
    database = DatabaseTime()
    with connection.execute_wrapper(database):
        started = time.perf_counter()
        response = ask()
        elapsed = (time.perf_counter() - started) * 1000
    assert response.status_code == 200, response.status_code
    return elapsed, database.milliseconds, response


def main() -> None:
    sessions = int(sys.argv[1])
    started = time.perf_counter()
    client = prepare(sessions)
    pages = Pages(client, sessions)
    say({"ready": f"{sessions:,} sessions loaded in {time.perf_counter() - started:.0f} s"})
    for line in sys.stdin:
        asked = json.loads(line)
        ask = pages.asks(asked["page"], asked["variant"])
        if asked["queries"]:
            with CaptureQueriesContext(connection) as captured:
                response = ask()
            rows = response.content.count(b"<tr") or response.content.count(SENTENCE.encode() * 4)
            say({"queries": len(captured), "rows": rows, "note": pages.note(asked["page"])})
        else:
            elapsed, in_database, _ = measure(ask)
            say({"ms": elapsed, "database": in_database})


def say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    # Only a served installation has the manifest of static files.
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    files = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    with override_settings(STORAGES={"default": files, "staticfiles": plain}):
        main()
