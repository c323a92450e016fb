"""Fill an empty installation with demo data.

The data are WebChats, consent texts, staff members of each role, sessions and erasures. All persons
are fictitious. Everything is written in one transaction.

The command refuses to run if WebChats exist; with ``--if-empty`` it then succeeds and changes
nothing. With DEBUG off it refuses to run without ``--yes-this-is-a-demo``, because the password of
the created logins is public.

Exit codes:

- 0: done, or not empty and ``--if-empty``
- 1: refused
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from anonymization.storage import StorageUnavailable, mark_storage
from demo.build import Builder
from demo.staff import PASSWORD, STAFF
from sessions_app.models import Session
from webchat.models import WebChat


class Command(BaseCommand):
    help = "Fill an empty installation with demo data and print the logins."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--sessions",
            type=int,
            default=600,
            help="how many sessions to create (600)",
        )
        parser.add_argument(
            "--if-empty",
            action="store_true",
            help="if there are WebChats, change nothing and succeed",
        )
        parser.add_argument(
            "--yes-this-is-a-demo",
            action="store_true",
            help="allow known passwords although DEBUG is off",
        )
        parser.add_argument(
            "--address",
            default="http://127.0.0.1:8000",
            help="the URL of the demo, for the printed links",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG and not options["yes_this_is_a_demo"]:
            raise CommandError(
                "DEBUG is off: this may be a real installation, and the passwords of the demo are public. "
                "If this is a demo, add --yes-this-is-a-demo."
            )
        if options["sessions"] < 10:
            raise CommandError("Choose at least 10 sessions.")
        if not WebChat.objects.exists():
            self._build(options["sessions"])
        elif not options["if_empty"]:
            raise CommandError(
                "There are WebChats already. Demo data can be created only in an empty installation."
            )
        self._print_log_ins(options["address"].rstrip("/"))

    def _build(self, sessions: int) -> None:
        if User.objects.filter(username__in=[name for name, *_ in STAFF]).exists():
            raise CommandError("Staff members with the names of the demo already exist.")
        try:
            # Call this before the transaction of the demo data, which could roll back the marker's
            # row.
            mark_storage()
        except StorageUnavailable:
            raise CommandError(
                "MEDIA_ROOT takes no files; the line above says why. Choose an empty folder, or empty it."
            ) from None
        Builder(sessions=sessions).build()
        self.stdout.write(f"Demo data made: {Session.objects.count()} sessions.")

    def _print_log_ins(self, address: str) -> None:
        """Print the logins and URLs of the demo, with the password of the first start."""
        names = set(
            User.objects.filter(username__in=[name for name, *_ in STAFF]).values_list(
                "username", flat=True
            )
        )
        width = max(len(name) for name, *_ in STAFF)
        self.stdout.write(f"\nStaff: {address}{reverse('account_login')}")
        for name, role, *_ in STAFF:
            if name in names:
                self.stdout.write(
                    f"  {name:{width}}  {PASSWORD}  {role or 'superuser, also at /admin/'}"
                )
        self.stdout.write("\nVisitors:")
        for webchat in WebChat.objects.open():
            for route in ("entry", "showroom"):
                url = reverse(route, args=[webchat.public_id])
                self.stdout.write(f"  {webchat.name:16}  {address}{url}")
        self.stdout.write("")
