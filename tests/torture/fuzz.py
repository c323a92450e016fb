"""Send generated requests to the REST API and the token endpoint on both databases.

No request may cause an error of the server, and both databases must give the same answer. Half of
the requests are generated from the API's description by schemathesis, valid and invalid ones. The
others are hostile: NUL, lone surrogates, other alphabets, huge numbers, deep JSON, bodies of ten
megabytes, odd headers, methods and dates.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from bench.postgres import create_database, drop_database, server
from tests.torture.answers import SESSIONS, Answers, Request
from tests.torture.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
BATCH = 500
_TEN_MEGABYTES = 10 * 1024 * 1024
#: The accepted statuses: any refusal, but no error of the server.
FAULT = 500

_odd_text = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["", "\0", "a\0b", "\ud800", "‮gnp", "٣", "１２", "null", "true", "1", "0", "-1", "1e9", "1,2", "%", "_",
         "' OR 1=1 --", "../../etc", "NaN", "Infinity", "2026-11-01", "2026-11-01T10:00:00.0000000Z", "9999-12-31",
         "0000-00-00", "2026-W01-1", "PT4M40S", "P1Y", "-PT1S", "99:99:99", str(2**31), str(2**63), str(2**64),
         "1" * 5000, "3/cs", "CLOSED", "chat", "203.0.113.7", "::1", "x" * 3000]
    ),
)  # fmt: skip
_ids = st.one_of(st.integers(1, SESSIONS * 2).map(str), _odd_text)
_names = st.sampled_from(
    ["limit", "offset", "Created.Min", "created.MAX", "Created.Null", "Anonymized.Min", "Ended.Max", "Accepted.Null",
     "WaitingTime.Min", "Duration.Max", "SessionId", "ClientId", "DepartmentId", "OperatorUserId", "Status",
     "Channel", "Source", "Widget", "Tags", "Browser", "OS", "GDPRVersion.Text", "GDPRVersion.Exact",
     "GDPRVersion.Null", "LandingPage.Text", "LandingPage.Null", "IPAddress.Text", "IPAddress.Exact",
     "Language.Exact", "dry_run", "access_token", "x"]
)  # fmt: skip
_queries = st.lists(st.tuples(st.one_of(_names, _odd_text), _odd_text), max_size=4)
_paths = st.one_of(
    st.sampled_from(
        ["Sessions", "sessions/", "Guests/find", "Guests", "", "nothing", "GUESTS/FIND/"]
    ),
    st.tuples(
        st.sampled_from(["Sessions", "sessions", "Guest", "Guests"]),
        _ids,
        st.sampled_from(["", "/anonymous", "/anonymize", "/Anonymize/", "/x"]),
    ).map(lambda parts: f"{parts[0]}/{_escaped(parts[1])}{parts[2]}"),
)
_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _odd_text),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(st.sampled_from(["name", "email", "phone"]), _odd_text), inner, max_size=3
        ),
    ),
    max_leaves=8,
)
_bodies = st.one_of(
    st.just(b""),
    _json.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"[" * 100_000,
            b'{"name":' * 50_000,
            b"1" * 5000,
            b'{"email": "' + b"x" * _TEN_MEGABYTES + b'"}',
        ]
    ),
)
_header_text = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=300)
_headers = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": st.sampled_from(
            ["application/json", "text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data",
             "application/json; charset=rot13", "application/json; charset=\"", "x"]
        ),
        "Accept": st.sampled_from(["application/json", "text/html", "nonsense", "*/*;q=0"]),
        "Accept-Language": st.sampled_from(["cs", "de;q=0.1", "x" * 300]),
        "Idempotency-Key": st.one_of(st.sampled_from(["one", "two"]), _header_text),
    },
)  # fmt: skip
_methods = st.sampled_from(
    ["GET"] * 4 + ["POST"] * 4 + ["PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "TRACE", "x"]
)

hostile = st.builds(
    lambda method, path, query, headers, body: (
        method,
        f"/api/v1/{path}?" + "&".join(f"{_escaped(n)}={_escaped(v)}" for n, v in query),
        headers,
        b"" if method in {"GET", "HEAD"} else body,
    ),
    _methods, _paths, _queries, _headers, _bodies,
)  # fmt: skip
_form = st.dictionaries(
    st.one_of(
        st.sampled_from(["grant_type", "client_id", "client_secret", "scope", "response_type"]),
        _odd_text,
    ),
    st.one_of(
        st.sampled_from(["client_credentials", "mluviiPublicApi", "read_sessions"]), _odd_text
    ),
    max_size=5,
)
tokens = st.builds(
    lambda form, headers: (
        "POST",
        "/login/connect/token",
        headers | {"Content-Type": "application/x-www-form-urlencoded"},
        "&".join(f"{_escaped(n)}={_escaped(v)}" for n, v in form.items()).encode(),
    ),
    _form, _headers,
)  # fmt: skip


def _escaped(text: str) -> str:
    return quote(text.encode(errors="surrogatepass"), safe="")


def described() -> st.SearchStrategy[Request]:
    """Return requests generated from the API's description, valid and invalid ones."""
    description = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())
    schema = schemathesis.openapi.from_dict(description)
    schema.config.update(base_url="http://testserver")
    operations = [operation.ok() for operation in schema.get_all_operations()]
    modes = list(schemathesis.GenerationMode)
    return st.one_of([o.as_strategy(generation_mode=m) for o in operations for m in modes]).map(
        _as_request
    )


def _as_request(case: Any) -> Request:
    sent = schemathesis_request(case)
    url = urlsplit(sent.url)
    body = sent.body or b""
    headers = {
        name: value
        for name, value in sent.headers.items()
        if name in {"Content-Type", "Idempotency-Key"}
    }
    return (
        sent.method,
        f"{url.path}?{url.query}",
        {n: v if isinstance(v, str) else v.decode("latin-1") for n, v in headers.items()},
        body if isinstance(body, bytes) else body.encode(),
    )


def schemathesis_request(case: Any) -> Any:
    """Return a case of schemathesis as a request."""
    import requests

    return requests.Request(**case.as_transport_kwargs()).prepare()


def run(progress: Progress, *, url: str = "", size: int = BATCH) -> None:
    """Send the requests to both databases. ``url`` names a running PostgreSQL."""
    if not url:
        with server() as started:
            return run(progress, url=started, size=size)
    name = "torture_fuzz"
    with tempfile.TemporaryDirectory() as folder:
        sqlite = f"sqlite:///{folder}/fuzz.sqlite3"
        try:
            with (
                Answers(sqlite, Path(folder, "a")) as one,
                Answers(create_database(url, name), Path(folder, "b")) as other,
            ):
                kinds = {"described": described(), "hostile": hostile, "token": tokens}
                for batch in progress.batches():
                    kind = ("described", "hostile", "token", "described", "hostile")[batch % 5]
                    _send(
                        kinds[kind],
                        size,
                        batch,
                        lambda sent, kind=kind: _compare(progress, kind, sent, one, other),
                    )
        finally:
            drop_database(url, name)


def _send(
    requests: st.SearchStrategy[Request],
    how_many: int,
    number: int,
    check: Callable[[Request], None],
) -> None:
    """Send the given number of requests of a batch and compare the answers."""

    @seed(number)
    @settings(
        max_examples=how_many, database=None, deadline=None, phases=[Phase.generate], derandomize=False,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(requests)
    def send(request: Request) -> None:
        check(request)

    send()


def _compare(progress: Progress, kind: str, sent: Request, one: Answers, other: Answers) -> None:
    answers = [one.ask(sent), other.ask(sent)]
    method, path, _headers, body = sent
    failure = ""
    if any(status >= FAULT for status, _names in answers):
        failure = "a fault"
    elif answers[0] != answers[1]:
        failure = "two verdicts"
    told = f"{failure}: {method} {path[:300]!a} {body[:80]!a} {answers!a}"[:600] if failure else ""
    progress.count(kind, told)
