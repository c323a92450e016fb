"""Measure the delivery of messages and the time of pages while many rooms are open.

Starts PostgreSQL, the pages and the event streams on this machine and opens a stream for each room.
Operators post messages to random rooms at an even rate, as the page does. At the same time, one
reader requests the page of a room again and again. The numbers of rooms and seconds limit the run,
and all requests use the loopback interface.

    nice -n 5 .venv/bin/python -m bench.rooms --rooms 1000 --seconds 30 --rate 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.postgres import create_database, drop_database, server

ROOT = Path(__file__).resolve().parent.parent
PAGES, EVENTS = 8480, 8481
GOAL = 1.0
#: The average number of messages of a room within a minute. The page refuses more than 60, see
#: ``sessions_app/limits.py``.
MESSAGES_PER_ROOM = 30


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rooms", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rate", type=float, default=20, help="messages a second in all")
    parser.add_argument("--prepare", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.rate * 60 > asked.rooms * MESSAGES_PER_ROOM:
        parser.error("a room would reach its limit of messages: ask for more rooms or a lower rate")
    if asked.prepare:
        print(json.dumps(prepare(asked.prepare)))
        return
    with server() as url:
        os.environ |= {"DATABASE_URL": create_database(url, "bench_rooms"), **SETTINGS}
        preparing = [sys.executable, "-m", "bench.rooms", "--prepare", str(asked.rooms)]
        tokens = json.loads(subprocess.check_output(preparing))
        with serving("gunicorn.events.py"), serving("gunicorn.conf.py"):
            wrong = asyncio.run(measure(tokens, seconds=asked.seconds, rate=asked.rate))
        drop_database(url, "bench_rooms")
    sys.exit(wrong)


SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "mluvii_gdpr.settings",
    "DEBUG": "off",
    "HTTPS": "off",
    "SECRET_KEY": secrets.token_urlsafe(64),
    "ALLOWED_HOSTS": "127.0.0.1",
    "PORT": str(PAGES),
    "EVENTS_PORT": str(EVENTS),
}


def prepare(rooms: int) -> list[str]:
    """Migrate, open the given number of rooms through the gate, and return their secrets."""
    import django

    django.setup()
    from django.core.management import call_command

    from sessions_app import gate, ticket
    from sessions_app.models import Channel
    from webchat.models import EntryForm, WebChat

    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    webchat = WebChat.objects.create(name="Rooms", entry_form=EntryForm.NONE, languages=["en"])
    tokens = []
    for _ in range(rooms):
        signed = ticket.issue(webchat, channel=Channel.CHAT, language="en", text=None)
        read = ticket.read(signed, webchat=webchat, channel=Channel.CHAT)
        gate.start_session(webchat, ticket=read, entry=gate.Entry(), visit=gate.Visit())
        tokens.append(read.room_token)
    return tokens


@contextmanager
def serving(config: str) -> Iterator[None]:
    """Serve until the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--config", config], cwd=ROOT
    ) as process:
        try:
            yield
        finally:
            process.terminate()


class Tally:
    """The times at which messages were sent, and the measured times of deliveries and pages."""

    def __init__(self) -> None:
        self.sent: dict[str, float] = {}
        self.delivered: list[float] = []
        self.pages: list[float] = []
        self.posts: list[float] = []
        self.errors: list[str] = []
        self.open = 0


async def measure(tokens: list[str], *, seconds: int, rate: float) -> int:
    """Print the figures. Return 0 if all messages arrived in time without error, otherwise 1."""
    tally = Tally()
    await until_served(PAGES, "/livez")
    await until_served(EVENTS, "/events/livez")
    started = time.perf_counter()
    listeners = []
    for number, token in enumerate(tokens):
        listeners.append(asyncio.create_task(listen(token, tally)))
        if number % 50 == 49:
            await asyncio.sleep(0.05)
    while tally.open < len(tokens) and not tally.errors and time.perf_counter() - started < 120:
        await asyncio.sleep(0.1)
    print(f"{tally.open} streams open after {time.perf_counter() - started:.1f} s")
    end = time.perf_counter() + seconds
    await asyncio.gather(speak(tokens, tally, end, rate), read_pages(tokens, tally, end))
    await asyncio.sleep(3)
    for listener in listeners:
        listener.cancel()
    return report(tally)


def report(tally: Tally) -> int:
    print(f"load average {os.getloadavg()[0]:.1f}")
    for name, times in (
        ("delivery", tally.delivered),
        ("page", tally.pages),
        ("POST", tally.posts),
    ):
        cuts = [1000 * cut for cut in statistics.quantiles(times, n=100)]
        figures = f"{cuts[49]:.0f} ms | {cuts[94]:.0f} ms | {1000 * max(times):.0f} ms"
        print(f"| {name} | {len(times):,} | {figures} |")
    missing = len(tally.sent)
    print(f"errors {len(tally.errors)} {tally.errors[:3]}, never delivered {missing}")
    late = statistics.quantiles(tally.delivered, n=100)[94] > GOAL
    return int(bool(tally.errors or missing or late))


async def until_served(port: int, path: str) -> None:
    for _ in range(300):
        try:
            if (await ask(port, "GET", path))[0] == 200:
                return
        except OSError:
            pass
        await asyncio.sleep(0.2)


async def ask(port: int, method: str, path: str, body: str = "") -> tuple[int, float]:
    """Send one request on a separate connection. Return its status and its seconds."""
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    kind = "Content-Type: application/x-www-form-urlencoded\r\n" if body else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Fetched: 1\r\nConnection: close\r\n{kind}"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    answer = await reader.read()
    writer.close()
    return int(answer.split(b" ", 2)[1] if answer else 0), time.perf_counter() - started


async def listen(token: str, tally: Tally) -> None:
    """Keep one stream open as a browser does, and record when each text arrives."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", EVENTS)
        writer.write(f"GET /events/room/{token}/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        async for raw in reader:
            line = raw.decode()
            if line.startswith("HTTP/1.1") and " 200 " not in line:
                tally.errors.append(line.strip())
            if line.startswith("retry:"):
                tally.open += 1
            if "text-" in line:
                name = line[line.index("text-") :].partition("<")[0].strip()
                if name in tally.sent:
                    tally.delivered.append(time.perf_counter() - tally.sent.pop(name))
        tally.errors.append("a stream ended")
    except OSError as fault:
        tally.errors.append(type(fault).__name__)


async def speak(tokens: list[str], tally: Tally, end: float, rate: float) -> None:
    """Post a text to a random room at an even rate, without waiting for the answers."""
    posts = set()
    number = 0
    while time.perf_counter() < end:
        number += 1
        post = asyncio.create_task(say(secrets.choice(tokens), f"text-{number}", tally))
        posts.add(post)
        post.add_done_callback(posts.discard)
        await asyncio.sleep(1 / rate)
    await asyncio.gather(*posts)


async def say(token: str, text: str, tally: Tally) -> None:
    tally.sent[text] = time.perf_counter()
    status, took = await ask(PAGES, "POST", f"/r/{token}/message/", f"text={text}")
    tally.posts.append(took)
    if status != 204:
        tally.errors.append(f"POST {status}")


async def read_pages(tokens: list[str], tally: Tally, end: float) -> None:
    while time.perf_counter() < end:
        status, took = await ask(PAGES, "GET", f"/r/{secrets.choice(tokens)}/")
        tally.pages.append(took)
        if status != 200:
            tally.errors.append(f"GET {status}")
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    main()
